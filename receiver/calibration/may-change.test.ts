import { expect, test } from 'vitest';
import type { DecidedFaceRow } from '../../lib/decided-faces.ts';
import { mayChange } from './may-change.ts';

const face = (
  candidates: readonly (readonly [personId: number, distance: number])[],
  rest: { personId?: number | null; decidedBy?: 'gallery' | 'user'; reasons?: string[] } = {},
): DecidedFaceRow => ({
  imageId: 1,
  personId: rest.personId ?? null,
  decidedBy: rest.decidedBy ?? 'gallery',
  candidates: candidates.map(([personId, distance]) => ({ personId, personImageId: personId, distance })),
  qualityReasons: () => rest.reasons ?? [],
});

const change = { low: 0.5, high: 0.55 };

test('somebody between the two thresholds', () => {
  expect(mayChange([face([[1, 0.52]])], change)).toBe(true);
  expect(mayChange([face([[1, 0.55]])], change)).toBe(true);
  expect(mayChange([face([[1, 0.3]], { personId: 1 })], change)).toBe(false);
  expect(mayChange([face([[1, 0.6]])], change)).toBe(false);
  expect(mayChange([face([])], change)).toBe(false);
  expect(mayChange([face([[1, 0.52]], { decidedBy: 'user', personId: 1 })], change)).toBe(false);
});

test('a poor face has a smaller threshold, nobody here knows which', () => {
  expect(mayChange([face([[1, 0.47]], { reasons: ['LOW_SHARPNESS'] })], change)).toBe(true);
  expect(mayChange([face([[1, 0.6]], { reasons: ['LOW_SHARPNESS'] })], change)).toBe(false);
});

test('two faces that compete for one person, also with one that somebody has named', () => {
  const pair = [face([[1, 0.3]], { personId: 1 }), face([[1, 0.4]])];
  expect(mayChange(pair, change)).toBe(true);
  expect(mayChange([pair[0] as DecidedFaceRow, face([[2, 0.4]], { personId: 2 })], change)).toBe(false);
  expect(mayChange([face([[1, 0.4]], { decidedBy: 'user', personId: 1 }), face([[1, 0.4]])], change)).toBe(true);
});

test('what the stored candidates do not tell', () => {
  const many = [1, 2, 3, 4, 5].map((personId) => [personId, 0.4 + personId / 100] as const);
  expect(mayChange([face(many, { personId: 1 })], change)).toBe(true);
  expect(mayChange([{ ...face([]), candidates: null }], change)).toBe(true);
  expect(mayChange([face([[1, 0.3]], { personId: 9 })], change)).toBe(true);
});
