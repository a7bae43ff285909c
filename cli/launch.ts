import { mkdir, stat } from 'node:fs/promises';
import { join, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { messageOf } from '../lib/errors.ts';
import type { KeptTls } from '../lib/tls-files.ts';
import { migrate } from '../sql/migrate.ts';
import { chooseCacheFolder } from './cache-folder.ts';
import { checkAccess } from './check-access.ts';
import { lockDataFolder } from './data-folder-lock.ts';
import { openDatabaseTls } from './database-tls.ts';
import { chooseFreePort } from './free-port.ts';
import { LaunchError } from './launch-error.ts';
import { apiUrl, assertPortsFree, hostOf, type LaunchSettings, pageUrl } from './launch-settings.ts';
import type { Progress } from './progress.ts';
import { askDatabase } from './servers/database-server.ts';
import { askNats } from './servers/nats-server.ts';
import { type PrivateServers, startPrivateServers } from './servers/private-servers.ts';
import { describeService, type ServiceName, urlHost } from './services.ts';
import { type Supervised, supervise } from './supervise.ts';
import { createWatcher, type Watcher } from './watch-process.ts';
import { writeServersEnv } from './write-servers-env.ts';

/** Everything that runs. */
export interface Stack {
  pageUrl: string;
  apiUrl: string;
  logsFolder: string;
  /** For `set -a; . FILE; set +a`. */
  serversEnv: string;
  /** In order: whoever takes work first, the database last. */
  stop(): Promise<void>;
}

export interface LaunchContext {
  progress: Progress;
  /** Aborted: give up starting, and stop what runs already. */
  signal: AbortSignal;
  /** Collects what `killAll` must end at once. */
  onStarted: (process: Supervised) => void;
}

const PROJECT = fileURLToPath(new URL(import.meta.url.endsWith('.ts') ? '..' : '../..', import.meta.url));

/** Kept in the file for processors that are started by hand, when they are set. */
const PASSED_ON = ['IMAGES_STREAM', 'IMAGES_CONSUMER', 'MATCH_THRESHOLD', 'MAX_DELIVERIES', 'LOG_LEVEL'];

/**
 * Starts private servers (as far as none are given), brings the schema up to date, and runs all four services, each
 * watched and started again when it dies. Throws a LaunchError that says what to do; then nothing runs any more.
 */
export async function launch(settings: LaunchSettings, context: LaunchContext): Promise<Stack> {
  const { dataFolder } = settings;
  const { progress, signal } = context;
  const undo: (() => Promise<void> | void)[] = [];
  const stop = async () => {
    for (const step of undo.splice(0).reverse()) await step();
  };
  try {
    await makeFolders(settings);
    const lock = await lockDataFolder(dataFolder, pageUrl(settings), (text) => progress.say(`… ${text}`));
    undo.push(() => lock.release());
    await assertPortsFree(settings);
    const logsFolder = join(dataFolder, 'logs');
    const watcher = createWatcher({ logsFolder, say: progress.say, keepOpen: lock.keepOpen, signal });
    undo.push(() => watcher.close());
    const tls = await openDatabaseTls(settings, signal);
    const servers = await startServers(settings, watcher, context, tls);
    undo.push(() => servers.stop());
    await progress.step(
      'Bringing the database schema up to date',
      () => migrate(servers.mysqlUrl, { tls }),
      describeMigrations,
    );
    await checkAccess(settings.env, servers.mysqlUrl, tls);
    const variables = describeVariables(settings, servers);
    const serversEnv = join(dataFolder, 'servers.env');
    await writeServersEnv(serversEnv, variables);
    await startServices(settings, variables, watcher, context, undo);
    return { pageUrl: pageUrl(settings), apiUrl: apiUrl(settings), logsFolder, serversEnv, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** What lies in the data folder is made; a folder elsewhere is somebody's own, and its absence most likely a slip. */
async function makeFolders(settings: LaunchSettings): Promise<void> {
  const { dataFolder, imageRoots, knownPeople } = settings;
  const folders = [
    [join(dataFolder, 'logs'), 'DATA_DIR'],
    ...imageRoots.map((root) => [root, 'IMAGE_ROOTS']),
    [knownPeople, 'KNOWN_PEOPLE'],
  ];
  for (const [folder = '', key] of folders) {
    if (folder.startsWith(`${dataFolder}${sep}`)) {
      await mkdir(folder, { recursive: true }).catch((error: unknown) => {
        throw new LaunchError(
          `The folder ${folder} cannot be made: ${messageOf(error)} (DATA_DIR chooses another place)`,
        );
      });
    } else if (!(await isFolder(folder))) throw new LaunchError(`${key}: there is no folder ${folder}`);
  }
}

async function isFolder(path: string): Promise<boolean> {
  return (await stat(path).catch(() => null))?.isDirectory() ?? false;
}

async function startServers(
  settings: LaunchSettings,
  watcher: Watcher,
  context: LaunchContext,
  tls: KeptTls | null,
): Promise<PrivateServers> {
  await assertGivenServers(settings, context.progress, tls);
  const servers = await context.progress.step(
    'Starting the database and NATS',
    (report) =>
      startPrivateServers({
        dataFolder: settings.dataFolder,
        cacheFolder: chooseCacheFolder(settings.env, PROJECT, settings.dataFolder),
        mysqlUrl: settings.mysqlUrl,
        natsUrl: settings.natsUrl,
        watch: watcher.watch,
        report,
        signal: context.signal,
      }),
    ({ description }) => `Database: ${description.database}; queue: ${description.nats}`,
  );
  for (const server of servers.started) context.onStarted(server);
  return servers;
}

/** A server that somebody named must be there: no private one takes its place. */
async function assertGivenServers(
  { mysqlUrl, natsUrl }: LaunchSettings,
  progress: Progress,
  tls: KeptTls | null,
): Promise<void> {
  if (mysqlUrl) {
    await progress
      .step('Asking the database of MYSQL_URL', () => askDatabase(mysqlUrl, tls))
      .catch((error: unknown) => {
        throw new LaunchError(`MYSQL_URL: ${messageOf(error)} (unset it to run on a private database)`);
      });
  }
  if (natsUrl) {
    const { hostname, port } = new URL(natsUrl.split(',')[0] ?? natsUrl);
    await progress
      .step('Asking the NATS server of NATS_URL', () => askNats(Number(port || 4222), hostname))
      .catch((error: unknown) => {
        throw new LaunchError(`NATS_URL: ${messageOf(error)} (unset it to run on a private server)`);
      });
  }
}

function describeMigrations(applied: readonly string[]): string {
  return applied.length === 0
    ? 'Database schema is up to date'
    : `Database schema: ${applied.length} migrations applied`;
}

function describeVariables(settings: LaunchSettings, servers: PrivateServers): Record<string, string> {
  const { env, host, ports } = settings;
  const passedOn = PASSED_ON.flatMap((key) => (env[key] ? [[key, env[key]] as const] : []));
  return {
    MYSQL_URL: servers.mysqlUrl,
    NATS_URL: servers.natsUrl,
    RECOGNIZER_ADDRESS: settings.recognizerAddress ?? `${urlHost(hostOf('recognizer', host))}:${ports.recognizer}`,
    RECEIVER_URL: settings.receiverUrl ?? apiUrl(settings),
    IMAGE_ROOTS: settings.imageRoots.join(':'),
    KNOWN_PEOPLE: settings.knownPeople,
    GALLERY_SNAPSHOT: env.GALLERY_SNAPSHOT || join(settings.dataFolder, 'gallery'),
    HOST: hostOf('processor', host),
    ...Object.fromEntries(passedOn),
  };
}

async function startServices(
  settings: LaunchSettings,
  variables: Record<string, string>,
  watcher: Watcher,
  context: LaunchContext,
  undo: (() => Promise<void> | void)[],
): Promise<void> {
  const { host, ports } = settings;
  const env = { ...settings.env, ...variables, LOG_FORMAT: 'json' };
  const start = async (service: ServiceName, name: string, port: number) => {
    const at = hostOf(service, host);
    const program = { ...describeService(service, { ...env, HOST: at }, at, port), name };
    const started = await context.progress.step(
      `Starting ${name}`,
      () => supervise(program, watcher.watch(name)),
      () => name,
    );
    context.onStarted(started);
    return started;
  };
  // Stopped in the opposite order: who takes requests, then who works them off, then who they ask.
  const layers: (() => Promise<Supervised>)[][] = [
    settings.recognizerAddress ? [] : [() => start('recognizer', 'recognizer', ports.recognizer)],
    Array.from({ length: settings.processors }, (_, index) => async () => {
      const wanted = index === 0 ? Number(settings.env.PROCESSOR_PORT ?? 0) : 0;
      return await start(
        'processor',
        index === 0 ? 'processor' : `processor-${index + 1}`,
        wanted || (await chooseFreePort()),
      );
    }),
    [() => start('receiver', 'receiver', ports.receiver), () => start('frontend', 'frontend', ports.frontend)],
  ];
  const running = await Promise.all(
    layers.map(async (layer) => {
      const settled = await Promise.allSettled(layer.map((startOne) => startOne()));
      return {
        started: settled.flatMap((it) => (it.status === 'fulfilled' ? [it.value] : [])),
        failures: settled.flatMap((it) => (it.status === 'rejected' ? [it.reason as unknown] : [])),
      };
    }),
  );
  for (const { started } of running) undo.push(async () => void (await Promise.all(started.map((it) => it.stop()))));
  const failure = running.flatMap(({ failures }) => failures)[0];
  if (failure !== undefined) throw failure;
}
