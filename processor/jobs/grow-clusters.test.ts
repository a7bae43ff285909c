import { describe, expect, test } from 'vitest';
import {
  type ClusterableFace,
  type ClusterSpace,
  CORE_NEIGHBOURS,
  createClusterSpace,
  MIN_CLUSTER_SIZE,
  NEIGHBOUR_DISTANCE,
} from './grow-clusters.ts';

const FLOATS = 128;

/** Deterministic (mulberry32), 0..1. */
function createRandom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** A face at a place on one axis: distances are differences. */
function faceAt(id: number, place: number, more: Partial<ClusterableFace> = {}): ClusterableFace {
  const descriptor = new Float32Array(FLOATS);
  descriptor[0] = place;
  return { id, imageId: id, descriptor, isMisleading: false, rank: 0.5, ...more };
}

/** Faces around some people, more or less near to them, in random order; some are misleading, some share a photo. */
function makeFaces(seed: number, people: number, photos: number): ClusterableFace[] {
  const random = createRandom(seed);
  const near = (centre: Float32Array | null, apart: number) =>
    Float32Array.from({ length: FLOATS }, (_, i) => {
      const normal = Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
      return (centre?.[i] ?? 0) + (normal * apart) / 16;
    });
  const centres = Array.from({ length: people }, () => near(null, 0.75));
  return Array.from({ length: people * photos }, (_, index) => ({
    id: index + 1,
    imageId: Math.floor(random() * people * photos * 2),
    descriptor: near(centres[Math.floor(random() * people)] ?? null, 0.3 + 0.25 * random()),
    isMisleading: random() < 0.15,
    rank: random(),
  }));
}

const distanceOf = (a: Float32Array, b: Float32Array) => Math.hypot(...a.map((value, i) => value - (b[i] as number)));

/** DBSCAN as it is written in books: the cores of each cluster, and the cores and distances that each other face may join. */
function clusterAtOnce(faces: readonly ClusterableFace[]) {
  const neighbours = faces.map((face) =>
    faces.filter(
      (other) => other.imageId !== face.imageId && distanceOf(face.descriptor, other.descriptor) <= NEIGHBOUR_DISTANCE,
    ),
  );
  const isCore = (face: ClusterableFace) =>
    !face.isMisleading &&
    new Set((neighbours[face.id - 1] ?? []).filter((other) => !other.isMisleading).map((other) => other.imageId))
      .size >= CORE_NEIGHBOURS;
  const cores = new Set(faces.filter(isCore));
  const clusterOf = new Map<ClusterableFace, number>();
  for (const first of cores) {
    if (clusterOf.has(first)) continue;
    const waiting = [first];
    for (let face = waiting.pop(); face !== undefined; face = waiting.pop()) {
      if (clusterOf.has(face)) continue;
      clusterOf.set(face, first.id);
      waiting.push(...(neighbours[face.id - 1] ?? []).filter((other) => cores.has(other)));
    }
  }
  return { cores, clusterOf, neighbours };
}

/** Plays the database: gives new clusters ids, and says where every face is. */
function openStore(space: ClusterSpace) {
  const where = new Map<number, { clusterId: number | null; isCore: boolean }>();
  const sizes = () => {
    const found = new Map<number, number>();
    for (const { clusterId } of where.values()) if (clusterId) found.set(clusterId, (found.get(clusterId) ?? 0) + 1);
    return found;
  };
  let nextId = 1;
  const membersOf = (id: number) => [...where.values()].filter((one) => one.clusterId === id);

  function dissolveSmall(ids: Iterable<number>): void {
    for (const id of ids) {
      if (membersOf(id).length >= MIN_CLUSTER_SIZE) continue;
      space.dissolve(id);
      for (const one of membersOf(id)) Object.assign(one, { clusterId: null, isCore: false });
    }
  }

  function commit(): void {
    const { faces, merged, touched } = space.takeChanges();
    const fresh = [...touched.keys()].filter((id) => id < 0).sort((a, b) => b - a);
    const ids = new Map<number | null, number>(fresh.map((id) => [id, nextId++]));
    for (const { from, into } of merged) {
      for (const one of membersOf(from)) one.clusterId = into;
    }
    for (const [id, { clusterId, isCore }] of faces) {
      where.set(id, { clusterId: ids.get(clusterId) ?? clusterId, isCore });
    }
    for (const id of fresh) space.renumber(id, ids.get(id) as number);
    dissolveSmall([...touched.keys()].map((id) => ids.get(id) ?? id));
  }

  return {
    where,
    sizes,
    commit,
    leave(id: number) {
      space.remove(id);
      where.delete(id);
      commit();
    },
    clusterOf: (id: number) => where.get(id)?.clusterId ?? null,
  };
}

