import { expect, test } from 'vitest';
import type { Face, Recognition } from '../proto/face.ts';
import { toOutcome } from './to-outcome.ts';

const people = {
  findPersonByImage: async (imageName: string) => (imageName === 'hannibal_1.jpg' ? { id: 7, name: 'Hannibal' } : null),
};

const box = { left: 0.1, top: 0.2, width: 0.3, height: 0.4 };
const stranger: Face = {
  box,
  confidence: 0.9,
  descriptor: [0.5],
  match: undefined,
  nearestDistance: 0.7,
  quality: undefined,
  threshold: 0.5,
  candidates: [{ personId: 4, personImageId: 40, distance: 0.7 }],
};

function known(personId: number, distance: number): Face {
  const match = {
    personId,
    personName: 'A',
    imageName: 'hannibal_1.jpg',
    personImageId: personId * 10,
    distance,
    similarity: 0.6,
  };
  return { ...stranger, match, nearestDistance: distance };
}

function answer(faces: Face[]) {
  const recognition: Recognition = { faces, width: 640, height: 480, model: 'm', threshold: 0.55, galleryRevision: 3 };
  return { imageName: 'not_found', recognition };
}

test('the best match among the faces is the person of the image', async () => {
  const outcome = await toOutcome(answer([stranger, known(1, 0.5), known(2, 0.3)]), people);
  expect(outcome).toMatchObject({ status: 'matched', personId: 2, width: 640, height: 480 });
  expect(outcome).toHaveProperty('faces.length', 3);
  expect(outcome).toHaveProperty('faces.0', {
    ...{ box, confidence: 0.9, descriptor: [0.5], model: 'm', personId: null, personImageId: null },
    ...{ distance: 0.7, threshold: 0.5, quality: null, galleryRevision: 3, candidates: stranger.candidates },
  });
  expect(outcome).toHaveProperty('faces.2.personImageId', 20);
});

test('a face is stored with its quality and the threshold that applied to it', async () => {
  const quality = {
    pixels: 20,
    sharpness: 0.02,
    brightness: 0.5,
    yaw: 1,
    pitch: 2,
    roll: 3,
    reasons: ['LOW_SHARPNESS'],
  };
  const poor: Face = { ...stranger, threshold: 0.5, quality: { ...quality, reasons: ['LOW_SHARPNESS', 'NEW_WORD'] } };
  const outcome = await toOutcome(answer([poor, { ...stranger, threshold: 0 }]), people);
  expect(outcome).toHaveProperty('faces.0', expect.objectContaining({ threshold: 0.5, quality }));
  expect(outcome).toHaveProperty('faces.1', expect.objectContaining({ threshold: 0.55, quality: null }));
});

test('faces that nobody knows make it unknown; no face at all, no_face', async () => {
  expect(await toOutcome(answer([stranger]), people)).toMatchObject({ status: 'unknown', personId: null });
  expect(await toOutcome(answer([]), people)).toMatchObject({ status: 'no_face', personId: null, faces: [] });
});

test('a recognizer without a database names a photo; its person is found as the reference system does', async () => {
  const outcome = await toOutcome(answer([known(0, 0.4)]), people);
  expect(outcome).toMatchObject({ status: 'matched', personId: 7 });
  expect(outcome).toHaveProperty('faces.0.personImageId', null);
});

test('a recognizer that knows no ids has no candidates that could be kept, an older one only one threshold', async () => {
  const face = { ...stranger, threshold: 0, candidates: [{ personId: 0, personImageId: 0, distance: 0.6 }] };
  const outcome = await toOutcome(answer([face]), people);
  expect(outcome).toMatchObject({ faces: [{ threshold: 0.55, candidates: [] }] });
});

test('a reference recognizer answers with a name only', async () => {
  const only = (imageName: string) => toOutcome({ imageName, recognition: undefined }, people);
  expect(await only('hannibal_1.jpg')).toMatchObject({ status: 'matched', personId: 7, width: null });
  expect(await only('not_found')).toMatchObject({ status: 'unknown', faces: [] });
  await expect(only('nobody.jpg')).rejects.toThrow(/person_images/);
});
