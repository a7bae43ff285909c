import { expect, test } from 'vitest';
import type { Face, Recognition } from '../proto/face.ts';
import { assertWorthEnrolling, chooseFace } from './judge-face.ts';

const face: Face = {
  box: { left: 0, top: 0, width: 1, height: 1 },
  confidence: 1,
  descriptor: [],
  match: undefined,
  nearestDistance: 0,
  quality: undefined,
  threshold: 0,
  candidates: [],
};
const recognition: Recognition = { faces: [], width: 1, height: 1, model: 'm', threshold: 0.55, galleryRevision: 1 };
const candidate = (personId: number, distance: number) => ({ personId, personImageId: 1, distance });
const quality = { pixels: 1, sharpness: 1, brightness: 1, yaw: 0, pitch: 0, roll: 0, reasons: [] as string[] };

function codeOf(judge: () => unknown): string | null {
  try {
    judge();
    return null;
  } catch (error) {
    return (error as { code: string }).code;
  }
}

test.each([
  [0, null, 'no_face'],
  [0, 0, 'no_face'],
  [1, null, null],
  [1, 0, null],
  [1, 1, 'face_index_invalid'],
  [2, null, 'several_faces'],
  [2, 1, null],
])('of %d faces, number %s: %s', (count, index, code) => {
  expect(codeOf(() => chooseFace(Array(count).fill(face), index))).toBe(code);
});

const nobody = { personId: 1, sameFaceOf: null, newer: [] };

test.each<[string, Partial<Face>, Partial<Parameters<typeof assertWorthEnrolling>[2]>, string | null]>([
  ['a stranger', {}, {}, null],
  ['good quality', { quality }, {}, null],
  ['poor quality', { quality: { ...quality, reasons: ['EXTREME_POSE'] } }, {}, 'poor_quality'],
  ['the same face of the same photo', {}, { sameFaceOf: 1 }, 'duplicate_face'],
  ["somebody else's face of the same photo", {}, { sameFaceOf: 2 }, 'belongs_to_other'],
  ['the same picture', { candidates: [candidate(1, 0.1)] }, {}, 'duplicate_face'],
  ['another picture of them', { candidates: [candidate(1, 0.3)] }, {}, null],
  ['somebody else', { candidates: [candidate(2, 0.55), candidate(1, 0.6)] }, {}, 'belongs_to_other'],
  ['somebody else, but nearer to them', { candidates: [candidate(1, 0.4), candidate(2, 0.5)] }, {}, null],
  ['somebody else, too far', { candidates: [candidate(2, 0.56)] }, {}, null],
  ['somebody else, beyond the threshold of this face', { threshold: 0.3, candidates: [candidate(2, 0.4)] }, {}, null],
  [
    'somebody else who has been enrolled meanwhile',
    {},
    { newer: [{ id: 9, personId: 2, distance: 0.2 }] },
    'belongs_to_other',
  ],
  ['the same picture, enrolled meanwhile', {}, { newer: [{ id: 9, personId: 1, distance: 0.01 }] }, 'duplicate_face'],
])('%s: %s', (_what, change, present, code) => {
  expect(codeOf(() => assertWorthEnrolling({ ...face, ...change }, recognition, { ...nobody, ...present }))).toBe(code);
});
