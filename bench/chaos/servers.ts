import { join } from 'node:path';
import type { DatabaseProgram } from '../../cli/servers/database-program.ts';
import { prepareDatabase } from '../../cli/servers/database-server.ts';
import { findPrograms } from '../../cli/servers/find-server-programs.ts';
import { prepareNats } from '../../cli/servers/nats-server.ts';
import type { Program } from '../../cli/supervise.ts';
import { findMysql } from '../listing-servers.ts';
import { placeOf } from './system.ts';
import type { Place } from './tcp-proxy.ts';

/** The servers of a system, not started yet. */
export interface Servers {
  /** In the order in which they are started. `isVictim`: whether faults may hit it. */
  readonly programs: readonly { readonly name: string; readonly program: Program; readonly isVictim: boolean }[];
  /** Past every proxy, for whoever judges the run. */
  readonly mysqlUrl: string;
  readonly natsUrl: string;
  readonly natsPlaces: readonly Place[];
  readonly natsToken: string;
  /** Such as `MariaDB 10.11.11, NATS 2.9.10`. */
  readonly description: string;
  /** On how many NATS servers each stream is kept. */
  readonly replicas: number;
  /** Lets go of what is not a program. */
  close?(): Promise<void>;
}

/** One database server and one NATS server in `folder`. */
export async function describeSingleServers(options: {
  readonly folder: string;
  readonly cacheFolder: string;
  readonly kind: DatabaseProgram['kind'];
  readonly say: (line: string) => void;
}): Promise<Servers> {
  const { folder, cacheFolder, kind, say: report } = options;
  const databaseFolder = join(folder, 'database');
  const found = await findPrograms({ needDatabase: true, needNats: true, databaseFolder, cacheFolder, report });
  if (found.database === null || found.nats === null) throw new Error('A server program is missing.');
  const program = kind === 'mysql' ? await findMysql(cacheFolder) : found.database.program;
  report('making the database');
  const database = await prepareDatabase(program, databaseFolder);
  const nats = await prepareNats(found.nats.place, join(folder, 'nats'));
  return {
    programs: [
      { name: 'database', program: database.program, isVictim: true },
      { name: 'nats', program: nats.program, isVictim: true },
    ],
    mysqlUrl: database.url,
    natsUrl: nats.url,
    natsPlaces: [placeOf(nats.url)],
    natsToken: new URL(nats.url).username,
    replicas: 1,
    description: `${program.kind} ${program.version}, ${found.nats.description}`,
  };
}
