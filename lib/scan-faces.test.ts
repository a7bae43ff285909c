import { expect, test } from 'vitest';
import { packDescriptors, squaredDistance } from './scan-faces.ts';

const stored = (value: number) => Buffer.from(new Float32Array(128).fill(value).buffer);

test('descriptors of a block are compared where they lie; a broken one is near to nothing', () => {
  const block = packDescriptors([stored(0), Buffer.alloc(12), stored(0.5)]);
  const probe = packDescriptors([stored(0.25)]);
  expect(squaredDistance(probe, 0, block, 0)).toBe(8);
  expect(squaredDistance(probe, 0, block, 1) <= 1e9).toBe(false);
  expect(squaredDistance(probe, 0, block, 2)).toBe(8);
  expect(Math.sqrt(squaredDistance(block, 0, block, 2))).toBeCloseTo(0.5 * Math.sqrt(128), 12);
});
