import { expect, test } from 'vitest';
import { compareFaces, type LabelledFace } from './compare-faces.ts';
import { measureRank1, nameAtThreshold } from './identification.ts';

/** A face on a line, so that distances are differences. */
function face(person: string, at: number): LabelledFace {
  const descriptor = new Float32Array(128);
  descriptor[0] = at;
  return { person, descriptor };
}

/** ada at 0 and 1, bo at 3 and 7, cy at 8: the nearest to bo's 7 is cy. */
const FACES = [face('ada', 0), face('ada', 1), face('bo', 3), face('bo', 7), face('cy', 8)];

test('distances of all pairs, ascending, by kind', () => {
  const { genuine, impostor } = compareFaces(FACES, { maxPairs: 100 });
  expect(genuine).toEqual({ distances: Float64Array.of(1, 4), pairs: 2 });
  expect(impostor).toEqual({ distances: Float64Array.of(1, 2, 3, 5, 6, 7, 7, 8), pairs: 8 });
});

test('the nearest of the same person and of others, for each', () => {
  const { probes } = compareFaces(FACES, { maxPairs: 100 });
  expect(probes).toEqual([
    { toSamePerson: 1, toOthers: 3 },
    { toSamePerson: 1, toOthers: 2 },
    { toSamePerson: 4, toOthers: 2 },
    { toSamePerson: 4, toOthers: 1 },
    { toSamePerson: null, toOthers: 1 },
  ]);
  expect(measureRank1(probes)).toEqual({ probes: 4, right: 2, rank1: 0.5 });
  expect(nameAtThreshold(probes, 1)).toEqual({ namedRight: 0.5, namedWrong: 0.25, unknown: 0.25, strangersNamed: 0.4 });
  expect(nameAtThreshold(probes, 0.9)).toEqual({ namedRight: 0, namedWrong: 0, unknown: 1, strangersNamed: 0 });
});

test('being as near to somebody else is no recognition', () => {
  const { probes } = compareFaces([face('ada', 0), face('ada', 1), face('bo', 2)], { maxPairs: 100 });
  expect(measureRank1(probes)).toEqual({ probes: 2, right: 1, rank1: 0.5 });
});

test('of too many pairs a sample is kept, the same in every run, and neighbours come from all pairs', () => {
  const many = Array.from({ length: 200 }, (_, index) => face(`person ${index}`, index));
  const { impostor, probes } = compareFaces(many, { maxPairs: 1000 });
  expect(impostor.pairs).toBe(19_900);
  expect(impostor.distances.length).toBeGreaterThan(800);
  expect(impostor.distances.length).toBeLessThan(1200);
  expect(impostor.distances).toEqual(compareFaces(many, { maxPairs: 1000 }).impostor.distances);
  // The mean of |i − j| over all pairs of 0…199 is 67.
  expect(impostor.distances.reduce((sum, value) => sum + value, 0) / impostor.distances.length).toBeCloseTo(67, -1);
  expect(probes.every(({ toOthers }) => toOthers === 1)).toBe(true);
});
