import { availableParallelism } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Database, openDatabase, type Row } from '../lib/database.ts';
import { type ImageQueue, openImageQueue } from '../lib/image-queue.ts';
import { openImages } from '../lib/images.ts';
import { createLog } from '../lib/log.ts';
import { type Child, startChild } from './ask-child.ts';
import { type Benchmark, type Figures, median, plain, withGoal } from './figures.ts';
import type { Calls, FixedOrder, FixedReply } from './fixed-recognizers-child.ts';
import { type PrivateStack, type StartedService, startPrivateStack } from './private-stack.ts';
import { readCpuMs } from './process-use.ts';

// Processors side by side, 1, 2, 4 and 8, on one queue and one database, both real. The recognizers are stand-ins that take
// the same time for every photo and hardly any CPU time, so that a machine of two cores can be asked what eight processors
// would do on more: at 8 most of it must still be idle (cpu_percent_8), or its cores are what is measured.

const PROCESSORS = [1, 2, 4, 8] as const;
const MOST = 8;
const RECOGNIZERS = 4;
/** A photo of many faces, or one that has waited its turn: long enough for 8 processors to leave the cores idle. */
const LATENCY_MS = 500;
const CONCURRENCY = 4;
/** Two rounds are left out. */
const LEAST_PHOTOS = 4 * CONCURRENCY;
/** Photos that a processor has in the time in which a replica is added. */
const ADDED_WITHIN = 100;
const GIVE_UP_MS = 120_000;
const GOAL_EFFICIENCY = 0.9;
const GOAL_ADDED_S = 2;

type Say = (line: string) => void;
type Recognizers = Child<FixedOrder, FixedReply>;

interface Sides {
  readonly stack: PrivateStack;
  readonly recognizers: Recognizers;
  readonly db: Database;
  readonly queue: ImageQueue;
  readonly startProcessor: () => Starting;
}

interface Starting {
  /** The caller that the recognizers know. */
  readonly name: string;
  readonly ready: Promise<StartedService>;
}

export const benchmark: Benchmark = {
  packages: ['@grpc/grpc-js', '@nats-io/jetstream', 'mysql2'],
  // The photos of each processor.
  defaults: { images: 80, turns: 3 },

  async measure(say, { images, turns }) {
    if (images < LEAST_PHOTOS) throw new Error(`--images ${images}: expected at least ${LEAST_PHOTOS}.`);
    const stack = await startPrivateStack(say);
    const recognizers = await startChild<FixedOrder, FixedReply>('fixed-recognizers-child', [String(LATENCY_MS)]);
    const db = openDatabase(stack.mysqlUrl, { connections: 4 });
    const queue = openImageQueue({
      ...{ url: stack.natsUrl, stream: 'IMAGES', consumer: 'processor' },
      log: createLog('bench', { level: 'warn', format: 'json' }),
    });
    try {
      const { port, nameServer } = await addRecognizers(recognizers, RECOGNIZERS);
      let started = 0;
      const startProcessor = () => {
        const name = `processor-${++started}`;
        // Each knows the recognizers by a name of its own: so they can tell who asks.
        const RECOGNIZER_ADDRESS = `dns://${nameServer}/${name}.test:${port}`;
        const env = { RECOGNIZER_ADDRESS, PROCESSOR_CONCURRENCY: String(CONCURRENCY) };
        return { name, ready: stack.start('processor', env, { name }) };
      };
      const sides = { stack, recognizers, db, queue, startProcessor };
      return await measureTurns(sides, { images, turns }, say);
    } finally {
      await queue.close();
      await db.close();
      recognizers.stop();
      await stack.stop();
    }
  },
};

async function addRecognizers(recognizers: Recognizers, count: number) {
  let last = await recognizers.ask({ kind: 'add' });
  for (let n = 1; n < count; n++) last = await recognizers.ask({ kind: 'add' });
  return last;
}

interface Measured {
  readonly perSecond: number;
  /** 0..1 of all cores, everything counted: servers, processors, recognizers, this process. */
  readonly cpu: number;
  /** What the one who did least did, of the mean. */
  readonly leastOfProcessors: number;
  readonly leastOfRecognizers: number;
}

