import { Index, MetricKind, ScalarKind } from 'usearch';

export interface Neighbour {
  readonly id: number;
  /** Euclidean. */
  readonly distance: number;
}

/** Finds the faces near to a face, among those of one model. */
export interface NeighbourIndex {
  /** @param descriptor 128 floats @throws when the id is there */
  add(id: number, descriptor: Float32Array): void;
  remove(id: number): void;
  /** Faces within a distance, nearest first: as many as there are, up to MAX_NEIGHBOURS. */
  findNear(descriptor: Float32Array, radius: number): Neighbour[];
}

/**
 * So many are looked at around one face. In a denser crowd the nearest ones say enough, and a new face of somebody who is
 * in ten thousand photos must not cost ten thousand times as much as another. Fewer than the search weighs anyhow
 * (expansion_search): one look is enough.
 */
export const MAX_NEIGHBOURS = 64;

/** HNSW's M and its two ef; what they find is measured in docs/adr/0014-clusters.md. */
const SETTINGS = { connectivity: 16, expansion_add: 128, expansion_search: 128 };
const FLOATS = 128;
const WIDEST_LOOK = 1_024;
/** Removed faces stay in the graph, as ways to others, until they are too many. */
const DEAD_AT_LEAST = 1_000;

export function createNeighbourIndex(): NeighbourIndex {
  const descriptors = new Map<number, Float32Array>();
  const slotOf = new Map<number, number>();
  /** Faces by their keys in the graph; null: removed. A face that comes back gets another key. */
  let slots: (number | null)[] = [];
  let graph = createGraph();

  function insert(id: number, descriptor: Float32Array): void {
    slotOf.set(id, slots.length);
    graph.add(BigInt(slots.length), descriptor, 1);
    slots.push(id);
  }

  function rebuild(): void {
    slots = [];
    slotOf.clear();
    graph = createGraph();
    for (const [id, descriptor] of descriptors) insert(id, descriptor);
  }

  /** Those of `count` that are near, and whether there may be more of them. */
  function look(descriptor: Float32Array, limit: number, count: number): { near: Neighbour[]; isAll: boolean } {
    const { keys, distances } = graph.search(descriptor, Math.min(count, slots.length), 1);
    const near: Neighbour[] = [];
    for (const [index, squared] of distances.entries()) {
      if (squared > limit) return { near, isAll: true };
      const id = slots[Number(keys[index])] ?? null;
      if (id !== null) near.push({ id, distance: Math.sqrt(squared) });
      if (near.length === MAX_NEIGHBOURS) return { near, isAll: true };
    }
    return { near, isAll: distances.length >= slots.length };
  }

  return {
    add(id, descriptor) {
      if (descriptors.has(id)) throw new Error(`The face ${id} is in the index.`);
      descriptors.set(id, descriptor);
      insert(id, descriptor);
    },

    remove(id) {
      const slot = slotOf.get(id);
      if (slot === undefined) return;
      slots[slot] = null;
      slotOf.delete(id);
      descriptors.delete(id);
      const dead = slots.length - descriptors.size;
      if (dead > DEAD_AT_LEAST && dead > descriptors.size) rebuild();
    },

    findNear(descriptor, radius) {
      if (descriptors.size === 0) return [];
      // Removed faces take room in what is found: then a wider look follows.
      for (let count = MAX_NEIGHBOURS; ; count *= 4) {
        const { near, isAll } = look(descriptor, radius * radius, count);
        if (isAll || count >= WIDEST_LOOK) return near;
      }
    },
  };
}

function createGraph(): Index {
  return new Index({
    ...{ dimensions: FLOATS, metric: MetricKind.L2sq, quantization: ScalarKind.F32, multi: false },
    ...SETTINGS,
  });
}
