import { expect, test } from 'vitest';
import { overlapOf, suppressNonMaxima } from './non-max-suppression.ts';

const box = (left: number, top: number, right: number, bottom: number, score = 1) => ({
  corners: { left, top, right, bottom },
  score,
});

test('overlap is intersection over union', () => {
  const whole = box(0, 0, 4, 4).corners;
  expect(overlapOf(whole, whole)).toBe(1);
  expect(overlapOf(whole, box(2, 0, 6, 4).corners)).toBeCloseTo(8 / 24);
  expect(overlapOf(whole, box(4, 0, 8, 4).corners)).toBe(0);
  expect(overlapOf(whole, box(3, 3, 3, 5).corners)).toBe(0);
});

test('of boxes that overlap the best stays, best first', () => {
  const [good, better, far] = [box(0, 0, 10, 10, 0.7), box(1, 0, 11, 10, 0.9), box(50, 50, 60, 60, 0.8)];
  expect(suppressNonMaxima([good, better, far], { overlap: 0.5 })).toEqual([better, far]);
});

test('a box exactly at the limit stays, and a box that was dropped drops nobody', () => {
  const [first, half] = [box(0, 0, 2, 3, 0.9), box(1, 0, 3, 3, 0.8)];
  expect(overlapOf(first.corners, half.corners)).toBeCloseTo(1 / 3);
  expect(suppressNonMaxima([first, half], { overlap: overlapOf(first.corners, half.corners) })).toHaveLength(2);
  // The second is too near to the first, the third to the second alone.
  const chain = [box(0, 0, 10, 10, 0.9), box(4, 0, 14, 10, 0.8), box(8, 0, 18, 10, 0.7)];
  expect(suppressNonMaxima(chain, { overlap: 0.4 }).map(({ score }) => score)).toEqual([0.9, 0.7]);
});

test('among equals the first goes first, and no more than asked for stay', () => {
  const equals = [0, 20, 40].map((left) => box(left, 0, left + 10, 10, 0.9));
  expect(suppressNonMaxima(equals, { overlap: 0.5, limit: 2 })).toEqual(equals.slice(0, 2));
});