async function measureTurns(sides: Sides, { images, turns }: { images: number; turns: number }, say: Say) {
  const measured = new Map<number, Measured[]>(PROCESSORS.map((count) => [count, []]));
  const added: { processor: number; recognizer: number }[] = [];
  for (let turn = 1; turn <= turns; turn++) {
    const running: StartedService[] = [];
    for (const count of PROCESSORS) {
      while (running.length < count) running.push(await sides.startProcessor().ready);
      say(`turn ${turn} of ${turns}: ${count} processors`);
      measured.get(count)?.push(await measureProcessors(sides, count, images));
    }
    say(`turn ${turn} of ${turns}: a recognizer and a processor are added`);
    added.push(await measureAdded(sides, running));
    for (const processor of running) await processor.stop();
  }
  return toFigures(measured, added);
}

/** Has `count` processors do `images` photos each. */
async function measureProcessors(sides: Sides, count: number, images: number): Promise<Measured> {
  const { recognizers, db } = sides;
  await recognizers.ask({ kind: 'calls' });
  const cpuBefore = await readAllCpuMs(sides);
  const startedAt = performance.now();
  const ids = await submit(sides, count * images);
  const times = await readEnds(db, ids);
  const cpuMs = (await readAllCpuMs(sides)) - cpuBefore;
  const cpu = cpuMs / (performance.now() - startedAt) / availableParallelism();
  const { calls } = await recognizers.ask({ kind: 'calls' });
  // Without the first round, when not everybody has begun, and the last, when some have nothing left.
  const round = Math.min(count * CONCURRENCY, Math.floor((times.length - 1) / 2));
  const [from = 0, to = 0] = [times[round], times.at(-1 - round)];
  return {
    perSecond: ((times.length - 1 - 2 * round) / (to - from)) * 1000,
    cpu,
    leastOfProcessors: leastOfMean(calls, ({ caller }) => caller, count),
    leastOfRecognizers: leastOfMean(calls, ({ recognizer }) => recognizer),
  };
}

/** @param of how many there are; by default as many as have a call */
function leastOfMean(calls: readonly Calls[], keyOf: (call: Calls) => string, of?: number): number {
  const sums = new Map<string, number>();
  for (const call of calls) sums.set(keyOf(call), (sums.get(keyOf(call)) ?? 0) + call.count);
  const all = [...sums.values()];
  const count = of ?? all.length;
  const least = all.length < count ? 0 : Math.min(...all);
  return (least * count) / all.reduce((sum, value) => sum + value, 0);
}

/** Seconds until the added one had work, under the load of all the others: a processor from the start of its process. */
async function measureAdded(sides: Sides, running: StartedService[]) {
  const { recognizers, db } = sides;
  const ids = await submit(sides, running.length * ADDED_WITHIN);
  await untilEnded(db, ids, running.length * CONCURRENCY);
  await recognizers.ask({ kind: 'calls' });

  const recognizerAt = Date.now();
  const { address } = await recognizers.ask({ kind: 'add' });
  const everybody = await waitForCalls(recognizers, (calls) => {
    const first = calls.filter(({ recognizer }) => recognizer === address);
    return first.length < running.length ? null : Math.max(...first.map(({ firstAt }) => firstAt));
  });
  const processorAt = Date.now();
  const { name, ready } = sides.startProcessor();
  const first = await waitForCalls(recognizers, (calls) => calls.find(({ caller }) => caller === name)?.firstAt);
  running.push(await ready);
  await untilEnded(db, ids, ids.length);
  return { recognizer: (everybody - recognizerAt) / 1000, processor: (first - processorAt) / 1000 };
}

/** Asks until `find` finds something in all calls since the first question. */
async function waitForCalls<Found>(
  recognizers: Recognizers,
  find: (calls: readonly Calls[]) => Found | null | undefined,
): Promise<Found> {
  const seen = new Map<string, Calls>();
  const deadline = Date.now() + GIVE_UP_MS;
  while (Date.now() < deadline) {
    await sleep(50);
    for (const call of (await recognizers.ask({ kind: 'calls' })).calls) {
      const key = `${call.caller} ${call.recognizer}`;
      if (!seen.has(key)) seen.set(key, call);
    }
    const found = find([...seen.values()]);
    if (found !== null && found !== undefined) return found;
  }
  throw new Error(`After ${GIVE_UP_MS / 1000} s one that was added has no work.`);
}

