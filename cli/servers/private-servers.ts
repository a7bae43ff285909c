import { join } from 'node:path';
import type { Supervised, SuperviseOptions } from '../supervise.ts';
import { supervise } from '../supervise.ts';
import { prepareDatabase } from './database-server.ts';
import { findPrograms } from './find-server-programs.ts';
import { prepareNats } from './nats-server.ts';

export interface PrivateServersOptions {
  dataFolder: string;
  cacheFolder: string;
  /** Servers of somebody else's that are to be used instead of private ones. */
  mysqlUrl: string | undefined;
  natsUrl: string | undefined;
  /** How a server is watched; called with its name (MariaDB, MySQL or NATS). */
  watch: (name: string) => SuperviseOptions;
  /** What is being done, for a progress line. */
  report: (doing: string) => void;
  signal?: AbortSignal | undefined;
}

export interface PrivateServers {
  mysqlUrl: string;
  natsUrl: string;
  /** What was started, in order. */
  started: Supervised[];
  /** Such as `MariaDB 10.11.19 (downloaded)`, or `given by MYSQL_URL`. */
  description: { database: string; nats: string };
  stop(): Promise<void>;
}

/**
 * Starts a private MariaDB (or MySQL) and a private NATS server in the data folder, each unless its URL is given.
 * Throws a LaunchError that says what to do when a server program cannot be had or does not start; then nothing runs.
 */
export async function startPrivateServers(options: PrivateServersOptions): Promise<PrivateServers> {
  const { dataFolder, report } = options;
  const databaseFolder = join(dataFolder, 'database');
  const programs = await findPrograms({
    needDatabase: options.mysqlUrl === undefined,
    needNats: options.natsUrl === undefined,
    databaseFolder,
    cacheFolder: options.cacheFolder,
    report,
    signal: options.signal,
  });
  const started: Supervised[] = [];
  const stop = async () => {
    for (const server of started.toReversed()) await server.stop();
  };
  try {
    let { mysqlUrl, natsUrl } = options;
    if (mysqlUrl === undefined && programs.database) {
      report('starting the database');
      const prepared = await prepareDatabase(programs.database.program, databaseFolder);
      started.push(await supervise(prepared.program, options.watch(prepared.program.name)));
      mysqlUrl = prepared.url;
    }
    if (natsUrl === undefined && programs.nats) {
      report('starting NATS');
      const prepared = await prepareNats(programs.nats.place, join(dataFolder, 'nats'));
      started.push(await supervise(prepared.program, options.watch(prepared.program.name)));
      natsUrl = prepared.url;
    }
    if (mysqlUrl === undefined || natsUrl === undefined) throw new Error('a server is missing');
    const description = {
      database: programs.database?.description ?? 'given by MYSQL_URL',
      nats: programs.nats?.description ?? 'given by NATS_URL',
    };
    return { mysqlUrl, natsUrl, started, description, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}
