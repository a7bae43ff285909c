import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { chooseFreePort } from '../../cli/free-port.ts';
import { describeService, type ServiceName } from '../../cli/services.ts';
import { type Program, type Supervised, supervise } from '../../cli/supervise.ts';
import { createWatcher } from '../../cli/watch-process.ts';
import { migrate } from '../../sql/migrate.ts';
import type { Servers } from './servers.ts';
import { openTcpProxy, type Place, type TcpProxy } from './tcp-proxy.ts';

/** A process that faults hit. It is started again whenever it ends. */
export interface Victim {
  readonly name: string;
  readonly pid: number | null;
  /** Of its next start. */
  setEnv(more: NodeJS.ProcessEnv): void;
}

/** Every service and server, each link between two of them through a proxy of ours. */
export interface System {
  readonly victims: ReadonlyMap<string, Victim>;
  readonly links: ReadonlyMap<string, TcpProxy>;
  /** Where a client posts to. */
  readonly receiverUrl: string;
  stop(): Promise<void>;
}

const HOST = '127.0.0.1';
const REPLICAS: Partial<Record<ServiceName, number>> = { receiver: 2, processor: 2, recognizer: 1 };
/** What somebody has set for their own Faceflow does not reach the services: they get what every program needs. */
const BASE_ENV = { PATH: process.env.PATH, HOME: process.env.HOME, TMPDIR: process.env.TMPDIR };

export interface SystemOptions {
  /** Where logs are written. */
  readonly logsFolder: string;
  readonly photosFolder: string;
  readonly knownPeopleFolder: string;
  readonly servers: Servers;
  /** Added to every service's environment. */
  readonly env: Record<string, string>;
  readonly random: () => number;
}

/** Starts servers and services; throws, with all stopped again, when one does not become ready. */
export async function startSystem(options: SystemOptions): Promise<System> {
  const { servers, random } = options;
  await mkdir(options.logsFolder, { recursive: true });
  const watcher = createWatcher({ logsFolder: options.logsFolder, say: () => {} });
  const running: Supervised[] = [];
  const victims = new Map<string, Victim>();
  const links = new Map<string, TcpProxy>();
  const stop = async () => {
    for (const link of links.values()) await link.fail(null);
    for (const one of running.toReversed()) await one.stop();
    for (const link of links.values()) await link.close();
    await servers.close?.();
    await watcher.close();
  };

  async function start(name: string, program: Program, isVictim = true): Promise<void> {
    const { env } = program;
    const supervised = await supervise(program, watcher.watch(name));
    running.push(supervised);
    if (!isVictim) return;
    victims.set(name, {
      name,
      get pid() {
        return supervised.pid;
      },
      setEnv(more) {
        program.env = { ...env, ...more };
      },
    });
  }

  async function link(name: string, places: readonly Place[]): Promise<number> {
    const proxy = await openTcpProxy(places, random);
    links.set(name, proxy);
    return proxy.port;
  }

  /** @returns where its replicas listen */
  async function startService(name: ServiceName, env: Record<string, string>): Promise<Place[]> {
    const replicas = REPLICAS[name] ?? 1;
    const places: Place[] = [];
    for (let number = 1; number <= replicas; number++) {
      const port = await chooseFreePort();
      places.push({ host: HOST, port });
      const title = replicas === 1 ? name : `${name}-${number}`;
      await start(title, describeService(name, { ...BASE_ENV, ...env }, HOST, port));
    }
    return places;
  }

  try {
    for (const { name, program, isVictim } of servers.programs) await start(name, program, isVictim);
    await migrate(servers.mysqlUrl);
    const natsPorts: number[] = [];
    for (const [index, place] of servers.natsPlaces.entries())
      natsPorts.push(await link(servers.natsPlaces.length === 1 ? 'nats' : `nats-${index + 1}`, [place]));
    const env = {
      MYSQL_URL: withPort(servers.mysqlUrl, await link('database', [placeOf(servers.mysqlUrl)])),
      NATS_URL: natsPorts.map((port) => `nats://${servers.natsToken}@${HOST}:${port}`).join(','),
      IMAGE_ROOTS: options.photosFolder,
      HOST,
      LOG_FORMAT: 'json',
      NATS_REPLICAS: String(servers.replicas),
      ...options.env,
    };
    const recognizers = await startService('recognizer', { ...env, KNOWN_PEOPLE: options.knownPeopleFolder });
    const RECOGNIZER_ADDRESS = `${HOST}:${await link('recognizer', recognizers)}`;
    await startService('processor', { ...env, RECOGNIZER_ADDRESS });
    const receivers = await startService('receiver', { ...env, RECOGNIZER_ADDRESS });
    return { victims, links, receiverUrl: `http://${HOST}:${await link('receiver', receivers)}`, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

export function placeOf(url: string): Place {
  const { hostname: host, port } = new URL(url);
  return { host, port: Number(port) };
}

function withPort(url: string, port: number): string {
  const changed = new URL(url);
  changed.host = `${HOST}:${port}`;
  return changed.href;
}

/** Makes the folders of photos that services read. */
export async function makePhotoFolders(folder: string): Promise<{ photosFolder: string; knownPeopleFolder: string }> {
  const made = { photosFolder: join(folder, 'photos'), knownPeopleFolder: join(folder, 'known') };
  for (const path of Object.values(made)) await mkdir(path, { recursive: true });
  return made;
}
