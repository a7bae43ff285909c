import { describe, expect, test } from 'vitest';
import { type DecisionRules, decide, type ProbeFace, type RejectedFace, type ThresholdFor } from './decide.ts';
import type { NearPerson } from './gallery.ts';

const LENGTH = 128;

/** A descriptor at a place on one axis: distances are differences. */
const at = (place: number) => Float32Array.from({ length: LENGTH }, (_, index) => (index === 0 ? place : 0));

function face(place: number, options: Partial<ProbeFace> = {}): ProbeFace {
  return { descriptor: at(place), faceId: 0, qualityReasons: [], personId: 0, ...options };
}

function rules(options: {
  threshold?: number;
  of?: Record<number, number>;
  rejected?: Record<number, (Partial<RejectedFace> & { at?: number })[]>;
}): DecisionRules {
  const threshold = options.threshold ?? 0.5;
  const thresholdOf = new Map(Object.entries(options.of ?? {}).map(([id, own]) => [Number(id), own]));
  const rejectedOf = new Map(
    Object.entries(options.rejected ?? {}).map(([id, faces]) => [
      Number(id),
      faces.map(({ at: place, faceId = 0 }) => ({ faceId, descriptor: place === undefined ? null : at(place) })),
    ]),
  );
  return { threshold, thresholdOf, rejectedOf, largestThreshold: Math.max(threshold, ...thresholdOf.values()) };
}

/** People by their id, each at a place. */
function decideAt(
  people: Record<number, number>,
  faces: ProbeFace[],
  how = rules({}),
  thresholdFor: ThresholdFor = (base) => base,
) {
  const find = (descriptor: Float32Array, count: number) =>
    Object.entries(people)
      .map(([id, place]) => near(Number(id), Math.abs((descriptor[0] ?? 0) - place)))
      .sort((a, b) => a.distance - b.distance)
      .slice(0, count);
  return decide(faces, find, how, thresholdFor);
}

function near(personId: number, distance: number): NearPerson {
  return { personId, personImageId: personId * 10, personName: `person ${personId}`, imageName: 'x.jpg', distance };
}

const idsOf = (decided: ReturnType<typeof decide>) => decided.map(({ match }) => match?.personId ?? null);

describe('one face', () => {
  test('is of the nearest person within the threshold, which itself is within; beyond it is nobody’s', () => {
    expect(idsOf(decideAt({ 1: 0, 2: 0.75 }, [face(0.25)]))).toEqual([1]);
    expect(idsOf(decideAt({ 1: 0 }, [face(0.5)]))).toEqual([1]);
    const [stranger] = decideAt({ 1: 0 }, [face(0.625)]);
    expect(stranger).toMatchObject({ match: null, nearestDistance: 0.625, threshold: 0.5 });
  });

  test('is of the nearest even when somebody else may be farther away', () => {
    const [decided] = decideAt({ 1: 0, 2: 0.75 }, [face(0.3)], rules({ of: { 1: 0.4, 2: 0.7 } }));
    expect(decided).toMatchObject({ match: { personId: 1 }, threshold: 0.4 });
  });

  test('a threshold of a person holds for them, whether it is smaller or larger', () => {
    const how = rules({ of: { 1: 0.2, 2: 0.65 } });
    expect(idsOf(decideAt({ 1: 0 }, [face(0.25)], how))).toEqual([null]);
    expect(idsOf(decideAt({ 2: 0 }, [face(0.625)], how))).toEqual([2]);
    expect(decideAt({ 1: 0 }, [face(0.25)], how)).toMatchObject([{ threshold: 0.2 }]);
    expect(decideAt({ 2: 0 }, [face(0.625)], how)).toMatchObject([{ threshold: 0.65 }]);
  });

  test('no threshold reaches farther than candidates are kept', () => {
    expect(idsOf(decideAt({ 1: 0 }, [face(0.75)], rules({ threshold: 0.9 })))).toEqual([null]);
  });

  test('that is poor must be nearer', () => {
    const stricter = (base: number, reasons: readonly string[]) => (reasons.length > 0 ? base / 2 : base);
    const poor = face(0.3, { qualityReasons: ['LOW_SHARPNESS'] });
    expect(decideAt({ 1: 0 }, [poor], rules({}), stricter)).toMatchObject([{ match: null, threshold: 0.25 }]);
    expect(idsOf(decideAt({ 1: 0 }, [face(0.3)], rules({}), stricter))).toEqual([1]);
  });

  test('keeps the five nearest people as candidates, also those who may not be granted', () => {
    const people = Object.fromEntries(Array.from({ length: 9 }, (_, index) => [index + 1, index * 0.125]));
    const how = rules({ rejected: { 1: [{ faceId: 7 }] }, of: { 2: 0.1 } });
    const [decided] = decideAt(people, [face(0, { faceId: 7 })], how);
    expect(decided?.candidates.map(({ personId }) => personId)).toEqual([1, 2, 3, 4, 5]);
    expect(decided).toMatchObject({ match: { personId: 3 }, nearestDistance: 0 });
    expect(decideAt({ 1: 0, 2: 0.75 }, [face(0)])).toMatchObject([{ candidates: [{ personId: 1 }] }]);
  });

  test('in an empty gallery has no nearest', () => {
    expect(decideAt({}, [face(0)])).toEqual([{ match: null, nearestDistance: null, threshold: 0.5, candidates: [] }]);
    expect(decideAt({ 1: 0 }, [])).toEqual([]);
  });
});

