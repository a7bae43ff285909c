import { availableParallelism } from 'node:os';
import { basename, join } from 'node:path';
import { makeDemoPhotos } from '../cli/demo-photos.ts';
import { type Child, startChild } from './ask-child.ts';
import { type Benchmark, type Figures, median, plain, quantile, withGoal } from './figures.ts';
import type { PoolOrder, PoolReply } from './pool-child.ts';
import { type PrivateStack, startPrivateStack } from './private-stack.ts';
import { readCpuMs } from './process-use.ts';
import { SAMPLE_PHOTOS } from './sample-photos.ts';
import { openSubmitter, type Submitter } from './submit-photos.ts';

// From the POST to the stored result, through every process and server, against the engine alone on the same photos and
// cores, turn by turn. The wall clock decides; CPU time a photo says where it goes.

/** Photos that are posted when nothing else is to do, to see how long one takes. */
const LONE_PHOTOS = 20;

type Say = (line: string) => void;

export const benchmark: Benchmark = {
  packages: ['onnxruntime-node', '@grpc/grpc-js', '@nats-io/jetstream', 'mysql2', 'fastify', 'sharp'],
  defaults: { images: 120, turns: 5 },

  async measure(say, { images, turns }) {
    const stack = await startPrivateStack(say);
    const workers = availableParallelism();
    try {
      const samples = await writePhotos(stack);
      say('starting the recognizer, the processor, the receiver, and the engine alone');
      const recognizer = await stack.start('recognizer', { RECOGNIZER_WORKERS: String(workers) });
      await stack.start('processor', {
        RECOGNIZER_ADDRESS: `127.0.0.1:${recognizer.port}`,
        PROCESSOR_CONCURRENCY: String(Math.max(8, 2 * workers)),
      });
      const receiver = await stack.start('receiver', {});
      const engine = await startChild<PoolOrder, PoolReply>('pool-child', [String(workers)]);
      const submitter = openSubmitter({ ...stack, receiverPort: receiver.port });
      try {
        return {
          ...(await measureTurns({ stack, engine, submitter }, { photos: repeat(samples, images), turns }, say)),
          ...(await measureLonePhotos(submitter, repeat(samples, Math.min(LONE_PHOTOS, images)), say)),
        };
      } finally {
        await submitter.close();
        engine.stop();
      }
    } finally {
      await stack.stop();
    }
  },
};

/** The samples, and some of those in them enrolled. @returns the samples' paths */
async function writePhotos(stack: PrivateStack): Promise<string[]> {
  const folder = join(stack.photosFolder, 'samples');
  await makeDemoPhotos(folder, stack.knownPeopleFolder);
  return SAMPLE_PHOTOS.map((path) => join(folder, basename(path)));
}

function repeat(photos: readonly string[], count: number): string[] {
  return Array.from({ length: count }, (_, index) => photos[index % photos.length] ?? '');
}

interface Sides {
  readonly stack: PrivateStack;
  readonly engine: Child<PoolOrder, PoolReply>;
  readonly submitter: Submitter;
}

/** CPU time in ms by process: `client` is this one, which posts, and keeps the logs as the launcher does. */
type CpuTimes = Record<string, number>;

interface Turn {
  readonly engine: Extract<PoolReply, { kind: 'describe' }>;
  readonly singleMs: number;
  readonly bulkMs: number;
  /** While the photos were posted one by one. */
  readonly cpu: CpuTimes;
  /** Of all services and servers together, while only the engine alone worked, as a share of one core. */
  readonly idle: number;
}

async function measureTurns(
  sides: Sides,
  { photos, turns: count }: { photos: readonly string[]; turns: number },
  say: Say,
): Promise<Figures> {
  // Connections, compiled code, caches.
  await measureTurn(sides, photos.slice(0, 12));
  const turns: Turn[] = [];
  for (let turn = 1; turn <= count; turn++) {
    say(`turn ${turn} of ${count}: the engine alone, photos posted one by one, photos posted in bulk`);
    turns.push(await measureTurn(sides, photos));
  }
  const perSecond = (ms: (turn: Turn) => number) => plain((photos.length / median(turns.map(ms))) * 1000, 'images/s');
  const ratio = (ms: (turn: Turn) => number) => median(turns.map((turn) => turn.engine.ms / ms(turn)));
  return {
    pipeline_efficiency: withGoal(
      ratio((turn) => turn.singleMs),
      'x',
      'higher',
      0.9,
    ),
    pipeline_efficiency_bulk: plain(
      ratio((turn) => turn.bulkMs),
      'x',
    ),
    images_per_second: perSecond((turn) => turn.singleMs),
    images_per_second_bulk: perSecond((turn) => turn.bulkMs),
    images_per_second_engine: perSecond((turn) => turn.engine.ms),
    ...describeCpu(turns, photos.length),
  };
}

async function measureTurn({ stack, engine, submitter }: Sides, photos: readonly string[]): Promise<Turn> {
  const beforeEngine = await readCpu(stack);
  const alone = await engine.ask({ kind: 'describe', paths: photos });
  const before = await readCpu(stack);
  const single = await submitter.submit(photos, 'one by one');
  const cpu = subtract(await readCpu(stack), before);
  const bulk = await submitter.submit(photos, 'in bulk');
  for (const { faces } of [single, bulk]) {
    if (faces !== alone.faces) throw new Error(`${faces} faces stored, ${alone.faces} by the engine alone.`);
  }
  const { client: _, ...services } = subtract(before, beforeEngine);
  return { engine: alone, singleMs: single.ms, bulkMs: bulk.ms, cpu, idle: sum(services) / alone.ms };
}

async function readCpu(stack: PrivateStack): Promise<CpuTimes> {
  const times = Object.entries(stack.pids()).map(async ([name, pid]) => [name, await readCpuMs(pid)] as const);
  const { user, system } = process.cpuUsage();
  return { ...Object.fromEntries(await Promise.all(times)), client: (user + system) / 1000 };
}

function subtract(after: CpuTimes, before: CpuTimes): CpuTimes {
  return Object.fromEntries(Object.entries(after).map(([name, ms]) => [name, ms - (before[name] ?? 0)]));
}

const sum = (times: CpuTimes) => Object.values(times).reduce((total, ms) => total + ms, 0);

/** CPU time a photo: the engine alone, each process of the pipeline, and their ratio, which other people's load spares. */
function describeCpu(turns: readonly Turn[], photos: number): Figures {
  const perPhoto = (ms: (turn: Turn) => number) => plain(median(turns.map(ms)) / photos, 'ms');
  const names = Object.keys(turns[0]?.cpu ?? {});
  return {
    cpu_efficiency: plain(median(turns.map((turn) => turn.engine.cpuMs / sum(turn.cpu))), 'x'),
    cpu_ms_engine: perPhoto((turn) => turn.engine.cpuMs),
    ...Object.fromEntries(names.map((name) => [`cpu_ms_${name}`, perPhoto((turn) => turn.cpu[name] ?? 0)])),
    idle_cpu_percent: plain(median(turns.map((turn) => turn.idle)) * 100, '%'),
  };
}

/** From the POST to the stored result, when nothing else is to do. */
async function measureLonePhotos(submitter: Submitter, photos: readonly string[], say: Say): Promise<Figures> {
  say('one photo at a time');
  const times: number[] = [];
  for (const photo of photos) times.push((await submitter.submit([photo], 'one by one')).ms);
  return { p50_ms: plain(quantile(times, 0.5), 'ms'), p99_ms: plain(quantile(times, 0.99), 'ms') };
}
