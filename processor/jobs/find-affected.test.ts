import { expect, test } from 'vitest';
import { descriptorToBytes } from '../../lib/database.ts';
import type { StoredFace } from '../../lib/rematch-images.ts';
import { findAffectedBy } from './find-affected.ts';

const NOTHING = {
  references: [],
  referenceIds: new Set<number>(),
  personIds: new Set<number>(),
  thresholdChanged: false,
};

/** A descriptor so far from that of 0, as the driver hands it out: somewhere in a larger buffer, not aligned. */
function at(distance: number): Buffer {
  const bytes = descriptorToBytes(Float32Array.from({ length: 128 }, () => distance / Math.sqrt(128)));
  return Buffer.concat([Buffer.alloc(1), bytes]).subarray(1);
}

type Candidates = ReturnType<StoredFace['candidates']>;

function face(
  imageId: number,
  { candidates = [], ...own }: Partial<Omit<StoredFace, 'candidates'>> & { candidates?: Candidates } = {},
): StoredFace {
  return {
    ...{ imageId, model: 'm', descriptor: at(2), personId: null, personImageId: null, decidedBy: 'gallery' },
    ...own,
    candidates: () => candidates,
  };
}

const find = (changes: Partial<typeof NOTHING>, faces: StoredFace[]) =>
  findAffectedBy({ ...NOTHING, ...changes }).findImages(faces);

test('faces within the candidate limit of a changed reference of their own model', async () => {
  const references = [
    { model: 'm', descriptor: at(9) },
    { model: 'm', descriptor: at(0) },
    { model: 'other', descriptor: at(1.5) },
  ];
  const faces = [0.1, 0.699, 0.701, 1.5].map((distance, index) => face(index + 1, { descriptor: at(distance) }));
  expect(await findAffectedBy({ ...NOTHING, references }).findImages(faces)).toEqual([1, 2]);
  const broken = face(7, { descriptor: at(0).subarray(0, 8) });
  expect(await findAffectedBy({ ...NOTHING, references }).findImages([broken])).toEqual([]);
});

test('faces that rest on, or nearly were, somebody who changed', async () => {
  const near = (personId: number, personImageId: number) => [{ personId, personImageId, distance: 0.6 }];
  const faces = [
    face(1, { personId: 5, personImageId: 50 }),
    face(2, { candidates: near(6, 60) }),
    face(3, { personId: 7, personImageId: 70, candidates: near(7, 70) }),
    face(4, { candidates: near(8, 80) }),
  ];
  expect(await find({ personIds: new Set([5, 6]) }, faces)).toEqual([1, 2]);
  expect(await find({ referenceIds: new Set([50, 60]) }, faces)).toEqual([1, 2]);
  expect(await find({ thresholdChanged: true }, [...faces, face(9)])).toEqual([1, 2, 3, 4]);
  expect(await find({}, faces)).toEqual([]);
});

test('faces that were decided before candidates were kept, and those whose reference is gone, always', async () => {
  const orphan = { personId: 5, personImageId: null };
  const faces = [face(1, { candidates: null }), face(2, orphan), face(3, { ...orphan, decidedBy: 'user' })];
  expect(await find({}, faces)).toEqual([1, 2]);
});

test('an image counts once; with very many changed references every face is decided again', async () => {
  const twice = [face(1, { descriptor: at(0) }), face(1, { descriptor: at(0) }), face(2)];
  const reference = { model: 'm', descriptor: at(0) };
  expect(await findAffectedBy({ ...NOTHING, references: [reference] }).findImages(twice)).toEqual([1]);
  const many = Array.from({ length: 5_001 }, () => reference);
  expect(await findAffectedBy({ ...NOTHING, references: many }).findImages(twice)).toEqual([1, 2]);
});
