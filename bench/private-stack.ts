import { rmSync } from 'node:fs';
import { mkdir, mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { chooseCacheFolder } from '../cli/cache-folder.ts';
import { chooseFreePort } from '../cli/free-port.ts';
import { startPrivateServers } from '../cli/servers/private-servers.ts';
import { describeService, type ServiceName } from '../cli/services.ts';
import { type Program, type Supervised, supervise } from '../cli/supervise.ts';
import { createWatcher } from '../cli/watch-process.ts';
import { migrate } from '../sql/migrate.ts';

const PROJECT = fileURLToPath(new URL(import.meta.url.endsWith('.ts') ? '..' : '../..', import.meta.url));
const HOST = '127.0.0.1';

/** A database and a queue of its own in a throw-away folder, and services on them, each started as `npm start` does. */
export interface PrivateStack {
  readonly mysqlUrl: string;
  readonly natsUrl: string;
  /** IMAGE_ROOTS; empty. */
  readonly photosFolder: string;
  /** KNOWN_PEOPLE; empty. */
  readonly knownPeopleFolder: string;
  /**
   * @param options.ready in place of what the launcher looks at to see that the service is ready
   * @param options.name tells it from others of its kind
   */
  start(
    service: ServiceName,
    env: Record<string, string>,
    options?: { ready?: (port: number) => Promise<void>; name?: string },
  ): Promise<StartedService>;
  /** Of the servers and of every service that runs. */
  pids(): Record<string, number>;
  stop(): Promise<void>;
}

export interface StartedService {
  readonly port: number;
  readonly pid: number;
  stop(): Promise<void>;
}

/** What somebody has set for their own Faceflow does not reach the services: they get what every program needs. */
const BASE_ENV = { PATH: process.env.PATH, HOME: process.env.HOME, TMPDIR: process.env.TMPDIR };

/** Nothing that it starts, and no folder, outlives this process. */
export async function startPrivateStack(say: (line: string) => void): Promise<PrivateStack> {
  const folder = await mkdtemp(join(tmpdir(), 'faceflow-bench-'));
  // Also where it is stopped by a signal, which main.ts turns into an exit.
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
  const makeFolder = async (name: string) => {
    await mkdir(join(folder, name));
    return join(folder, name);
  };
  const [photosFolder, knownPeopleFolder, logsFolder] = await Promise.all([
    makeFolder('photos'),
    makeFolder('known'),
    makeFolder('logs'),
  ]);
  const watcher = createWatcher({ logsFolder, say });
  const servers = await startPrivateServers({
    dataFolder: folder,
    cacheFolder: chooseCacheFolder(process.env, PROJECT, folder),
    mysqlUrl: undefined,
    natsUrl: undefined,
    watch: watcher.watch,
    report: say,
  });
  const running = new Set<Supervised>(servers.started);
  await migrate(servers.mysqlUrl);
  const env = {
    ...BASE_ENV,
    MYSQL_URL: servers.mysqlUrl,
    NATS_URL: servers.natsUrl,
    IMAGE_ROOTS: photosFolder,
    KNOWN_PEOPLE: knownPeopleFolder,
    HOST,
    LOG_FORMAT: 'json',
  };
  return {
    mysqlUrl: servers.mysqlUrl,
    natsUrl: servers.natsUrl,
    photosFolder,
    knownPeopleFolder,
    async start(kind, more, { ready, name = kind } = {}) {
      const port = await chooseFreePort();
      const program: Program = { ...describeService(kind, { ...env, ...more }, HOST, port), name };
      if (ready) program.ready = () => ready(port);
      const service = await supervise(program, watcher.watch(name));
      running.add(service);
      return {
        port,
        pid: pidOf(service),
        async stop() {
          running.delete(service);
          await service.stop();
        },
      };
    },
    pids: () => Object.fromEntries([...running].map((one) => [one.name.toLowerCase(), pidOf(one)])),
    async stop() {
      for (const one of [...running].reverse()) await one.stop();
      await watcher.close();
    },
  };
}

function pidOf({ name, pid }: Supervised): number {
  if (pid === null) throw new Error(`${name} does not run any more.`);
  return pid;
}
