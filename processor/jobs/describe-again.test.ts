import { expect, test } from 'vitest';
import { descriptorToBytes } from '../../lib/database.ts';
import { recogniseAgain } from './describe-again.ts';

const at = (place: number) => [place, ...Array.from({ length: 127 }, () => 0)];
const stored = (id: number, place: number) => ({ id, model: 'old', descriptor: descriptorToBytes(at(place)) });
/** Seen at a place of the old model, described by the new one as another. */
const seen = (place: number, by: number) => ({
  descriptors: [
    { model: 'old', descriptor: at(place) },
    { model: 'new', descriptor: at(by) },
  ],
});
const placeOf = (bytes: Buffer | null | undefined) => bytes?.readFloatLE(0);

test('faces are who they were by the nearest old descriptor, each once, in whatever order they are seen', () => {
  const found = recogniseAgain([stored(1, 0), stored(2, 0.15)], { faces: [seen(0.16, 22), seen(0.01, 11)] });
  expect(placeOf(found.get(1)?.descriptor)).toBe(11);
  expect(placeOf(found.get(2)?.descriptor)).toBe(22);
});

test('a face that is not there any more, or in a photo that was replaced, is not described by somebody else', () => {
  const found = recogniseAgain([stored(1, 0), stored(2, 5)], { faces: [seen(0.01, 11), seen(0.3, 33)] });
  expect(placeOf(found.get(1)?.descriptor)).toBe(11);
  expect(found.get(2)).toMatchObject({ descriptor: null, failure: 'face_not_found' });
  expect(recogniseAgain([stored(1, 0)], { faces: [] }).get(1)?.failure).toBe('face_not_found');
});
