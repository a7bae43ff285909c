import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import mysql from 'mysql2/promise';
import { inject } from 'vitest';
import { abortAfter } from '../cli/abort-after.ts';
import { chooseFreePort } from '../cli/free-port.ts';
import { describeEnding, type Ending, spawnGuarded } from '../cli/guarded-process.ts';
import { describeDatabaseProgram } from '../cli/servers/database-program.ts';
import { prepareDatabase } from '../cli/servers/database-server.ts';
import { canUnpackOtherReleases, unpackDebianPackages } from '../cli/servers/debian-packages.ts';
import { type PrivateServers, startPrivateServers } from '../cli/servers/private-servers.ts';
import { askHttp, describeService, type ServiceName } from '../cli/services.ts';
import { supervise, waitUntil } from '../cli/supervise.ts';
import { messageOf } from '../lib/errors.ts';
import { migrate } from '../sql/migrate.ts';
import { testCacheFolder } from './find-chromium.ts';
import { keepLog } from './kept-logs.ts';

export { findChromium, testCacheFolder } from './find-chromium.ts';

declare module 'vitest' {
  interface ProvidedContext {
    /** `mysql://…/faceflow` of the run's database server; its user owns every database `faceflow_…`. */
    mysqlUrl: string;
    natsUrl: string;
  }
}

/**
 * A killed `npm test` leaves vitest behind, and a killed vitest its workers, which would finish their tests, and everything
 * started by those, for nobody. (Not `process.exit`: vitest forbids it in a worker.)
 */
if (process.connected) process.once('disconnect', () => process.kill(process.pid, 'SIGKILL'));

/** What could not be made available on this machine, and why: for `test.skipIf`. */
export interface Unavailable {
  skip: string;
}

/** The NATS server of this run; streams on it are told apart by createStreamName. */
export function natsUrl(): string {
  return inject('natsUrl');
}

export interface TestDatabase {
  url: string;
  drop(): Promise<void>;
}

/** A fresh database with the current schema (or, with `migrated: false`, an empty one) on the run's server or on `server`. */
export async function createDatabase(options: { migrated?: boolean; server?: string } = {}): Promise<TestDatabase> {
  const server = options.server ?? inject('mysqlUrl');
  const name = `faceflow_test_${randomUUID().replaceAll('-', '').slice(0, 16)}`;
  const run = async (sql: string) => {
    const connection = await mysql.createConnection({ uri: server });
    await connection.query(sql).finally(() => connection.end());
  };
  await run(`CREATE DATABASE ${name} CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci`);
  const url = new URL(server);
  url.pathname = `/${name}`;
  if (options.migrated ?? true) await migrate(url.href);
  return { url: url.href, drop: () => run(`DROP DATABASE IF EXISTS ${name}`) };
}

/** A name for a stream (or a consumer) that no other test uses. */
export function createStreamName(): string {
  return `TEST_${randomUUID().replaceAll('-', '').slice(0, 16).toUpperCase()}`;
}

export interface RunningService {
  readonly pid: number;
  /** Where it listens; for the processor, its health port. */
  readonly port: number;
  /** Everything that it has printed until now, both streams. */
  log(): string;
  /** SIGTERM, and waits; SIGKILL after 30 s. */
  stop(): Promise<Ending>;
  kill(signal: NodeJS.Signals): void;
  readonly exited: Promise<Ending>;
}

export interface StartServiceOptions {
  /**
   * What is waited for: by default what the launcher waits for (see describeService); `/healthz` for a receiver or a
   * processor that is to live without its servers; `false` for nothing at all.
   */
  ready?: '/healthz' | '/readyz' | false;
}

/**
 * Runs the compiled service as a child process on a free port, with nothing in its environment but `env` and what every
 * program needs. It dies with the test process. Throws with the service's own output when it does not become ready.
 */
export async function startService(
  name: ServiceName,
  env: Record<string, string>,
  options: StartServiceOptions = {},
): Promise<RunningService> {
  const given = Number(env[`${name.toUpperCase()}_PORT`] ?? 0);
  const port = given || (await chooseFreePort());
  const { PATH = '', HOME = '', TMPDIR = tmpdir() } = process.env;
  const program = describeService(name, { PATH, HOME, TMPDIR, ...env }, '127.0.0.1', port);
  const child = await spawnGuarded(program.command, program.args, { env: program.env, killAfterMs: 5_000 });
  let printed = '';
  const keep = keepLog(name, env);
  for (const input of [child.stdout, child.stderr]) {
    createInterface({ input }).on('line', (line) => {
      printed += `${line}\n`;
      keep(line);
    });
  }
  const { ready } = options;
  const check = (signal: AbortSignal) =>
    ready ? askHttp(`http://127.0.0.1:${port}${ready}`, signal) : program.ready(signal);
  if (ready !== false) {
    const giveUp = new AbortController();
    const dead = child.ended.then((ending) => {
      giveUp.abort();
      throw new Error(describeEnding(ending));
    });
    dead.catch(() => {});
    const limit = abortAfter(program.readyWithinMs, giveUp.signal);
    try {
      await Promise.race([dead, waitUntil(check, limit)]);
    } catch (error) {
      await child.stop('SIGKILL', 0);
      throw new Error(`${name} did not become ready: ${messageOf(error)}\n${printed}`, { cause: error });
    }
  }
  return {
    pid: child.pid,
    port,
    log: () => printed,
    stop: () => child.stop('SIGTERM', 30_000),
    kill: child.kill,
    exited: child.ended,
  };
}

/**
 * A NATS server of a test's own, which may be stopped, robbed of its disk and started again: its data, and its port, stay in
 * the folder.
 */
export function startNatsServer(dataFolder: string): Promise<PrivateServers> {
  return startPrivateServers({
    ...{ dataFolder, cacheFolder: testCacheFolder(), mysqlUrl: 'mysql://nobody@127.0.0.1:1/none', natsUrl: undefined },
    ...{ report: () => {}, watch: () => ({ onLine: () => {}, onEvent: () => {} }) },
  });
}

export interface TestServer {
  /** `mysql://…/faceflow`, for `createDatabase({ server })`. */
  url: string;
  version: string;
  stop(): Promise<void>;
}

/**
 * A real MySQL (not MariaDB), from Debian sid's packages and with sid's own libraries, whatever Debian this is.
 * Downloads 60 MB the first time.
 */
export async function startMysqlServer(): Promise<TestServer | Unavailable> {
  if (!canUnpackOtherReleases()) return { skip: 'MySQL is taken from Debian sid, and this machine is not a Debian' };
  const packages = await unpackDebianPackages(['mysql-server-core'], {
    cacheFolder: testCacheFolder(),
    release: 'sid',
  });
  const file = join(packages.root, 'usr/sbin/mysqld');
  const program = await describeDatabaseProgram({
    file,
    ldLibraryPath: packages.ldLibraryPath,
    loader: packages.loader,
  });
  const folder = await mkdtemp(join(tmpdir(), 'faceflow-mysql-'));
  const removeFolder = () => rm(folder, { recursive: true, force: true });
  try {
    const prepared = await prepareDatabase(program, folder);
    const server = await supervise(prepared.program, { onLine: () => {}, onEvent: () => {} });
    const stop = async () => {
      await server.stop();
      await removeFolder();
    };
    return { url: prepared.url, version: program.version, stop };
  } catch (error) {
    await removeFolder();
    throw error;
  }
}
