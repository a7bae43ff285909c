import sharp from 'sharp';
import { createLog } from '../lib/log.ts';
import { openWorkerPool } from '../recognizer/worker-pool.ts';
import { DEFAULT_SETTINGS } from '../recognizer/worker-settings.ts';
import { compareDetectors, type DetectorTimes } from './engine-detectors.ts';
import { openPeer } from './engine-peers.ts';

// Runs in a process of its own for each engine, so that neither memory nor garbage of one burdens another.

/** What the benchmark asks of a child; every order is answered by a `Reply`. */
export type Order =
  | { readonly kind: 'photo'; readonly path: string; readonly repeats: number }
  | { readonly kind: 'networks'; readonly path: string; readonly repeats: number }
  | { readonly kind: 'detectors'; readonly paths: readonly string[]; readonly repeats: number }
  | { readonly kind: 'throughput'; readonly paths: readonly string[]; readonly seconds: number };

export type Reply =
  | { readonly kind: 'ready'; readonly msSinceStart: number }
  | { readonly kind: 'photo'; readonly times: readonly number[]; readonly faces: number }
  | { readonly kind: 'networks'; readonly times: Readonly<Record<string, readonly number[]>> }
  | { readonly kind: 'detectors'; readonly ssd: DetectorTimes; readonly auto: DetectorTimes }
  | { readonly kind: 'throughput'; readonly perSecond: number; readonly rssMb: number };

const [engine = ''] = process.argv.slice(2);
const answer = (reply: Reply) => void process.send?.(reply);

// One core's worth of work, as in the recognizer's workers.
sharp.concurrency(1);
sharp.cache(false);

const obey = engine === 'recognizer' ? await openRecognizer() : await openSingle(engine);
process.on('message', (order: Order) => void obey(order).then(answer));
answer({ kind: 'ready', msSinceStart: performance.now() });

async function openSingle(name: string): Promise<(order: Order) => Promise<Reply>> {
  const { describePhoto, networks } = await openPeer(name);
  return async (order) => {
    if (order.kind === 'throughput') return countPhotos(order, 1, describePhoto);
    if (order.kind === 'detectors')
      return { kind: 'detectors', ...(await compareDetectors(order.paths, order.repeats)) };
    if (order.kind === 'photo') {
      const faces = await describePhoto(order.path);
      return { kind: 'photo', faces, times: await timeRuns(order.repeats, () => describePhoto(order.path)) };
    }
    const times: Record<string, number[]> = {};
    for (const [network, run] of Object.entries(await networks(order.path))) {
      await run();
      times[network] = await timeRuns(order.repeats, run);
    }
    return { kind: 'networks', times };
  };
}

/** The recognizer's own pool, with two workers on the engine that it uses by default. */
async function openRecognizer(): Promise<(order: Order) => Promise<Reply>> {
  const workers = 2;
  const log = createLog('bench', { level: 'warn', format: 'json' });
  const pool = openWorkerPool({ workers, maxWaiting: workers, settings: DEFAULT_SETTINGS, log });
  await pool.warmUp();
  return async (order) => {
    if (order.kind !== 'throughput') throw new Error(`The pool does not know the order ${order.kind}.`);
    return countPhotos(order, workers, async (path) => {
      const outcome = await pool.describe({ path });
      if (outcome.kind !== 'described') throw new Error(`${path} was ${outcome.kind}.`);
      return outcome.photo.faces.length;
    });
  };
}

/** Keeps `atOnce` photos in work for some seconds; what is unfinished then counts by the time that it really took. */
async function countPhotos(
  { paths, seconds }: Extract<Order, { kind: 'throughput' }>,
  atOnce: number,
  describePhoto: (path: string) => Promise<number>,
): Promise<Reply> {
  const start = performance.now();
  const rates = await Promise.all(
    Array.from({ length: atOnce }, async (_, first) => {
      let done = 0;
      while (performance.now() - start < seconds * 1000) {
        await describePhoto(paths[(first + done * atOnce) % paths.length] ?? '');
        done++;
      }
      return (done / (performance.now() - start)) * 1000;
    }),
  );
  const perSecond = rates.reduce((sum, rate) => sum + rate, 0);
  return { kind: 'throughput', perSecond, rssMb: process.memoryUsage.rss() / 1e6 };
}

async function timeRuns(repeats: number, run: () => Promise<unknown>): Promise<number[]> {
  const times: number[] = [];
  for (let i = 0; i < repeats; i++) {
    const start = performance.now();
    await run();
    times.push(performance.now() - start);
  }
  return times;
}
