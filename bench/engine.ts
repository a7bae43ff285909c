import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { type Child as AnyChild, startChild } from './ask-child.ts';
import type { Order, Reply } from './engine-child.ts';
import { type Benchmark, type Figure, type Figures, median, plain, withGoal } from './figures.ts';
import { SAMPLE_PHOTOS as PHOTOS } from './sample-photos.ts';

// The native engine against face-api on TensorFlow.js's WebAssembly backend, turn by turn on the same photos. The
// machine may be busy with other things: what counts are the ratios of medians within one run.

/** Times that each photo and network is measured in every engine's turn, and turns. */
const REPEATS = { photo: 3, networks: 15, turns: 5 };
const THROUGHPUT_SECONDS = 6;

/** Measured too where it is there: smaller photos of groups. */
const GROUP_FOLDER = join(process.cwd(), '../shared/faces/group');

type Child = AnyChild<Order, Reply>;

export const benchmark: Benchmark = {
  packages: ['onnxruntime-node', '@vladmandic/face-api', '@tensorflow/tfjs', '@tensorflow/tfjs-node', 'sharp'],

  async measure(say) {
    const children: Child[] = [];
    const start = async (engine: string) => {
      const child = await startChild<Order, Reply>('engine-child', [engine]);
      children.push(child);
      return child;
    };
    try {
      say('starting face-api on tfjs-wasm and the native engine');
      const onnx = await start('onnx');
      const peer = await start('tfjs-wasm');
      const single = {
        ...(await measurePhotos('photo', PHOTOS, onnx, peer, say)),
        ...(await measurePhotos('group_photo', listGroupPhotos(), onnx, peer, say)),
        ...(await measureNetworks(onnx, peer, say)),
        ...(await measureDetectors(onnx, say)),
      };
      say('starting the recognizer with two workers, and a second face-api');
      onnx.stop();
      const ready = await measureStart(start);
      const recognizer = await start('recognizer');
      const both = await measureThroughput(recognizer, [peer, await start('tfjs-wasm')], say);
      return { ...single, ...both, ...ready };
    } finally {
      for (const child of children) child.stop();
    }
  },
};

function listGroupPhotos(): string[] {
  if (!existsSync(GROUP_FOLDER)) return [];
  return readdirSync(GROUP_FOLDER).map((name) => join(GROUP_FOLDER, name));
}

async function measurePhotos(
  name: 'photo' | 'group_photo',
  photos: readonly string[],
  onnx: Child,
  peer: Child,
  say: (line: string) => void,
): Promise<Figures> {
  if (photos.length === 0) return {};
  const times = photos.map(() => ({ onnx: [] as number[], peer: [] as number[] }));
  for (let turn = 0; turn < REPEATS.turns; turn++) {
    say(`${name}: turn ${turn + 1} of ${REPEATS.turns}`);
    for (const [index, path] of photos.entries()) {
      const order: Order = { kind: 'photo', path, repeats: REPEATS.photo };
      const mine = await onnx.ask(order);
      const theirs = await peer.ask({ ...order, repeats: 1 });
      if (mine.faces !== theirs.faces)
        throw new Error(`${path}: ${mine.faces} faces, and ${theirs.faces} by face-api.`);
      times[index]?.onnx.push(...mine.times);
      times[index]?.peer.push(...theirs.times);
    }
  }
  const medians = times.map((photo) => ({ onnx: median(photo.onnx), peer: median(photo.peer) }));
  const ratio = median(medians.map((photo) => photo.peer / photo.onnx));
  return {
    [`${name}_ratio_1_thread`]: name === 'photo' ? withGoal(ratio, 'x', 'higher', 6) : plain(ratio, 'x'),
    [`${name}_ms`]: plain(median(medians.map((photo) => photo.onnx)), 'ms'),
    [`${name}_ms_tfjs_wasm`]: plain(median(medians.map((photo) => photo.peer)), 'ms'),
  };
}

async function measureNetworks(onnx: Child, peer: Child, say: (line: string) => void): Promise<Figures> {
  say('the networks one by one');
  const [path = ''] = PHOTOS;
  const order: Order = { kind: 'networks', path, repeats: REPEATS.networks };
  const rounds = [];
  for (let round = 0; round < 2; round++) rounds.push({ onnx: await onnx.ask(order), peer: await peer.ask(order) });
  const figures: Record<string, Figure> = {};
  for (const network of ['detector', 'landmarks', 'descriptor']) {
    const mine = median(rounds.flatMap((round) => round.onnx.times[network] ?? []));
    const theirs = median(rounds.flatMap((round) => round.peer.times[network] ?? []));
    figures[`${network}_ratio`] = plain(theirs / mine, 'x');
    figures[`${network}_ms`] = plain(mine, 'ms');
    figures[`${network}_ms_tfjs_wasm`] = plain(theirs, 'ms');
  }
  return figures;
}

/** DETECTOR=auto against ssd, over as many photos as tight crops; both looks of the latter count. */
async function measureDetectors(onnx: Child, say: (line: string) => void): Promise<Figures> {
  say('the detectors ssd and auto');
  const { ssd, auto } = await onnx.ask({ kind: 'detectors', paths: PHOTOS, repeats: REPEATS.photo });
  return {
    auto_speedup: plain((ssd.photo + ssd.crop) / (auto.photo + auto.crop), 'x'),
    tight_crop_ms: plain(ssd.crop, 'ms'),
  };
}

/** From the start of the process to two workers that have run every network once. */
async function measureStart(start: (engine: string) => Promise<Child>): Promise<Figures> {
  const times: number[] = [];
  for (let turn = 0; turn < REPEATS.turns; turn++) {
    const child = await start('recognizer');
    times.push(child.msSinceStart);
    child.stop();
  }
  return { ready_ms: withGoal(median(times), 'ms', 'lower', 2000) };
}

async function measureThroughput(
  recognizer: Child,
  peers: readonly Child[],
  say: (line: string) => void,
): Promise<Figures> {
  const order: Order = { kind: 'throughput', paths: PHOTOS, seconds: THROUGHPUT_SECONDS };
  const turns = [];
  for (let turn = 0; turn < REPEATS.turns; turn++) {
    say(`throughput: turn ${turn + 1} of ${REPEATS.turns}`);
    const mine = await recognizer.ask(order);
    const theirs = await Promise.all(peers.map((peer) => peer.ask(order)));
    turns.push({ mine, peerPerSecond: theirs.reduce((sum, { perSecond }) => sum + perSecond, 0) });
  }
  const mine = median(turns.map((turn) => turn.mine.perSecond));
  const theirs = median(turns.map((turn) => turn.peerPerSecond));
  return {
    throughput_ratio_2_cores: withGoal(mine / theirs, 'x', 'higher', 5.5),
    throughput_2_workers: plain(mine, 'images/s'),
    throughput_2_processes_tfjs_wasm: plain(theirs, 'images/s'),
    rss_mb: withGoal(Math.max(...turns.map((turn) => turn.mine.rssMb)), 'MB', 'lower', 1000),
  };
}
