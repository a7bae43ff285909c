import { expect, test } from 'vitest';
import { DEFAULT_THRESHOLD, similarityOf } from './similarity.ts';

test('similarity is 0.5 at the default threshold, falls with distance and stays within 0..1', () => {
  expect(similarityOf(DEFAULT_THRESHOLD)).toBe(0.5);
  const similarities = [0, 0.2, 0.4, 0.6, 0.8, 1.5, 4].map(similarityOf);
  expect(similarities).toEqual(similarities.toSorted((a, b) => b - a));
  expect(similarities[0]).toBeGreaterThan(0.99);
  expect(similarities[0]).toBeLessThanOrEqual(1);
  expect(similarities.at(-1)).toBeGreaterThanOrEqual(0);
});
