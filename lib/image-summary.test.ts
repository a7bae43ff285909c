import { expect, test } from 'vitest';
import { summariseFaces } from './image-summary.ts';

const known = (personId: number, distance: number | null) => ({ personId, distance });

test('the nearest face that is known is the person of the image', () => {
  const faces = [{ personId: null, distance: 0.1 }, known(1, 0.5), known(2, 0.3)];
  expect(summariseFaces(faces)).toEqual({ status: 'matched', personId: 2 });
});

test('what a person said comes first, however far the face is', () => {
  const faces = [known(1, 0.2), { personId: 2, distance: 0.9, decidedBy: 'user' as const }];
  expect(summariseFaces(faces)).toEqual({ status: 'matched', personId: 2 });
});

test('a face without a distance, as a reference recognizer answers, comes last; it is a match all the same', () => {
  expect(summariseFaces([known(1, null), known(2, 0.5)])).toEqual({ status: 'matched', personId: 2 });
  expect(summariseFaces([known(1, null)])).toEqual({ status: 'matched', personId: 1 });
});

test('faces that nobody knows make it unknown; no face at all, no_face', () => {
  expect(summariseFaces([{ personId: null, distance: 0.7 }])).toEqual({ status: 'unknown', personId: null });
  expect(summariseFaces([])).toEqual({ status: 'no_face', personId: null });
});
