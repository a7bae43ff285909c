import { expect, test } from 'vitest';
import { mostErrors, rateAtMost } from './confidence-bound.ts';

test('without an error it is the rule of three', () => {
  expect(rateAtMost(0, 3_000)).toBeCloseTo(3 / 3_000, 5);
  expect(rateAtMost(0, 30)).toBeCloseTo(1 - 0.05 ** (1 / 30), 10);
  expect(rateAtMost(0, 0)).toBe(1);
});

test('with errors it is what tables of the exact binomial bound say', () => {
  // 95 % upper bounds of Poisson counts, to which these are near: 4.74, 6.30, 9.15.
  expect(rateAtMost(1, 100_000) * 100_000).toBeCloseTo(4.74, 2);
  expect(rateAtMost(2, 100_000) * 100_000).toBeCloseTo(6.3, 2);
  expect(rateAtMost(4, 100_000) * 100_000).toBeCloseTo(9.15, 2);
  expect(rateAtMost(5, 5)).toBe(1);
});

test('so many errors show a rate as the bound allows, and one more does not', () => {
  expect(mostErrors(0.001, 2_000)).toBe(-1);
  expect(mostErrors(0.001, 3_000)).toBe(0);
  expect(mostErrors(0.001, 10_000)).toBe(4);
  for (const [rate, trials] of [
    [0.01, 5_000],
    [0.1, 200_000],
  ] as const) {
    const most = mostErrors(rate, trials);
    expect(rateAtMost(most, trials)).toBeLessThanOrEqual(rate);
    expect(rateAtMost(most + 1, trials)).toBeGreaterThan(rate);
  }
});