describe('not this person', () => {
  test('holds for the face itself, with or without a descriptor', () => {
    const how = rules({ rejected: { 1: [{ faceId: 7 }] } });
    expect(idsOf(decideAt({ 1: 0, 2: 0.5 }, [face(0.125, { faceId: 7 })], how))).toEqual([2]);
    expect(idsOf(decideAt({ 1: 0, 2: 0.5 }, [face(0.125, { faceId: 8 })], how))).toEqual([1]);
    expect(idsOf(decideAt({ 1: 0, 2: 0.5 }, [face(0.125)], how))).toEqual([1]);
  });

  test('holds for faces that are nearer to it than to the person, and only for those', () => {
    const how = rules({ rejected: { 1: [{ faceId: 7, at: 0.25 }] } });
    expect(idsOf(decideAt({ 1: 0 }, [face(0.1875)], how))).toEqual([null]);
    expect(idsOf(decideAt({ 1: 0 }, [face(0.0625)], how))).toEqual([1]);
    // As near to both: what is known of the person wins.
    expect(idsOf(decideAt({ 1: 0 }, [face(0.125)], how))).toEqual([1]);
  });

  test('leaves everybody else as they are', () => {
    const how = rules({ rejected: { 1: [{ faceId: 7, at: 0.25 }] } });
    expect(idsOf(decideAt({ 1: 0, 2: -0.125 }, [face(0.1875)], how))).toEqual([2]);
  });

  test('a crowd of rejected people hides nobody: the search goes on beyond them', () => {
    const people = Object.fromEntries(Array.from({ length: 60 }, (_, index) => [index + 1, index / 128]));
    const rejected = Object.fromEntries(Array.from({ length: 50 }, (_, index) => [index + 1, [{ faceId: 7 }]]));
    expect(idsOf(decideAt(people, [face(0, { faceId: 7 })], rules({ rejected })))).toEqual([51]);
  });
});

describe('several faces of one photo', () => {
  test('nobody is named twice: the nearer face wins, the other may be the next person', () => {
    expect(idsOf(decideAt({ 1: 0, 2: 0.625 }, [face(0.25), face(0.125)]))).toEqual([2, 1]);
    expect(idsOf(decideAt({ 1: 0 }, [face(0.25), face(0.125), face(0.5)]))).toEqual([null, 1, null]);
  });

  test('the best for the whole photo, not the nearest pair first', () => {
    // The nearest pair is the first face and person 1; taking it would leave the second face nobody.
    const distances = [
      [0.25, 0.3125],
      [0.28125, 0.75],
    ];
    expect(idsOf(decideTable(distances))).toEqual([2, 1]);
  });

  test('a confident name is not given up to let two weak ones in', () => {
    const distances = [
      [0.125, 0.4375],
      [0.4375, 0.75],
    ];
    expect(idsOf(decideTable(distances))).toEqual([1, null]);
  });

  test('whom somebody has pinned to a face is nobody else’s, and that face gets no other name', () => {
    const pinned = face(2, { personId: 1 });
    expect(idsOf(decideAt({ 1: 0, 2: 0.375 }, [face(0), pinned]))).toEqual([2, null]);
    expect(idsOf(decideAt({ 1: 0, 2: 2 }, [face(0), pinned]))).toEqual([null, null]);
    expect(decideAt({ 1: 0, 2: 2 }, [pinned])).toMatchObject([{ match: null, candidates: [{ personId: 2 }] }]);
  });
});

