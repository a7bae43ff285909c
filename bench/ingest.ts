import { link, mkdir } from 'node:fs/promises';
import { Agent } from 'node:http';
import { availableParallelism } from 'node:os';
import { basename, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { makeDemoPhotos } from '../cli/demo-photos.ts';
import { openDatabase, type Row } from '../lib/database.ts';
import { doAll } from './do-all.ts';
import { type Benchmark, type Figures, median, plain, withGoal } from './figures.ts';
import { type PrivateStack, startPrivateStack } from './private-stack.ts';
import { readCpuMs } from './process-use.ts';
import { SAMPLE_PHOTOS } from './sample-photos.ts';
import { openSubmitter, postJson, type Submitter } from './submit-photos.ts';

// How many paths a second the receiver accepts while the pipeline works on what was accepted before, and what one photo costs
// in CPU time outside the recognizer. Accepted means: the row is stored, and the answer has come.

const SINGLES = 400;
const SINGLES_AT_ONCE = 8;
const BATCH = 1_000;
const BATCHES = 5;
const BATCHES_AT_ONCE = 2;
/** Of what one photo costs the recognizer. */
const GOAL_PERCENT = 2;
const RECOGNIZER = 'recognizer';
const IDLE_MS = 10_000;
/** After the first photos: their faces are being put into clusters. */
const SETTLE_MS = 3_000;

export const benchmark: Benchmark = {
  packages: ['fastify', 'mysql2', '@nats-io/jetstream', '@grpc/grpc-js'],
  defaults: { images: 120, turns: 3 },

  async measure(say, { images, turns }) {
    const stack = await startPrivateStack(say);
    const workers = availableParallelism();
    try {
      const samples = join(stack.photosFolder, 'samples');
      await makeDemoPhotos(samples, stack.knownPeopleFolder);
      const photos = Array.from({ length: images }, (_, n) =>
        join(samples, basename(SAMPLE_PHOTOS[n % SAMPLE_PHOTOS.length] ?? '')),
      );
      say('starting the recognizer, the processor and the receiver');
      const recognizer = await stack.start('recognizer', { RECOGNIZER_WORKERS: String(workers) });
      const RECOGNIZER_ADDRESS = `127.0.0.1:${recognizer.port}`;
      const PROCESSOR_CONCURRENCY = String(Math.max(8, 2 * workers));
      await stack.start('processor', { RECOGNIZER_ADDRESS, PROCESSOR_CONCURRENCY });
      const receiver = await stack.start('receiver', { RECOGNIZER_ADDRESS });
      const submitter = openSubmitter({ ...stack, receiverPort: receiver.port });
      try {
        const costs = await measureCosts({ stack, submitter, photos, turns, say });
        return { ...costs, ...(await measureRates({ stack, port: receiver.port, photos, turns, say })) };
      } finally {
        await submitter.close();
      }
    } finally {
      await stack.stop();
    }
  },
};

interface Costs {
  readonly stack: PrivateStack;
  readonly submitter: Submitter;
  readonly photos: readonly string[];
  readonly turns: number;
  readonly say: (line: string) => void;
}

/**
 * CPU time a photo, of the recognizer and of everything else, by how it was posted: what they use beyond what they use when
 * there is nothing to do.
 */
async function measureCosts({ stack, submitter, photos, turns, say }: Costs): Promise<Figures> {
  // Connections, compiled code, caches.
  await submitter.submit(photos, 'in bulk');
  const outside = { 'one by one': [] as number[], 'in bulk': [] as number[] };
  const inside: number[] = [];
  const inBulk = new Map<string, number[]>();
  say('what all of them use while there is nothing to do');
  await sleep(SETTLE_MS);
  const idle = await measureCpu(stack, () => sleep(IDLE_MS));
  for (let turn = 1; turn <= turns; turn++) {
    for (const how of ['one by one', 'in bulk'] as const) {
      say(`turn ${turn} of ${turns}: what a photo costs, posted ${how}`);
      const busy = await measureCpu(stack, () => submitter.submit(photos, how));
      const perPhoto = new Map(
        Object.keys(busy.shares).map((name) => {
          const ms = ((busy.shares[name] ?? 0) - (idle.shares[name] ?? 0)) * busy.ms;
          return [name, Math.max(0, ms) / photos.length];
        }),
      );
      inside.push(perPhoto.get(RECOGNIZER) ?? 0);
      perPhoto.delete(RECOGNIZER);
      outside[how].push(sum(perPhoto.values()));
      if (how === 'in bulk') for (const [name, ms] of perPhoto) inBulk.set(name, [...(inBulk.get(name) ?? []), ms]);
    }
  }
  const recognizer = median(inside);
  const percent = (how: keyof typeof outside) => (median(outside[how]) / recognizer) * 100;
  return {
    cpu_percent_outside: withGoal(percent('in bulk'), '%', 'lower', GOAL_PERCENT),
    cpu_percent_outside_one_by_one: plain(percent('one by one'), '%'),
    cpu_ms_outside: plain(median(outside['in bulk']), 'ms'),
    cpu_ms_outside_one_by_one: plain(median(outside['one by one']), 'ms'),
    cpu_ms_recognizer: plain(recognizer, 'ms'),
    ...Object.fromEntries([...inBulk].map(([name, ms]) => [`cpu_ms_${name}`, plain(median(ms), 'ms')])),
    idle_percent_of_a_core: plain(sum(Object.values(idle.shares)) * 100, '%'),
  };
}

/**
 * How much of a core each process uses meanwhile, 0..1 and more, and how long it takes, ms. The client, which posts and keeps
 * the logs, is none of them.
 */
async function measureCpu(stack: PrivateStack, work: () => Promise<unknown>) {
  const before = await readCpu(stack);
  const startedAt = performance.now();
  await work();
  const ms = performance.now() - startedAt;
  const after = await readCpu(stack);
  return {
    ms,
    shares: Object.fromEntries([...after].map(([name, cpu]) => [name, (cpu - (before.get(name) ?? 0)) / ms])),
  };
}

async function readCpu(stack: PrivateStack): Promise<Map<string, number>> {
  const read = Object.entries(stack.pids()).map(async ([name, pid]) => [name, await readCpuMs(pid)] as const);
  return new Map(await Promise.all(read));
}

const sum = (numbers: Iterable<number>) => [...numbers].reduce((all, one) => all + one, 0);

interface Rates {
  readonly stack: PrivateStack;
  readonly port: number;
  readonly photos: readonly string[];
  readonly turns: number;
  readonly say: (line: string) => void;
}

/**
 * Paths accepted a second, while photos are being looked at: a hundred and more wait all the time. The paths that are counted
 * lead to no file, so that they end soon when their turn comes.
 */
async function measureRates({ stack, port, photos, turns, say }: Rates): Promise<Figures> {
  const agent = new Agent({ keepAlive: true });
  const db = openDatabase(stack.mysqlUrl, { connections: 1 });
  const countEnded = async () => {
    const [rows] = await db.query<Row[]>("SELECT COUNT(*) AS ended FROM images WHERE status <> 'pending'");
    return rows[0]?.ended as number;
  };
  const rates = { singles: [] as number[], batches: [] as number[], ended: [] as number[] };
  try {
    for (let turn = 1; turn <= turns; turn++) {
      say(
        `turn ${turn} of ${turns}: paths are accepted, one by one and ${BATCH} at a time, while photos are looked at`,
      );
      await postPhotos(agent, port, { stack, photos, folder: `backlog-${turn}` });
      const endedBefore = await countEnded();
      const startedAt = performance.now();
      const singles = Array.from({ length: SINGLES }, (_, n) => ({ path: `nowhere/${turn}/single-${n}.jpg` }));
      const singlesMs = await timeOnce(() =>
        doAll(singles, SINGLES_AT_ONCE, (body) => postJson(agent, port, '/image/post', body)),
      );
      const batches = Array.from({ length: BATCHES }, (_, batch) => ({
        paths: Array.from({ length: BATCH }, (_, n) => ({ path: `nowhere/${turn}/batch-${batch}-${n}.jpg` })),
      }));
      const batchesMs = await timeOnce(() =>
        doAll(batches, BATCHES_AT_ONCE, (body) => postJson(agent, port, '/images/post', body)),
      );
      rates.singles.push((SINGLES / singlesMs) * 1000);
      rates.batches.push(((BATCHES * BATCH) / batchesMs) * 1000);
      rates.ended.push((((await countEnded()) - endedBefore) / (performance.now() - startedAt)) * 1000);
    }
  } finally {
    agent.destroy();
    await db.close();
  }
  return {
    paths_per_second_one_by_one: plain(median(rates.singles), 'paths/s'),
    paths_per_second_batches_of_1000: plain(median(rates.batches), 'paths/s'),
    images_ended_per_second_meanwhile: plain(median(rates.ended), 'images/s'),
  };
}

async function postPhotos(
  agent: Agent,
  port: number,
  { stack, photos, folder }: { stack: PrivateStack; photos: readonly string[]; folder: string },
): Promise<void> {
  await mkdir(join(stack.photosFolder, folder));
  const paths = photos.map((_, n) => ({ path: join(folder, `${n}.jpg`) }));
  for (const [n, photo] of photos.entries()) await link(photo, join(stack.photosFolder, paths[n]?.path ?? ''));
  await postJson(agent, port, '/images/post', { paths });
}

async function timeOnce(work: () => Promise<void>): Promise<number> {
  const startedAt = performance.now();
  await work();
  return performance.now() - startedAt;
}
