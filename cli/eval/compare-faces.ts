import { distanceBetween } from '../../lib/similarity.ts';
import { createSeededRandom } from './seeded-random.ts';

/** A face whose person is known. */
export interface LabelledFace {
  readonly person: string;
  /** 128 floats. */
  readonly descriptor: Float32Array;
}

/** Euclidean distances of pairs of one kind. */
export interface PairDistances {
  /** Ascending. All pairs, or a sample of them when there are more than were asked for. */
  readonly distances: Float64Array;
  /** How many pairs the set has. */
  readonly pairs: number;
}

/** One face against all others. */
export interface Probe {
  /** Distance to the nearest other face of the same person; null when there is none. */
  readonly toSamePerson: number | null;
  /** Distance to the nearest face of anybody else. */
  readonly toOthers: number;
}

export interface Comparison {
  /** Two faces of one person. */
  readonly genuine: PairDistances;
  /** Faces of two people. */
  readonly impostor: PairDistances;
  /** In the order of the faces. */
  readonly probes: readonly Probe[];
}

export interface ComparisonOptions {
  /** Of each kind, roughly: beyond it a random sample is kept, the same in every run. */
  maxPairs: number;
  onProgress?: (pairsDone: number, pairs: number) => void;
}

const SEED = 20_071_049;

/**
 * Compares every face with every other. The nearest neighbours come from all pairs, also where only a sample of the
 * distances is kept. Takes some tenths of a
 * microsecond a pair, so about half a minute for the 13,000 faces of LFW, and blocks the thread.
 */
export function compareFaces(faces: readonly LabelledFace[], options: ComparisonOptions): Comparison {
  const { maxPairs, onProgress } = options;
  const pairs = (faces.length * (faces.length - 1)) / 2;
  const genuinePairs = countGenuinePairs(faces);
  const genuine = createSample(genuinePairs, maxPairs);
  const impostor = createSample(pairs - genuinePairs, maxPairs);
  const toSamePerson = new Float64Array(faces.length).fill(Number.POSITIVE_INFINITY);
  const toOthers = new Float64Array(faces.length).fill(Number.POSITIVE_INFINITY);
  const people = toNumbers(faces.map(({ person }) => person));

  let done = 0;
  for (let i = 0; i < faces.length; i++) {
    for (let j = i + 1; j < faces.length; j++) {
      const distance = distanceBetween(descriptorOf(faces, i), descriptorOf(faces, j));
      const same = people[i] === people[j];
      const nearest = same ? toSamePerson : toOthers;
      if (distance < (nearest[i] ?? 0)) nearest[i] = distance;
      if (distance < (nearest[j] ?? 0)) nearest[j] = distance;
      (same ? genuine : impostor).add(distance);
    }
    done += faces.length - i - 1;
    onProgress?.(done, pairs);
  }

  const toProbe = (_: LabelledFace, i: number): Probe => {
    const [same = 0, others = 0] = [toSamePerson[i], toOthers[i]];
    return { toSamePerson: same === Number.POSITIVE_INFINITY ? null : same, toOthers: others };
  };
  return { genuine: genuine.finish(), impostor: impostor.finish(), probes: faces.map(toProbe) };
}

const NO_DESCRIPTOR = new Float32Array(0);

function descriptorOf(faces: readonly LabelledFace[], index: number): Float32Array {
  return faces[index]?.descriptor ?? NO_DESCRIPTOR;
}

function countGenuinePairs(faces: readonly LabelledFace[]): number {
  const sizes = new Map<string, number>();
  for (const { person } of faces) sizes.set(person, (sizes.get(person) ?? 0) + 1);
  return [...sizes.values()].reduce((sum, size) => sum + (size * (size - 1)) / 2, 0);
}

/** Comparing numbers is what makes 87 million comparisons of names cheap. */
function toNumbers(names: readonly string[]): Int32Array {
  const numbers = new Map<string, number>();
  return Int32Array.from(names, (name) => {
    const number = numbers.get(name) ?? numbers.size;
    numbers.set(name, number);
    return number;
  });
}

/** Keeps each of `pairs` distances with the same probability, so that about `max` remain; all when there are fewer. */
function createSample(pairs: number, max: number) {
  const share = max / pairs;
  const random = createSeededRandom(SEED);
  const kept: number[] = [];
  return {
    add(distance: number) {
      if (share >= 1 || random() < share) kept.push(distance);
    },
    finish: (): PairDistances => ({ distances: Float64Array.from(kept).sort(), pairs }),
  };
}
