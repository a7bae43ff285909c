import { expect, test } from 'vitest';
import { accuracyAt, type MeasuredPair, mostAccurateThreshold, verifyFolds } from './verify-folds.ts';

const same = (distance: number): MeasuredPair => ({ same: true, distance });
const different = (distance: number): MeasuredPair => ({ same: false, distance });

test('the most accurate threshold lies in the middle of the gap', () => {
  expect(mostAccurateThreshold([same(0.25), same(0.5), different(0.75), different(1)])).toBe(0.625);
  // One pair of one person is further than the nearest of two: giving it up costs one, accepting both costs one.
  expect(mostAccurateThreshold([same(0.25), different(0.5), same(0.75), different(2)])).toBe(1.375);
  // Equal distances cannot be told apart.
  expect(mostAccurateThreshold([same(0.5), different(0.5), different(1)])).not.toBe(0.5);
});

test('pairs of two people only are all refused, of one person all accepted', () => {
  const [strangers, twins] = [
    [different(0.25), different(0.5)],
    [same(0.25), same(0.5)],
  ];
  expect(accuracyAt(strangers, mostAccurateThreshold(strangers))).toBe(1);
  expect(accuracyAt(twins, mostAccurateThreshold(twins))).toBe(1);
});

test('a pair without a face counts as two people', () => {
  const missing = Number.POSITIVE_INFINITY;
  const pairs = [same(missing), different(missing), same(0.5), different(1)];
  expect(mostAccurateThreshold(pairs)).toBe(0.75);
  expect(accuracyAt(pairs, 0.75)).toBe(0.75);
});

test('each fold is judged with the threshold of the others', () => {
  // Fold 0 alone would choose 0.75; folds 1 and 2 choose 0.375 for it, which refuses its pair at 0.5.
  const folds = [
    [same(0.5), different(1)],
    [same(0.25), different(0.5)],
    [same(0.25), different(0.5)],
  ];
  const { accuracies, thresholds, mean, standardError } = verifyFolds(folds);
  expect(thresholds[0]).toBe(0.375);
  expect(accuracies).toEqual([0.5, expect.any(Number), expect.any(Number)]);
  const [a = 0, b = 0, c = 0] = accuracies;
  expect(mean).toBeCloseTo((a + b + c) / 3, 12);
  const variance = ((a - mean) ** 2 + (b - mean) ** 2 + (c - mean) ** 2) / 2;
  expect(standardError).toBeCloseTo(Math.sqrt(variance / 3), 12);
});

test('mean and standard error of known accuracies', () => {
  // Everything is right in two folds; in the third half is, whatever the threshold: 1, 1, 0.5.
  const clear = [same(0.1), different(0.9)];
  const { mean, standardError } = verifyFolds([clear, clear, [same(0.1), different(0.1)]]);
  expect(mean).toBeCloseTo(5 / 6, 12);
  // Standard deviation √(1/12), over √3.
  expect(standardError).toBeCloseTo(1 / 6, 12);
});
