import { createRequire } from 'node:module';
import { expect, test } from 'vitest';
import { alignFace, placeLandmarks } from './align-face.ts';
import { cropDetection, cropToPicture } from './crop-face.ts';

const PICTURE = { pixels: new Uint8Array(), width: 100, height: 80 };

test('a crop is clipped to the picture and rounded down', () => {
  expect(cropToPicture({ left: -3.5, top: 10.7, width: 20.2, height: 100 }, PICTURE)).toEqual({
    left: 0,
    top: 10,
    width: 16,
    height: 69,
  });
  expect(cropToPicture({ left: 99.5, top: 0, width: 20, height: 20 }, PICTURE)).toBeNull();
  expect(cropToPicture({ left: 200, top: 0, width: 20, height: 20 }, PICTURE)).toBeNull();
});

test("a detection loses the pixel that face-api's round trip through ratios costs it", () => {
  const picture = { pixels: new Uint8Array(), width: 49, height: 50 };
  expect(cropDetection({ left: 0, top: 0, width: 49, height: 50 }, picture)).toMatchObject({ width: 48, height: 50 });
});

test('landmarks lie where the crop lay in its square, moved by the corner of the detection', () => {
  const output = new Float32Array(136).fill(0.5);
  const crop = { left: 10, top: 20, width: 40, height: 60 };
  const [point] = placeLandmarks(output, crop, { left: 10.75, top: 20.25 });
  expect(point).toEqual({ x: 20 + 10.75, y: 30 + 20.25 });
});

test("the aligned square is face-api's own, at every place and size", () => {
  // Loaded with a backend that computes nothing here: only face-api's geometry is asked.
  const require = createRequire(import.meta.url);
  require('@tensorflow/tfjs');
  const { FaceLandmarks68, Point } = require('@vladmandic/face-api/dist/face-api.node-wasm.js');
  for (let seed = 1; seed < 200; seed++) {
    const random = (index: number) => (Math.sin(seed * 131 + index * 17.3) * 43758.5453) % 1;
    const crop = { left: 5, top: 5, width: 40 + (seed % 90), height: 50 + (seed % 70) };
    const shift = { left: random(500) * 30, top: random(501) * 300 };
    const ratios = Float32Array.from({ length: 136 }, (_, index) => 0.5 + random(index) / 3);
    const landmarks = placeLandmarks(ratios, crop, shift);
    const relative = landmarks.map(
      ({ x, y }) => new Point((x - shift.left) / crop.width, (y - shift.top) / crop.height),
    );
    const theirs = new FaceLandmarks68(relative, crop)
      .shiftBy(shift.left, shift.top)
      .align(null, { useDlibAlignment: true });
    expect(alignFace(landmarks, crop)).toEqual({
      left: theirs.x,
      top: theirs.y,
      width: theirs.width,
      height: theirs.height,
    });
  }
});
