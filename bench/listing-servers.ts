import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chooseCacheFolder } from '../cli/cache-folder.ts';
import { chooseFreePort } from '../cli/free-port.ts';
import { type DatabaseProgram, describeDatabaseProgram } from '../cli/servers/database-program.ts';
import { prepareDatabase } from '../cli/servers/database-server.ts';
import { unpackDebianPackages } from '../cli/servers/debian-packages.ts';
import { findPrograms } from '../cli/servers/find-server-programs.ts';
import { prepareNats } from '../cli/servers/nats-server.ts';
import { describeService } from '../cli/services.ts';
import { type Program, supervise } from '../cli/supervise.ts';
import { migrate } from '../sql/migrate.ts';

/** What the faces of a million images fit into; a server for as many has as much. */
const DATABASE_ARGUMENTS = ['--innodb-buffer-pool-size=3G'];

export interface ListingServers {
  readonly database: string;
  readonly mysqlUrl: string;
  /** Runs the compiled receiver. @returns its base URL */
  startReceiver(): Promise<string>;
  /** Runs the compiled frontend. @returns the page's address */
  startFrontend(receiverUrl: string): Promise<string>;
  stop(): Promise<void>;
}

/** A private database server, with the current schema, and what a receiver needs beside it, in a folder that goes with them. */
export async function startServers(options: {
  readonly kind: DatabaseProgram['kind'];
  readonly say: (line: string) => void;
}): Promise<ListingServers> {
  const folder = await mkdtemp(join(tmpdir(), 'faceflow-bench-'));
  const started: { stop(): Promise<void> }[] = [];
  const start = async (program: Program) => {
    const server = await supervise(program, { onLine: () => {}, onEvent: ({ text }) => options.say(text) });
    started.unshift(server);
  };
  const stop = async () => {
    for (const server of started) await server.stop();
    await rm(folder, { recursive: true, force: true });
  };
  try {
    const cacheFolder = chooseCacheFolder(process.env, process.cwd(), join(folder, 'cache'));
    const databaseFolder = join(folder, 'database');
    const report = options.say;
    const found = await findPrograms({ needDatabase: true, needNats: true, databaseFolder, cacheFolder, report });
    if (found.database === null || found.nats === null) throw new Error('A server program is missing.');
    const program = options.kind === 'mysql' ? await findMysql(cacheFolder) : found.database.program;
    const prepared = await prepareDatabase(program, databaseFolder);
    // A MariaDB that starts removes temporary tables from the system's folder, whosever they are.
    const temporary = join(folder, 'temporary');
    await mkdir(temporary);
    const args = [...prepared.program.args, ...DATABASE_ARGUMENTS, `--tmpdir=${temporary}`];
    await start({ ...prepared.program, args });
    const nats = await prepareNats(found.nats.place, join(folder, 'nats'));
    await start(nats.program);
    await migrate(prepared.url);
    return {
      database: `${program.kind} ${program.version}`,
      mysqlUrl: prepared.url,
      async startReceiver() {
        const port = await chooseFreePort();
        const { PATH = '' } = process.env;
        const env = { PATH, MYSQL_URL: prepared.url, NATS_URL: nats.url, IMAGE_ROOTS: folder, LOG_LEVEL: 'warn' };
        await start(describeService('receiver', env, '127.0.0.1', port));
        return `http://127.0.0.1:${port}`;
      },
      async startFrontend(receiverUrl) {
        const port = await chooseFreePort();
        const env = { PATH: process.env.PATH ?? '', RECEIVER_URL: receiverUrl, LOG_LEVEL: 'warn' };
        await start(describeService('frontend', env, '127.0.0.1', port));
        return `http://127.0.0.1:${port}`;
      },
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** MySQL itself, from Debian sid. */
export async function findMysql(cacheFolder: string): Promise<DatabaseProgram> {
  const { root, ldLibraryPath, loader } = await unpackDebianPackages(['mysql-server-core'], {
    cacheFolder,
    release: 'sid',
  });
  return describeDatabaseProgram({ file: join(root, 'usr/sbin/mysqld'), ldLibraryPath, loader });
}
