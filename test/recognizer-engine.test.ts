import { createRequire } from 'node:module';
import { join } from 'node:path';
import sharp from 'sharp';
import { beforeAll, expect, test } from 'vitest';
import { decodePhoto } from '../recognizer/decode.ts';
import { createEngine } from '../recognizer/engine/create-engine.ts';
import type { BoundingBox, DescribedFace, Engine, Picture } from '../recognizer/engine/engine.ts';
import { findFaces } from '../recognizer/find-faces.ts';

const SAMPLE = join(import.meta.dirname, '../node_modules/@vladmandic/face-api/demo/sample3.jpg');
let engine: Engine;
/** 960 × 675, three faces. */
let photo: Picture;
let faces: readonly DescribedFace[];

beforeAll(async () => {
  engine = await createEngine('tfjs');
  photo = (await decodePhoto(await sharp(SAMPLE).resize(960).png().toBuffer())).picture;
  faces = await findFaces(engine, photo);
});

/** How many tensors the engine's own TensorFlow.js holds. */
function countTensors(): number {
  const name = engine.backend === 'tfjs-node' ? '@tensorflow/tfjs-node' : '@tensorflow/tfjs';
  return createRequire(import.meta.url)(name).memory().numTensors;
}

async function cropOf({ box }: DescribedFace): Promise<Picture> {
  const toPixels = (b: BoundingBox) => ({
    left: Math.round(b.left * photo.width),
    top: Math.round(b.top * photo.height),
    width: Math.round(b.width * photo.width),
    height: Math.round(b.height * photo.height),
  });
  const raw = { width: photo.width, height: photo.height, channels: 3 as const };
  const png = await sharp(photo.pixels, { raw }).extract(toPixels(box)).png().toBuffer();
  return (await decodePhoto(png)).picture;
}

function distanceBetween(a: DescribedFace, b: DescribedFace): number {
  return Math.hypot(...a.descriptor.map((value, index) => value - (b.descriptor[index] ?? 0)));
}

test('finds every face, largest first, with boxes inside the picture', () => {
  expect(faces).toHaveLength(3);
  const areas = faces.map(({ box }) => box.width * box.height);
  expect(areas).toEqual([...areas].sort((a, b) => b - a));
  for (const { box, confidence, descriptor } of faces) {
    expect(confidence).toBeGreaterThan(0.5);
    expect(confidence).toBeLessThanOrEqual(1);
    expect(descriptor).toHaveLength(128);
    expect(Math.min(box.left, box.top, box.width, box.height)).toBeGreaterThanOrEqual(0);
    expect(Math.max(box.left + box.width, box.top + box.height)).toBeLessThanOrEqual(1);
  }
});

test('finds the face in a crop that it fills, as the same person, and leaves no tensor behind', async () => {
  const before = countTensors();
  for (const face of faces.slice(0, 2)) {
    const crop = await cropOf(face);
    const found = await findFaces(engine, crop);
    expect(found).toHaveLength(1);
    const [seen] = found;
    if (seen === undefined) throw new Error('unreachable');
    expect(distanceBetween(seen, face)).toBeLessThan(0.5);
    expect(seen.box.width * seen.box.height).toBeGreaterThan(0.5);
  }
  expect(countTensors()).toBe(before);
});

test('finds nothing in a picture of nothing, however thin', async () => {
  const before = countTensors();
  for (const [width, height] of [
    [1, 1],
    [300, 2],
  ] as const) {
    expect(await findFaces(engine, { pixels: new Uint8Array(width * height * 3), width, height })).toEqual([]);
  }
  expect(countTensors()).toBe(before);
});
