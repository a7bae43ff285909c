import { setImmediate } from 'node:timers/promises';
import { squaredDistance } from '../../lib/scan-faces.ts';

/** Faces, one after the other: 128 floats each. */
export interface FaceSet {
  readonly personIds: readonly number[];
  readonly descriptors: Float32Array;
}

export interface ProbeSet extends FaceSet {
  /** Of each: its index among the references, which it is not compared to; -1 when it is none. */
  readonly references: readonly number[];
}

/** Distances are ascending. */
export interface GalleryMeasure {
  /** Of each probe to the nearest other reference of its person. */
  readonly genuine: Float64Array;
  /** Of each probe to the nearest reference of anybody else. */
  readonly impostor: Float64Array;
  /** Of a probe and a reference, each pair once, or a sample of them. */
  readonly pairs: { readonly genuine: Float64Array; readonly impostor: Float64Array };
  /** How many pairs there are. */
  readonly pairCounts: { readonly genuine: number; readonly impostor: number };
  /** References that are the same picture as the probe: they say nothing, and were left out. */
  readonly copies: number;
}

/** Two photos of one face are never as near as this; one photo, stored twice, is. */
const COPY_SQUARED = 0.001 ** 2;
/** Pairs of each kind that are kept, roughly. */
const MAX_PAIRS = 50_000;
/** Of work, ms, until other requests get their turn; comparing one probe is not interrupted. */
const TURN_MS = 10;

/** Compares every probe with every reference. Gives way to other work of the process. */
export async function measureGallery(references: FaceSet, probes: ProbeSet): Promise<GalleryMeasure> {
  const genuineTotal = countGenuinePairs(references, probes);
  const total = probes.personIds.length * references.personIds.length;
  const samples = [createSample(genuineTotal), createSample(total - genuineTotal)] as const;
  const tally: Tally = { genuine: [], impostor: [], pairs: samples, copies: 0 };
  let turn = performance.now();
  for (const probe of probes.personIds.keys()) {
    compareProbe(probe, probes, references, tally);
    if (performance.now() - turn < TURN_MS) continue;
    await setImmediate();
    turn = performance.now();
  }
  const [genuine, impostor] = tally.pairs;
  return {
    genuine: Float64Array.from(tally.genuine).sort(),
    impostor: Float64Array.from(tally.impostor).sort(),
    pairs: { genuine: genuine.finish(), impostor: impostor.finish() },
    pairCounts: { genuine: genuine.count, impostor: impostor.count },
    copies: tally.copies,
  };
}

function countGenuinePairs(references: FaceSet, probes: FaceSet): number {
  const counts = new Map<number, number>();
  for (const personId of references.personIds) counts.set(personId, (counts.get(personId) ?? 0) + 1);
  return probes.personIds.reduce((sum, personId) => sum + (counts.get(personId) ?? 0), 0);
}

interface Tally {
  readonly genuine: number[];
  readonly impostor: number[];
  /** Of one person, of two. */
  readonly pairs: readonly [PairSample, PairSample];
  copies: number;
}

function compareProbe(probe: number, probes: ProbeSet, references: FaceSet, tally: Tally): void {
  const [genuinePairs, impostorPairs] = tally.pairs;
  const personId = probes.personIds[probe];
  const own = probes.references[probe] ?? -1;
  let nearest = Number.POSITIVE_INFINITY;
  let nearestStranger = Number.POSITIVE_INFINITY;
  // Millions of times: an iterator would take longer than the distance.
  for (let index = 0; index < references.personIds.length; index++) {
    if (index === own) continue;
    const squared = squaredDistance(probes.descriptors, probe, references.descriptors, index);
    const same = references.personIds[index] === personId;
    if (same && squared < COPY_SQUARED) {
      tally.copies += 1;
      continue;
    }
    if (same) nearest = Math.min(nearest, squared);
    else nearestStranger = Math.min(nearestStranger, squared);
    // Two references meet twice; with a probe that is none a reference meets once.
    if (own < index) (same ? genuinePairs : impostorPairs).add(squared);
  }
  if (nearest < Number.POSITIVE_INFINITY) tally.genuine.push(Math.sqrt(nearest));
  if (nearestStranger < Number.POSITIVE_INFINITY) tally.impostor.push(Math.sqrt(nearestStranger));
}

type PairSample = ReturnType<typeof createSample>;

/** Keeps an even share, the same in every run, of so many pairs at most. */
function createSample(total: number) {
  const share = Math.min(1, MAX_PAIRS / total) * 2 ** 32;
  const kept: number[] = [];
  let count = 0;
  return {
    get count() {
      return count;
    },
    add(squared: number) {
      count += 1;
      // Multiples of the golden ratio spread evenly, and in step with nothing (Knuth, TAOCP 3, 6.4).
      if (Math.imul(count, 2_654_435_769) >>> 0 < share) kept.push(Math.sqrt(squared));
    },
    finish: () => Float64Array.from(kept).sort(),
  };
}
