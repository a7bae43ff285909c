import { expect, test } from 'vitest';
import {
  equalErrorRate,
  falseAcceptRate,
  falseRejectRate,
  pairsNeededFor,
  quantile,
  smallestFar,
  thresholdForFar,
} from './error-rates.ts';

const genuine = Float64Array.of(0.2, 0.3, 0.4, 0.6);
const impostor = Float64Array.of(0.5, 0.7, 0.8, 0.9, 1);

test('FAR and FRR; a distance equal to the threshold is accepted', () => {
  expect(falseAcceptRate(impostor, 0.49)).toBe(0);
  expect(falseAcceptRate(impostor, 0.5)).toBe(0.2);
  expect(falseAcceptRate(impostor, 2)).toBe(1);
  expect(falseRejectRate(genuine, 0.1)).toBe(1);
  expect(falseRejectRate(genuine, 0.4)).toBe(0.25);
  expect(falseRejectRate(genuine, 0.6)).toBe(0);
});

test('the equal error rate lies where FAR and FRR meet', () => {
  // From 0.5 to 0.6: FAR 1/5, FRR 1/4, the nearest that they come.
  const { rate, threshold } = equalErrorRate({ genuine, impostor });
  expect(rate).toBeCloseTo(0.225, 12);
  expect(threshold).toBeCloseTo(0.55, 12);
});

test('the equal error rate of kinds that do not overlap is 0, in the middle of the gap; of swapped kinds 1', () => {
  const [near, far] = [Float64Array.of(0.1, 0.2), Float64Array.of(0.6, 0.9)];
  expect(equalErrorRate({ genuine: near, impostor: far })).toEqual({ rate: 0, threshold: 0.4 });
  expect(equalErrorRate({ genuine: far, impostor: near }).rate).toBe(1);
});

test('the largest threshold of a FAR, in thousandths', () => {
  const thousand = Float64Array.from({ length: 1000 }, (_, index) => 0.5 + index / 2000);
  // 1 %: ten may be accepted, the eleventh is at 0.505.
  expect(thresholdForFar(thousand, 0.01)).toBe(0.504);
  expect(falseAcceptRate(thousand, 0.504)).toBeLessThanOrEqual(0.01);
  const between = Float64Array.from({ length: 300 }, () => 0.7004);
  expect(thresholdForFar(between, 0.01)).toBe(0.7);
});

test('equal distances are refused together', () => {
  const tied = Float64Array.from({ length: 300 }, (_, index) => (index < 10 ? 0.4 : 0.8));
  expect(thresholdForFar(tied, 0.01)).toBe(0.399);
});

test('nothing is said about a FAR that takes more pairs than there are', () => {
  expect(pairsNeededFor(0.001)).toBe(3000);
  expect(thresholdForFar(new Float64Array(2999), 0.001)).toBeNull();
  expect(thresholdForFar(new Float64Array(3000).fill(0.7), 0.001)).toBe(0.699);
  expect(thresholdForFar(new Float64Array(700).fill(0.7), smallestFar(700))).toBe(0.699);
});

test('quantiles are interpolated', () => {
  expect(quantile(Float64Array.of(1, 2, 3, 4), 0.5)).toBe(2.5);
  expect(quantile(Float64Array.of(1, 2, 3), 1)).toBe(3);
  expect(quantile(Float64Array.of(7), 0.05)).toBe(7);
});
