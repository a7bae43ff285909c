import { describe, expect, test } from 'vitest';
import type { Face, Image, QualityReason } from './api.ts';
import {
  describePhoto,
  describeQuality,
  formatDuration,
  formatRelativeTime,
  formatSimilarity,
  shorten,
  splitPath,
  summariseFaces,
} from './format.ts';

const second = 1000;
const now = Date.parse('2026-11-21T12:00:00Z');

describe('formatRelativeTime', () => {
  test.each([
    [0, 'just now'],
    [59 * second, 'just now'],
    [60 * second, '1 min ago'],
    [119 * second, '1 min ago'],
    [3 * 3600 * second, '3 hr ago'],
    [24 * 3600 * second, 'yesterday'],
    [400 * 24 * 3600 * second, 'last yr'],
  ])('%d ms ago', (age, expected) => {
    expect(formatRelativeTime(now - age, now)).toBe(expected);
  });

  test('a clock that is ahead is not the future', () => {
    expect(formatRelativeTime(now + 90 * second, now)).toBe('just now');
  });
});

test.each([
  [0.5, '50 %'],
  [0.714, '71 %'],
  [0.999, '99 %'],
  [0, '0 %'],
])('formatSimilarity(%d)', (similarity, expected) => {
  expect(formatSimilarity(similarity)).toBe(expected);
});

test.each([
  [430, '0.4 s'],
  [9_960, '10 s'],
  [89_000, '89 s'],
  [180_000, '3 min'],
  [-5, '0 ms'],
  [38, '38 ms'],
  [99.7, '0.1 s'],
])('formatDuration(%d)', (milliseconds, expected) => {
  expect(formatDuration(milliseconds)).toBe(expected);
});

test.each([
  ['a.jpg', '', 'a.jpg'],
  ['/known/ada/a b.jpg', '/known/ada/', 'a b.jpg'],
  [`uploads/ab/${'ab'.repeat(32)}/Oma.jpg`, 'uploads/', 'Oma.jpg'],
  [`/x/uploads/ab/${'ab'.repeat(32)}/a.jpg`, `/x/uploads/ab/${'ab'.repeat(32)}/`, 'a.jpg'],
])('splitPath(%s)', (path, folder, file) => {
  expect(splitPath(path)).toEqual({ folder, file });
});

test('a long text loses its middle', () => {
  expect(shorten('short.jpg', 9)).toBe('short.jpg');
  expect(shorten('/photos/very/deep/down/here/', 16)).toBe('/phot…down/here/');
  expect(shorten('🎉'.repeat(20), 4)).toBe('🎉…🎉🎉');
});

describe('who is in a photo', () => {
  const faces = [makeFace(1, null, 0.4), makeFace(2, 'Ada', 0.61), makeFace(3, 'Grace', 0.9), makeFace(4, 'Ada', 0.7)];

  test('each person once, the best match first', () => {
    expect(summariseFaces(makeImage(faces))).toEqual({ people: ['Grace', 'Ada'], unknownFaces: 1 });
  });

  test('in words', () => {
    expect(describePhoto(makeImage(faces))).toBe('b.jpg: Grace, Ada, 1 unknown');
    expect(describePhoto(makeImage([]))).toBe('b.jpg: no face');
  });
});

describe('what is wrong with a face', () => {
  const judged = (...reasons: QualityReason[]) => ({ ...makeFace(1, null, 0.4), quality: { reasons } });

  test('in words; nothing where it is good or nobody has judged it', () => {
    expect(describeQuality([judged('SMALL_BOUNDING_BOX', 'LOW_SHARPNESS')])).toBe('small, blurred');
    expect(describeQuality([judged()])).toBeNull();
    expect(describeQuality([makeFace(1, null, 0.4)])).toBeNull();
  });

  test('of several faces, each thing once', () => {
    expect(describeQuality([judged('EXTREME_POSE'), judged('EXTREME_POSE', 'LOW_BRIGHTNESS')])).toBe(
      'turned away, dark',
    );
  });
});

function makeFace(id: number, name: string | null, similarity: number): Face {
  const box = { left: 0, top: 0, width: 0.1, height: 0.1 };
  const person = name === null ? null : { id, name };
  const why = { decidedBy: 'gallery', threshold: 0.55, model: 'm', galleryRevision: 1 } as const;
  return { id, box, confidence: 1, person, similarity, distance: 0.5, referenceImage: null, ...why, quality: null };
}

function makeImage(faces: readonly Face[]): Image {
  return {
    id: 1,
    path: 'a/b.jpg',
    status: faces.length > 0 ? 'matched' : 'no_face',
    person: null,
    similarity: null,
    reason: null,
    width: 10,
    height: 10,
    createdAt: '2026-11-21T12:00:00Z',
    finishedAt: null,
    faces,
  };
}
