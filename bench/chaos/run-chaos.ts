import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { chooseCacheFolder } from '../../cli/cache-folder.ts';
import { createSeededRandom } from '../../cli/eval/seeded-random.ts';
import type { DatabaseProgram } from '../../cli/servers/database-program.ts';
import { describeClusters } from './clusters.ts';
import { injectFaults } from './inject.ts';
import { installWitness, judge, untilAllEnded, type Verdict } from './judge.ts';
import { PHOTO_KINDS, writeLoad, writeSamples } from './photos.ts';
import { type Fault, type FaultKind, type Ground, planFaults } from './plan.ts';
import { postLoad, postOne } from './post-load.ts';
import { describeSingleServers } from './servers.ts';
import { findShiftedClock } from './shifted-clock.ts';
import { mountSmallDisk, type SmallDisk } from './small-disk.ts';
import { makePhotoFolders, type System, startSystem } from './system.ts';
import { watchEvents } from './watch-events.ts';

export interface ChaosOptions {
  readonly images: number;
  readonly faults: number;
  readonly seed: number;
  /** Kinds of faults. */
  readonly only: readonly FaultKind[];
  readonly servers: DatabaseProgram['kind'] | 'cluster';
  /** Whether file systems can be mounted here (small-disk.ts). */
  readonly ownMounts: boolean;
  readonly say: (line: string) => void;
}

export interface ChaosResult {
  readonly verdict: Verdict;
  readonly faults: readonly Fault[];
  /** Kinds of faults that this machine, or this choice of servers, does not allow, and why. */
  readonly skipped: readonly string[];
  readonly retries: number;
  readonly seconds: number;
  readonly servers: string;
}

const PROJECT = fileURLToPath(new URL(import.meta.url.endsWith('.ts') ? '../..' : '../../..', import.meta.url));
const DISK_MB = 700;
/** After the last fault: longer than a lease, than the breaker's longest wait after short outages, and than any backoff. */
const PATIENCE_MS = 180_000;
/** The load goes on for a moment after the last fault. */
const TAIL_MS = 2_000;
/** Services look at photos with the small detector: the load is to be on everything else. */
const SERVICE_ENV = { DETECTOR: 'tiny', RECOGNIZER_WORKERS: '2', SHUTDOWN_TIMEOUT_MS: '10000' };

/** Starts a system of its own, loads it, lets things go wrong, and says what became of every photo. */
export async function runChaos(options: ChaosOptions): Promise<ChaosResult> {
  const { say, seed } = options;
  const folder = await mkdtemp(join(tmpdir(), 'faceflow-chaos-'));
  const logsFolder = join(folder, 'logs');
  let verdict: Verdict | null = null;
  try {
    const result = await runIn(folder, logsFolder, options);
    verdict = result.verdict;
    return result;
  } finally {
    if (verdict !== null && isClean(verdict)) await rm(folder, { recursive: true, force: true });
    else say(`seed ${seed}: logs are in ${logsFolder}`);
  }
}

export function isClean({ lost, stuck, answeredTwice, wrong, eventFaults }: Verdict): boolean {
  return lost + stuck + answeredTwice + wrong + eventFaults === 0;
}

async function runIn(folder: string, logsFolder: string, options: ChaosOptions): Promise<ChaosResult> {
  const { say, seed } = options;
  const startedAt = performance.now();
  const skipped: string[] = [];
  const dataFolder = join(folder, 'data');
  await mkdir(dataFolder);
  const cacheFolder = chooseCacheFolder(process.env, PROJECT, folder);
  const disks = new Map<string, SmallDisk>();
  if (options.servers === 'cluster') skipped.push('disk: of a cluster only whole servers are lost');
  else if (options.ownMounts) disks.set('data', await mountSmallDisk(dataFolder, DISK_MB));
  else skipped.push('disk: file systems cannot be mounted here (unshare --mount)');
  const shiftClock = await findShiftedClock(cacheFolder);
  if (shiftClock === null) skipped.push('clock: libfaketime is taken from Debian');
  const place = { folder: dataFolder, cacheFolder, say };
  const servers =
    options.servers === 'cluster'
      ? await describeClusters(place)
      : await describeSingleServers({ ...place, kind: options.servers });
  const folders = await makePhotoFolders(dataFolder);
  const samples = join(folders.photosFolder, 'samples');
  await writeSamples(samples, folders.knownPeopleFolder);
  const load = await writeLoad(folders.photosFolder, samples, options.images);
  say(`starting ${servers.description}, and the services`);
  const random = createSeededRandom(seed + 1);
  const system = await startSystem({ ...folders, logsFolder, servers, env: SERVICE_ENV, random });
  try {
    await installWitness(servers.mysqlUrl);
    await checkKinds(system, servers.mysqlUrl);
    const faults = planFaults(seed, options.faults, groundOf(system, disks, shiftClock !== null), options.only);
    const events = watchEvents(system.receiverUrl);
    say(`seed ${seed}: ${load.length} photos, ${faults.length} faults`);
    const end = Math.max(0, ...faults.map(({ atMs, ms }) => atMs + ms)) + TAIL_MS;
    const afterDisk = async () => {};
    const [result] = await Promise.all([
      postLoad(system.receiverUrl, load, end),
      injectFaults(faults, { system, disks, shiftClock, afterDisk, say }),
    ]);
    say('all is posted and healed; waiting for the last outcomes');
    await untilAllEnded(servers.mysqlUrl, PATIENCE_MS);
    await events.stop();
    const verdict = await judge({ mysqlUrl: servers.mysqlUrl, load: result, events });
    const seconds = (performance.now() - startedAt) / 1000;
    return { verdict, faults, skipped, retries: result.retries, seconds, servers: servers.description };
  } finally {
    await system.stop();
    for (const disk of disks.values()) await disk.unmount();
  }
}

function groundOf(system: System, disks: ReadonlyMap<string, SmallDisk>, canShiftClocks: boolean): Ground {
  const processes = [...system.victims.keys()];
  return {
    processes,
    links: [...system.links.keys()],
    clocks: canShiftClocks ? processes.filter((name) => /^(receiver|processor|recognizer)/.test(name)) : [],
    clusters: ['galera-', 'nats-'],
    disks: [...disks.keys()],
  };
}

/** Before anything goes wrong, one photo of each kind must end as it is said to. */
async function checkKinds(system: System, mysqlUrl: string): Promise<void> {
  const posted = [];
  for (const kind of PHOTO_KINDS) {
    const path = join('samples', kind.file ?? 'nowhere.jpg');
    posted.push(await postOne(system.receiverUrl, { kind, path, upload: null }));
  }
  await untilAllEnded(mysqlUrl, PATIENCE_MS);
  const silent = { finished: [], repeated: 0, gaps: 0, resets: 0, lastId: 0, stop: async () => {} };
  const verdict = await judge({ mysqlUrl, load: { posted, retries: 0 }, events: silent });
  const failed = verdict.outcomes.failed + verdict.outcomes.pending;
  if (!isClean(verdict) || failed > 0) throw new Error(`Even without faults: ${verdict.remarks.join('; ')}`);
}