function grow(faces: readonly ClusterableFace[], batch = 1) {
  const space = createClusterSpace();
  const store = openStore(space);
  faces.forEach((face, index) => {
    space.add(face);
    if (index % batch === batch - 1) store.commit();
  });
  store.commit();
  return { space, store };
}

function shuffle<Item>(items: readonly Item[], seed: number): Item[] {
  const random = createRandom(seed);
  return items
    .map((item) => ({ item, at: random() }))
    .sort((a, b) => a.at - b.at)
    .map(({ item }) => item);
}

describe('growing', () => {
  const faces = makeFaces(1, 25, 16);
  const expected = clusterAtOnce(faces);

  test.each([1, 2, 3])('gives what clustering all at once gives, in any order (%i)', (seed) => {
    const { store } = grow(shuffle(faces, seed), 1 + seed * 7);
    expect(new Set(expected.clusterOf.values()).size).toBeGreaterThan(10);
    const ids = new Map<number, number | null>();
    for (const face of faces) {
      const { clusterId, isCore } = store.where.get(face.id) ?? { clusterId: null, isCore: false };
      expect(isCore, `face ${face.id}`).toBe(expected.cores.has(face));
      const cluster = expected.clusterOf.get(face);
      if (cluster !== undefined) {
        expect(clusterId).not.toBeNull();
        expect(ids.get(cluster) ?? clusterId, `cluster of face ${face.id}`).toBe(clusterId);
        ids.set(cluster, clusterId);
      } else {
        // A border face: in the cluster of any core that it may join, or alone where there is none.
        const limit = (face.isMisleading ? 0.9 : 1) * NEIGHBOUR_DISTANCE;
        const open = (expected.neighbours[face.id - 1] ?? []).filter(
          (other) => expected.cores.has(other) && distanceOf(face.descriptor, other.descriptor) <= limit,
        );
        const allowed = open.map((core) => store.clusterOf(core.id));
        if (open.length === 0) expect(clusterId).toBeNull();
        else expect(allowed).toContain(clusterId);
      }
    }
    expect(new Set(ids.values()).size).toBe(ids.size);
  });

  test('a space that was restored goes on as if it had been there all the time', () => {
    const all = grow(faces).store;
    const half = grow(faces.slice(0, 200)).store;
    const space = createClusterSpace();
    for (const face of faces.slice(0, 200))
      space.restore(face, half.where.get(face.id) ?? { clusterId: null, isCore: false });
    // Ids of clusters are given in the same order, after those that are there.
    const store = openStore(space);
    for (const [id, one] of half.where) store.where.set(id, { ...one });
    for (const face of faces.slice(200)) {
      space.add(face);
      store.commit();
    }
    const partition = (where: typeof store.where) => {
      const together = new Map<number | null, number[]>();
      for (const [id, { clusterId }] of [...where].sort(([a], [b]) => a - b)) {
        together.set(clusterId, [...(together.get(clusterId) ?? []), id]);
      }
      return [...together].map(([id, members]) => (id === null ? 'alone ' : '') + members).sort();
    };
    expect(partition(store.where)).toEqual(partition(all.where));
  });
});