/** Distances of each face to each of the people 1, 2, …; the faces are marked by their place. */
function decideTable(distances: readonly (readonly number[])[], how = rules({})) {
  const find = (descriptor: Float32Array, count: number) =>
    (distances[descriptor[0] ?? 0] ?? [])
      .map((distance, index) => near(index + 1, distance))
      .sort((a, b) => a.distance - b.distance)
      .slice(0, count);
  return decide(
    distances.map((_, index) => face(index)),
    find,
    how,
    (base) => base,
  );
}

describe('whatever the photo', () => {
  const random = seededRandom(4);
  const photos = Array.from({ length: 150 }, () => {
    const [faces, people] = [1 + Math.floor(random() * 5), 1 + Math.floor(random() * 12)];
    const distances = Array.from({ length: faces }, () => Array.from({ length: people }, () => random() * 0.9));
    const of = Object.fromEntries(
      Array.from({ length: people }, (_, index) => [index + 1, random() * 0.7]).filter(() => random() < 0.3),
    );
    return { distances, how: rules({ of, threshold: 0.3 + random() * 0.3 }) };
  });

  test('nobody is there twice, and everybody is within their threshold', () => {
    for (const { distances, how } of photos) {
      const ids = idsOf(decideTable(distances, how));
      const named = ids.filter((id) => id !== null);
      expect(new Set(named).size).toBe(named.length);
      for (const [index, id] of ids.entries()) {
        const limit = how.thresholdOf.get(id ?? 0) ?? how.threshold;
        if (id !== null) expect(distances[index]?.[id - 1]).toBeLessThanOrEqual(limit);
      }
    }
  });

  test('no face would rather be of somebody who is free', () => {
    for (const { distances, how } of photos) {
      const ids = idsOf(decideTable(distances, how));
      for (const [index, id] of ids.entries()) {
        const own = id === null ? Number.POSITIVE_INFINITY : (distances[index]?.[id - 1] ?? 0);
        const better = distances[index]?.findIndex(
          (distance, person) =>
            distance < own &&
            distance <= (how.thresholdOf.get(person + 1) ?? how.threshold) &&
            !ids.includes(person + 1),
        );
        expect(better).toBe(-1);
      }
    }
  });

  test('the order of the faces does not matter', () => {
    for (const { distances, how } of photos) {
      const forwards = idsOf(decideTable(distances, how));
      expect(idsOf(decideTable(distances.toReversed(), how))).toEqual(forwards.toReversed());
    }
  });

  test('with one threshold no other way to name the faces costs less', () => {
    for (const { distances } of photos) {
      const ids = idsOf(decideTable(distances));
      const cost = ids.reduce<number>((sum, id, row) => sum + (id === null ? 0.5 : (distances[row]?.[id - 1] ?? 0)), 0);
      expect(cost).toBeCloseTo(leastCost(distances, 0.5), 6);
    }
  });
});

/** By trying everything. */
function leastCost([row, ...others]: readonly (readonly number[])[], threshold: number, taken: number[] = []): number {
  if (row === undefined) return 0;
  const named = row
    .map((distance, person) => ({ distance, person }))
    .filter(({ distance, person }) => distance <= threshold && !taken.includes(person))
    .map(({ distance, person }) => distance + leastCost(others, threshold, [...taken, person]));
  return Math.min(threshold + leastCost(others, threshold, taken), ...named);
}

/** Numbers 0..1 that are the same in every run (Park and Miller's minimal standard generator). */
function seededRandom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state * 48_271) % 2_147_483_647;
    return state / 2_147_483_647;
  };
}