/** Enqueues photos as the receiver does; they lie nowhere. @returns their ids */
async function submit({ db, queue }: Sides, count: number): Promise<number[]> {
  const images = openImages(db);
  const batch = Date.now();
  const ids: number[] = [];
  for (let start = 0; start < count; start += 500) {
    const paths = Array.from({ length: Math.min(500, count - start) }, (_, n) => `scale/${batch}/${start + n}.jpg`);
    ids.push(...(await images.addImages(paths)).map(({ id }) => id));
  }
  const stored = await queue.enqueue(ids);
  if (stored.length < ids.length) throw new Error(`Of ${ids.length} photos ${stored.length} were enqueued.`);
  await images.markEnqueued(ids);
  return ids;
}

/** Waits until `count` of these photos have a result. @throws when one has another result than it must have */
async function untilEnded(db: Database, ids: readonly number[], count: number): Promise<void> {
  const deadline = Date.now() + GIVE_UP_MS;
  for (;;) {
    const [rows] = await db.query<Row[]>(
      'SELECT status, COUNT(*) AS images FROM images WHERE id BETWEEN ? AND ? GROUP BY status',
      [Math.min(...ids), Math.max(...ids)],
    );
    const of = Object.fromEntries(rows.map((row) => [row.status as string, row.images as number]));
    const { pending = 0, unknown = 0, ...others } = of;
    if (Object.keys(others).length > 0) throw new Error(`Photos have ended ${JSON.stringify(others)}.`);
    if (unknown >= count) return;
    if (Date.now() > deadline) throw new Error(`After ${GIVE_UP_MS / 1000} s ${pending} photos have no result.`);
    await sleep(250);
  }
}

/** When each of the photos had its result, ms, in order. */
async function readEnds(db: Database, ids: readonly number[]): Promise<number[]> {
  await untilEnded(db, ids, ids.length);
  const [rows] = await db.query<Row[]>('SELECT finished_at FROM images WHERE id BETWEEN ? AND ? ORDER BY finished_at', [
    Math.min(...ids),
    Math.max(...ids),
  ]);
  return rows.map((row) => (row.finished_at as Date).getTime());
}

async function readAllCpuMs({ stack, recognizers }: Sides): Promise<number> {
  const times = await Promise.all([...Object.values(stack.pids()), recognizers.pid, process.pid].map(readCpuMs));
  return times.reduce((sum, ms) => sum + ms, 0);
}

function toFigures(
  measured: ReadonlyMap<number, readonly Measured[]>,
  added: readonly { processor: number; recognizer: number }[],
): Figures {
  const of = (count: number, value: (one: Measured) => number) => median((measured.get(count) ?? []).map(value));
  const efficiency = (count: number) =>
    median(
      (measured.get(count) ?? []).map(
        (one, turn) => one.perSecond / (count * (measured.get(1)?.[turn]?.perSecond ?? 0)),
      ),
    );
  const [processor, recognizer] = [median(added.map((it) => it.processor)), median(added.map((it) => it.recognizer))];
  return {
    efficiency_8: withGoal(efficiency(MOST), 'x', 'higher', GOAL_EFFICIENCY),
    efficiency_4: plain(efficiency(4), 'x'),
    efficiency_2: plain(efficiency(2), 'x'),
    added_replica_s: withGoal(Math.max(processor, recognizer), 's', 'lower', GOAL_ADDED_S),
    added_processor_s: plain(processor, 's'),
    added_recognizer_s: plain(recognizer, 's'),
    least_processor_of_mean: plain(
      of(MOST, (one) => one.leastOfProcessors),
      'x',
    ),
    least_recognizer_of_mean: plain(
      of(MOST, (one) => one.leastOfRecognizers),
      'x',
    ),
    ...Object.fromEntries(
      PROCESSORS.map((count) => [
        `photos_per_second_${count}`,
        plain(
          of(count, (one) => one.perSecond),
          'photos/s',
        ),
      ]),
    ),
    cpu_percent_1: plain(of(1, (one) => one.cpu) * 100, '%'),
    cpu_percent_8: plain(of(MOST, (one) => one.cpu) * 100, '%'),
    recognizer_ms: plain(LATENCY_MS, 'ms'),
  };
}