describe('ids', () => {
  test('a cluster keeps its id while it grows; where two grow together the older one stays', () => {
    const { space, store } = grow([0, 0.1, 0.2, 1.4, 1.5, 1.6].map((place, index) => faceAt(index + 1, place)));
    const [old, young] = [store.clusterOf(1), store.clusterOf(4)];
    expect([old, young]).toEqual([1, 2]);
    space.add(faceAt(7, 0.5));
    store.commit();
    expect([store.clusterOf(7), store.clusterOf(4)]).toEqual([old, young]);
    for (const [id, place] of [
      [8, 0.9],
      [9, 1.2],
    ] as const) {
      space.add(faceAt(id, place));
      store.commit();
    }
    expect([1, 2, 3, 4, 5, 6, 7, 8, 9].map((id) => store.clusterOf(id))).toEqual(Array(9).fill(old));
  });

  test('three clusters that grow together between two writes become the oldest', () => {
    const places = [0.8, 0.85, 0.9, 0, 0.05, 0.1, 1.6, 1.65, 1.7];
    const { space, store } = grow(places.map((place, index) => faceAt(index + 1, place)));
    expect([1, 4, 7].map(store.clusterOf)).toEqual([1, 2, 3]);
    space.add(faceAt(10, 0.45));
    space.add(faceAt(11, 1.3));
    store.commit();
    expect([...store.sizes()]).toEqual([[1, 11]]);
  });

  test('whoever leaves lets the others stay together; the last two are no cluster', () => {
    const { space, store } = grow([0, 0.4, 0.8, 1.2].map((place, index) => faceAt(index + 1, place)));
    expect([...store.sizes()]).toEqual([[1, 4]]);
    store.leave(2);
    expect([1, 3, 4].map(store.clusterOf)).toEqual([1, 1, 1]);
    store.leave(3);
    expect([1, 4].map(store.clusterOf)).toEqual([null, null]);
    // They are looked at again when somebody comes near to them.
    space.add(faceAt(5, 0.1));
    space.add(faceAt(6, 0.2));
    store.commit();
    expect([1, 5, 6].map(store.clusterOf)).toEqual([2, 2, 2]);
  });
});

describe('who joins', () => {
  test('two are no cluster; two faces of one photo are two people', () => {
    expect([...grow([faceAt(1, 0), faceAt(2, 0.1)]).store.sizes()]).toEqual([]);
    const twins = [faceAt(1, 0), faceAt(2, 0.1), faceAt(3, 0.1, { imageId: 2 })];
    expect([...grow(twins).store.sizes()]).toEqual([]);
  });

  test('misleading faces join from near, and bring nobody together', () => {
    const poor = { isMisleading: true };
    const three = [faceAt(1, 0), faceAt(2, 0.05), faceAt(3, 0.1)];
    const { store } = grow([...three, faceAt(4, 0.49, poor), faceAt(5, 0.54, poor), faceAt(6, 0.85)]);
    expect([4, 5, 6].map(store.clusterOf)).toEqual([1, null, null]);
    expect([...grow([faceAt(1, 0, poor), faceAt(2, 0, poor), faceAt(3, 0, poor)]).store.sizes()]).toEqual([]);
  });

  test('what a person has split does not grow together, nor does what either becomes part of', () => {
    const space = createClusterSpace();
    const store = openStore(space);
    const put = (id: number, place: number, clusterId: number) => {
      space.restore(faceAt(id, place), { clusterId, isCore: true });
      store.where.set(id, { clusterId, isCore: true });
    };
    for (const [id, place] of [0, 0.1, 0.2].entries()) put(id + 1, place, 8);
    for (const [id, place] of [0.25, 0.35, 0.45].entries()) put(id + 4, place, 9);
    for (const [id, place] of [1.1, 1.15, 1.2].entries()) put(id + 7, place, 5);
    space.setApart(8, 9);
    space.add(faceAt(10, 0.23));
    store.commit();
    expect([1, 4, 10].map(store.clusterOf)).toEqual([8, 9, 9]);
    // 9 becomes part of 5, which is apart from 8 now.
    space.add(faceAt(11, 0.78));
    space.add(faceAt(12, 0.24));
    store.commit();
    expect([1, 4, 7, 11, 12].map(store.clusterOf)).toEqual([8, 5, 5, 5, 5]);
  });

  test('the cover is the face that can be seen best', () => {
    const space = createClusterSpace();
    for (const [index, rank] of [0.2, 0.9, 0.4].entries()) space.add(faceAt(index + 1, index / 10, { rank }));
    expect([...space.takeChanges().touched.values()]).toEqual([{ coverFaceId: 2 }]);
  });
});
