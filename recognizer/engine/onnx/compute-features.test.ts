import { expect, test } from 'vitest';
import { partToCompute } from './compute-features.ts';
import { reachOfStem } from './ssd-mobilenet-v1.ts';

test('seven 3 × 3 kernels, four of which halve, reach 14 pixels back and 44 ahead', () => {
  expect(reachOfStem()).toEqual({ before: 14, after: 44 });
});

test('a square is computed whole', () => {
  expect(partToCompute(800, { width: 800, height: 800 })).toEqual({ features: 32, pixels: 512 });
});

test.each([
  [1920, 1280],
  [1920, 1080],
  [4, 3],
  [3000, 1],
])('of %i × %i, every feature that sees the picture is kept, and has all that it sees', (width, height) => {
  const { features, pixels } = partToCompute(height, { width, height });
  const { before, after } = reachOfStem();
  const firstOfPadding = Math.ceil((512 * height) / width) + 1;
  expect(features * 16 - before).toBeGreaterThanOrEqual(firstOfPadding);
  expect(pixels).toBeGreaterThan((features - 1) * 16 + after);
  expect(pixels % 16).toBe(0);
  expect(pixels).toBeLessThan(512);
});
