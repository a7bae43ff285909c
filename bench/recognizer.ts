import { availableParallelism } from 'node:os';
import { startChild } from './ask-child.ts';
import { type Benchmark, type Figures, median, plain, quantile, withGoal } from './figures.ts';
import type { PoolOrder, PoolReply } from './pool-child.ts';
import { type PrivateStack, startPrivateStack } from './private-stack.ts';
import { readRssMb } from './process-use.ts';
import { identifyAll, untilServing } from './recognizer-calls.ts';
import { writeVariedPhotos } from './sample-photos.ts';

// The recognizer as a process, asked over gRPC, on photos of many sizes, shapes and formats: against the engine alone,
// turn by turn, and for so long that memory which is not given back would show.

const PHOTOS = 60;
const PHOTOS_A_TURN = 120;
/** The goals for memory are for two workers. */
const WORKERS_FOR_MEMORY = 2;
/** Of the photos: after so many memory should no longer grow; so many samples make a median. */
const [WARM_UP_SHARE, SAMPLE_SHARE] = [0.1, 0.03];

type Say = (line: string) => void;

export const benchmark: Benchmark = {
  packages: ['onnxruntime-node', '@grpc/grpc-js', 'sharp'],
  defaults: { images: 3_000, turns: 5 },

  async measure(say, { images, turns }) {
    const stack = await startPrivateStack(say);
    try {
      say(`writing ${PHOTOS} photos`);
      const photos = await writeVariedPhotos(stack.photosFolder, Math.min(PHOTOS, images));
      return {
        ...(await measureStart(stack, turns, say)),
        ...(await measureThroughput(stack, { paths: repeat(photos, Math.min(PHOTOS_A_TURN, images)), turns }, say)),
        ...(await measureMemory(stack, repeat(photos, images), say)),
      };
    } finally {
      await stack.stop();
    }
  },
};

function repeat(photos: readonly string[], count: number): string[] {
  return Array.from({ length: count }, (_, index) => photos[index % photos.length] ?? '');
}

function startRecognizer(stack: PrivateStack, workers: number) {
  return stack.start('recognizer', { RECOGNIZER_WORKERS: String(workers) }, { ready: untilServing });
}

/** From the start of the process to SERVING, nobody being known. */
async function measureStart(stack: PrivateStack, turns: number, say: Say): Promise<Figures> {
  const times: number[] = [];
  for (let turn = 1; turn <= turns; turn++) {
    say(`starting: turn ${turn} of ${turns}`);
    const startedAt = performance.now();
    const recognizer = await startRecognizer(stack, availableParallelism());
    times.push(performance.now() - startedAt);
    await recognizer.stop();
  }
  return { ready_ms: withGoal(median(times), 'ms', 'lower', 2000) };
}

async function measureThroughput(
  stack: PrivateStack,
  { paths, turns }: { paths: readonly string[]; turns: number },
  say: Say,
): Promise<Figures> {
  const workers = availableParallelism();
  const recognizer = await startRecognizer(stack, workers);
  const engine = await startChild<PoolOrder, PoolReply>('pool-child', [String(workers)]);
  const taken: { engineMs: number; recognizerMs: number }[] = [];
  const latencies: number[] = [];
  try {
    for (let turn = 1; turn <= turns; turn++) {
      say(`throughput: turn ${turn} of ${turns}`);
      const alone = await engine.ask({ kind: 'describe', paths });
      const called = await identifyAll(recognizer.port, paths, workers * 2);
      if (called.faces !== alone.faces)
        throw new Error(`${called.faces} faces over gRPC, ${alone.faces} by the engine alone.`);
      taken.push({ engineMs: alone.ms, recognizerMs: called.ms });
      latencies.push(...called.latencies);
    }
  } finally {
    engine.stop();
    await recognizer.stop();
  }
  const perSecond = (ms: readonly number[]) => plain((paths.length / median(ms)) * 1000, 'images/s');
  return {
    images_per_second: perSecond(taken.map((turn) => turn.recognizerMs)),
    images_per_second_engine: perSecond(taken.map((turn) => turn.engineMs)),
    recognizer_efficiency: plain(median(taken.map((turn) => turn.engineMs / turn.recognizerMs)), 'x'),
    p50_ms: plain(quantile(latencies, 0.5), 'ms'),
    p99_ms: plain(quantile(latencies, 0.99), 'ms'),
  };
}

async function measureMemory(stack: PrivateStack, paths: readonly string[], say: Say): Promise<Figures> {
  const recognizer = await startRecognizer(stack, WORKERS_FOR_MEMORY);
  const samples: number[] = [];
  await identifyAll(recognizer.port, paths, WORKERS_FOR_MEMORY * 2, async () => {
    samples.push(await readRssMb(recognizer.pid));
    if (samples.length % 300 === 0) say(`memory: ${samples.length} of ${paths.length} photos, ${samples.at(-1)} MB`);
  });
  await recognizer.stop();
  const warm = Math.floor(samples.length * WARM_UP_SHARE);
  const some = Math.max(1, Math.round(samples.length * SAMPLE_SHARE));
  const before = median(samples.slice(warm, warm + some));
  const after = median(samples.slice(-some));
  return {
    rss_mb: withGoal(Math.max(...samples), 'MB', 'lower', 1000),
    rss_growth_percent: withGoal((after / before - 1) * 100, '%', 'lower', 5),
    rss_warm_mb: plain(before, 'MB'),
    rss_end_mb: plain(after, 'MB'),
  };
}
