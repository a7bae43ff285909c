import { availableParallelism } from 'node:os';
import { Index, MetricKind, ScalarKind } from 'usearch';

// A graph (HNSW) over one point for each look of a person. It only proposes: what it finds is compared exactly, so its
// points may be coarse. Numbers: docs/adr/0009-gallery-index.md.

export const DIMENSIONS = 128;
const CONNECTIVITY = 32;
const EXPANSION_ADD = 128;
const EXPANSION_SEARCH = 96;
const FIRST_FILLER = 2 ** 40;

/** What must be the same for a saved index to be of use. */
export const INDEX_FORMAT = `usearch-2 i8 ${DIMENSIONS} ${CONNECTIVITY}`;

export interface GalleryIndex {
  /** Points that can be found. */
  readonly size: number;
  /** Removed points whose values are still in memory; `add` and `overwriteVacant` overwrite them. */
  readonly vacant: number;
  /** Keys of points that stand in for removed ones: to be given back to `loadGalleryIndex`. */
  readonly fillers: readonly number[];
  /**
   * Takes about half a millisecond a point.
   *
   * @param keys whole numbers below 2^40 that are not in use
   * @param points as many times 128 floats
   */
  add(keys: readonly number[], points: Float32Array): void;
  remove(key: number): void;
  /**
   * Removing only hides a point. This puts a meaningless one, far from everybody, over up to `count` that were removed:
   * somebody who was erased must not live on in memory, or in a file that it is saved to.
   */
  overwriteVacant(count: number): void;
  /** @returns up to `count` keys, roughly nearest first */
  search(probe: Float32Array, count: number): number[];
  /** Blocks while it writes. */
  save(path: string): void;
}

export function createGalleryIndex(): GalleryIndex {
  return wrapIndex(openIndex(), []);
}

/**
 * @param path of what `save` has written; nothing checks here that it is whole
 * @param fillers as they were then
 */
export function loadGalleryIndex(path: string, fillers: readonly number[]): GalleryIndex {
  const index = openIndex();
  index.load(path);
  return wrapIndex(index, fillers);
}

function openIndex(): Index {
  return new Index({
    dimensions: DIMENSIONS,
    metric: MetricKind.L2sq,
    quantization: ScalarKind.I8,
    connectivity: CONNECTIVITY,
    expansion_add: EXPANSION_ADD,
    expansion_search: EXPANSION_SEARCH,
    multi: false,
  });
}

function wrapIndex(index: Index, knownFillers: readonly number[]): GalleryIndex {
  const threads = Math.min(availableParallelism(), 4);
  const fillers = new Set(knownFillers);
  let nextFiller = Math.max(FIRST_FILLER, ...knownFillers.map((key) => key + 1));
  let vacant = 0;
  const insert = (keys: readonly number[], points: Float32Array) => {
    index.add(BigUint64Array.from(keys, BigInt), points, threads);
    // usearch puts a new point where a removed one was, as long as there is one.
    vacant = Math.max(0, vacant - keys.length);
  };
  const remove = (key: number) => {
    vacant += Number(index.remove(BigInt(key)));
  };

  return {
    get size() {
      return index.size() - fillers.size;
    },
    get vacant() {
      return vacant;
    },
    get fillers() {
      return [...fillers];
    },
    add(keys, points) {
      for (const filler of fillers) {
        if (vacant >= keys.length) break;
        remove(filler);
        fillers.delete(filler);
      }
      insert(keys, points);
    },
    remove,
    overwriteVacant(count) {
      const keys = Array.from({ length: Math.min(count, vacant) }, () => nextFiller++);
      if (keys.length === 0) return;
      // Random directions, which those of faces are far from: they have much in common.
      insert(
        keys,
        Float32Array.from({ length: keys.length * DIMENSIONS }, () => (Math.random() < 0.5 ? -1 : 1)),
      );
      for (const key of keys) fillers.add(key);
    },
    search(probe, count) {
      if (index.size() === 0) return [];
      // Without a number of threads usearch starts one for each core, for each search.
      const { keys } = index.search(probe, Math.min(count, index.size()), 1);
      return Array.from(keys, Number).filter((key) => key < FIRST_FILLER);
    },
    save: (path) => index.save(path),
  };
}
