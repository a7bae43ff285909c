import { monitorEventLoopDelay } from 'node:perf_hooks';
import { createGallerySearch, type GallerySearch } from '../recognizer/gallery-search.ts';
import { readSnapshot, writeSnapshot } from '../recognizer/gallery-snapshot.ts';
import { createSyntheticFaces } from '../recognizer/synthetic-faces.ts';
import { median } from './figures.ts';

/** What bench/gallery.ts asks of a process; it is answered by one reply. */
export type GalleryOrder =
  | { readonly kind: 'build'; readonly size: number; readonly folder: string }
  | { readonly kind: 'search'; readonly size: number; readonly folder: string; readonly probes: number };

export type GalleryReply =
  | {
      readonly kind: 'build';
      readonly buildS: number;
      readonly snapshotS: number;
      readonly snapshotBlockMs: number;
    }
  | {
      readonly kind: 'search';
      readonly readyS: number;
      readonly rssMb: number;
      readonly recall: number;
      /** Of people who are not enrolled: the nearest of many who are equally far. */
      readonly strangerRecall: number;
      readonly meanMs: number;
      readonly p50Ms: number;
      readonly p99Ms: number;
      /** Processor time of this process in a search: other things that run do not count. */
      readonly p99CpuMs: number;
      readonly exactMs: number;
      readonly changeMs: number;
      readonly longestBlockMs: number;
    };

const FACES_A_PERSON = 5;
const PAGE = 1_000;
const MODEL = 'synthetic';
/** Numbers of faces that nobody has enrolled. */
const PROBE_NUMBER = 900;
/** Probes that time the exact search; for what it finds, all are asked. */
const EXACT_TIMED = 50;
const STRANGERS = 100;
/** All probes are asked so often; of p50 and p99 the median counts, as the machine may be busy with other things. */
const TURNS = 5;
const SEARCH = { count: 5, limit: Number.POSITIVE_INFINITY };

const synthetic = createSyntheticFaces();
const order = JSON.parse(process.argv[2] ?? '') as GalleryOrder;
process.send?.(order.kind === 'build' ? await build(order) : await search(order));

async function build({ size, folder }: Extract<GalleryOrder, { kind: 'build' }>): Promise<GalleryReply> {
  const gallery = createGallerySearch();
  const started = performance.now();
  await gallery.load(async () => {
    for (let from = 0; from < size; from += PAGE) {
      const changed = Array.from({ length: Math.min(PAGE, size - from) }, (_, n) => enter(from + n));
      gallery.apply({ changed, removedIds: [] }, 1);
    }
  });
  await gallery.settled();
  const buildS = (performance.now() - started) / 1000;
  const saving = performance.now();
  const written = await writeSnapshot(folder, gallery, MODEL);
  if (written === null) throw new Error('Nobody was removed, and yet no snapshot was written.');
  const snapshotS = (performance.now() - saving) / 1000;
  return { kind: 'build', buildS, snapshotS, snapshotBlockMs: written.blockedMs };
}

async function search(order: Extract<GalleryOrder, { kind: 'search' }>): Promise<GalleryReply> {
  const { size, folder, probes } = order;
  const started = performance.now();
  const restored = await readSnapshot(folder, MODEL);
  if (restored === null) throw new Error('There is no snapshot.');
  const gallery = createGallerySearch(restored);
  await gallery.settled();
  const readyS = (performance.now() - started) / 1000;

  const people = size / FACES_A_PERSON;
  const known = Array.from({ length: probes }, (_, n) =>
    synthetic.describe(1 + Math.floor((n * people) / probes), PROBE_NUMBER),
  );
  const strangers = Array.from({ length: STRANGERS }, (_, n) => synthetic.describe(people + 1 + n, PROBE_NUMBER));
  for (const probe of known.slice(0, 50)) gallery.nearestPeople(probe, SEARCH);

  const turns = Array.from({ length: TURNS }, () => timeSearches(gallery, known));
  const times = turns.flatMap((turn) => turn.times);
  const answers = turns[0]?.answers ?? [];
  const { changeMs, longestBlockMs } = await measureChanges(gallery, people);
  // What exact search needs for itself is no part of it.
  const rssMb = process.memoryUsage.rss() / 1e6;

  const exact = createExactSearch(size);
  const exactTimes: number[] = [];
  for (const probe of known.slice(0, EXACT_TIMED)) {
    const start = performance.now();
    exact.scan(probe);
    exactTimes.push(performance.now() - start);
  }
  const recall = share(exact.findPeople(known), answers);
  const found = strangers.map((probe) => gallery.nearestPeople(probe, SEARCH)[0]?.personId);
  const strangerRecall = share(exact.findPeople(strangers), found);
  return {
    ...{ kind: 'search', readyS, rssMb, recall, strangerRecall, changeMs, longestBlockMs },
    meanMs: times.reduce((sum, time) => sum + time, 0) / times.length,
    p50Ms: median(turns.map((turn) => percentile(turn.times, 0.5))),
    p99Ms: median(turns.map((turn) => percentile(turn.times, 0.99))),
    p99CpuMs: median(turns.map((turn) => percentile(turn.cpuTimes, 0.99))),
    exactMs: exactTimes.reduce((sum, time) => sum + time, 0) / exactTimes.length,
  };
}

