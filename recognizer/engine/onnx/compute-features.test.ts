import { expect, test } from 'vitest';
import { partToCompute } from './compute-features.ts';
import { reachOfStem } from './ssd-mobilenet-v1.ts';

test('seven 3 × 3 kernels, four of which halve, reach 14 pixels back and 44 ahead', () => {
  expect(reachOfStem()).toEqual({ before: 14, after: 44 });
});

test('a square is computed whole', () => {
  expect(partToCompute({ start: 0, length: 800, side: 800 })).toEqual({ first: 0, features: 32, from: 0, pixels: 512 });
});

test('of a padded picture, its third of the square is computed, and what reaches into it', () => {
  expect(partToCompute({ start: 150, length: 150, side: 450 })).toEqual({
    first: 8,
    features: 15,
    from: 112,
    pixels: 288,
  });
});

test.each([
  // start, length, side
  [0, 1280, 1920],
  [0, 1080, 1920],
  [0, 3, 4],
  [0, 1, 3000],
  [1, 1, 3],
  [150, 150, 450],
  [682, 300, 2046],
  [40, 2, 1000],
])('of %i + %i of %i, every feature that sees the picture is kept, and has all that it sees', (start, length, side) => {
  const { first, features, from, pixels } = partToCompute({ start, length, side });
  const { before, after } = reachOfStem();
  const sees = (feature: number) => ({ from: feature * 16 - before, to: feature * 16 + after });
  const begin = (512 * (start - 1)) / side;
  const end = (512 * (start + length)) / side;
  if (first > 0) expect(sees(first - 1).to).toBeLessThan(begin);
  if (first + features < 32) expect(sees(first + features).from).toBeGreaterThan(end);
  expect(from).toBeLessThanOrEqual(Math.max(0, sees(first).from));
  expect(from + pixels).toBeGreaterThan(Math.min(511, sees(first + features - 1).to));
  expect([from % 16, pixels % 16]).toEqual([0, 0]);
  expect(pixels).toBeLessThan(512);
});
