import { expect, test } from 'vitest';
import { measureGallery } from './measure-gallery.ts';

/** Faces on a line: their distances are the differences. */
function faceSet(faces: readonly (readonly [personId: number, at: number])[]) {
  const descriptors = new Float32Array(faces.length * 128);
  for (const [index, [, at]] of faces.entries()) descriptors[index * 128] = at;
  return { personIds: faces.map(([personId]) => personId), descriptors };
}

const rounded = (distances: Float64Array) => [...distances].map((distance) => Math.round(distance * 1000) / 1000);

test('each reference is left out in turn, and so is the reference that a confirmed face has become', async () => {
  const references = faceSet([
    [1, 0],
    [1, 0.25],
    [2, 1],
    [3, 3],
  ]);
  const confirmed = faceSet([[2, 1.5]]);
  const probes = {
    personIds: [...references.personIds, ...confirmed.personIds],
    descriptors: Float32Array.from([...references.descriptors, ...confirmed.descriptors]),
    references: [0, 1, 2, 3, -1],
  };
  const measure = await measureGallery(references, probes);
  // Of 2 and 3 the only reference is the probe itself; the confirmed face has one to go by.
  expect(rounded(measure.genuine)).toEqual([0.25, 0.25, 0.5]);
  expect(rounded(measure.impostor)).toEqual([0.75, 0.75, 1, 1.25, 2]);
  expect(rounded(measure.pairs.genuine)).toEqual([0.25, 0.5]);
  expect(measure.pairCounts).toEqual({ genuine: 2, impostor: 8 });
});

test('the same picture twice says nothing', async () => {
  const references = faceSet([
    [1, 0],
    [1, 0],
    [1, 0.5],
    [2, 0],
  ]);
  const { genuine, impostor, copies } = await measureGallery(references, { ...references, references: [0, 1, 2, 3] });
  expect(rounded(genuine)).toEqual([0.5, 0.5, 0.5]);
  expect(copies).toBe(2);
  // But one picture under two names is the worst that can be.
  expect(rounded(impostor)).toEqual([0, 0, 0, 0.5]);
});

test('of many pairs an even sample is kept, the same every time, and others get their turn', async () => {
  const references = faceSet(Array.from({ length: 400 }, (_, i) => [i % 200, (i * 7919) % 400] as const));
  let turns = 0;
  const timer = setInterval(() => {
    turns += 1;
  }, 1);
  const probes = { ...references, references: Array.from({ length: 400 }, (_, i) => i) };
  const first = await measureGallery(references, probes);
  clearInterval(timer);
  expect(turns).toBeGreaterThan(2);
  expect(first.pairCounts.impostor).toBe((400 * 399) / 2 - 200);
  expect(first.pairs.impostor.length).toBeGreaterThan(20_000);
  expect(first.pairs.impostor.length).toBeLessThan(30_000);
  expect(await measureGallery(references, probes)).toEqual(first);
});