function timeSearches(gallery: GallerySearch, probes: readonly Float32Array[]) {
  const times: number[] = [];
  const cpuTimes: number[] = [];
  const answers = probes.map((probe) => {
    const before = process.cpuUsage();
    const start = performance.now();
    const [nearest] = gallery.nearestPeople(probe, SEARCH);
    times.push(performance.now() - start);
    const { user, system } = process.cpuUsage(before);
    cpuTimes.push((user + system) / 1000);
    return nearest?.personId;
  });
  return { times, cpuTimes, answers };
}

function percentile(times: readonly number[], share: number): number {
  return [...times].sort((a, b) => a - b)[Math.floor(times.length * share)] ?? 0;
}

/** People come and go while the index follows: how long one change takes, and what else has to wait at most. */
async function measureChanges(gallery: GallerySearch, people: number) {
  const changes = 200;
  const delay = monitorEventLoopDelay({ resolution: 1 });
  delay.enable();
  let total = 0;
  for (let n = 0; n < changes; n++) {
    const entry = synthetic.enter(people + 1_000 + n, 0);
    const start = performance.now();
    gallery.apply({ changed: [entry], removedIds: [] }, 2);
    gallery.apply({ changed: [], removedIds: [entry.personImageId] }, 3);
    gallery.apply({ changed: [], removedIds: [1000 * (1 + n)] }, 4);
    gallery.apply({ changed: [synthetic.enter(1 + n, 0)], removedIds: [] }, 5);
    total += performance.now() - start;
    if (n % 20 === 0) await gallery.settled();
  }
  await gallery.settled();
  delay.disable();
  return { changeMs: total / changes / 4, longestBlockMs: delay.max / 1e6 };
}

/** What one would write without an index: one array, and the nearest of all. It is also the truth that answers are held to. */
function createExactSearch(size: number) {
  const data = new Float32Array(size * 128);
  for (let n = 0; n < size; n++) data.set(enter(n).descriptor, n * 128);
  const scan = (probe: Float32Array) => {
    let [best, nearest] = [Number.POSITIVE_INFINITY, 0];
    for (let face = 0; face < size; face++) {
      let sum = 0;
      for (let i = 0, at = face * 128; i < 128; i++, at++) {
        const difference = (probe[i] as number) - (data[at] as number);
        sum += difference * difference;
      }
      if (sum < best) {
        best = sum;
        nearest = face;
      }
    }
    return nearest;
  };
  /** The same answer sooner: a face that is too far by its first values needs no others. Not what is timed. */
  const scanImpatiently = (probe: Float32Array) => {
    let [best, nearest] = [Number.POSITIVE_INFINITY, 0];
    for (let face = 0; face < size; face++) {
      let sum = 0;
      for (let i = 0, at = face * 128; i < 128 && sum < best; i += 16) {
        for (let end = at + 16, j = i; at < end; at++, j++) {
          const difference = (probe[j] as number) - (data[at] as number);
          sum += difference * difference;
        }
      }
      if (sum < best) {
        best = sum;
        nearest = face;
      }
    }
    return nearest;
  };
  return {
    scan,
    findPeople: (probes: readonly Float32Array[]) => probes.map((probe) => personOf(scanImpatiently(probe))),
  };
}

function enter(n: number) {
  return synthetic.enter(personOf(n), n % FACES_A_PERSON);
}

function personOf(n: number): number {
  return 1 + Math.floor(n / FACES_A_PERSON);
}

function share(expected: readonly number[], found: readonly (number | undefined)[]): number {
  return expected.filter((person, n) => person === found[n]).length / expected.length;
}
