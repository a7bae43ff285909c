import type { Region } from './fill-input.ts';

export interface Point {
  readonly x: number;
  readonly y: number;
}

/** Parts of the 68 points (classes/FaceLandmarks68.ts); the order is that of the iBUG 300-W data set. */
const LEFT_EYE = [36, 42] as const;
const RIGHT_EYE = [42, 48] as const;
const MOUTH = [48, 68] as const;

/** Where dlib puts the middle of eyes and mouth in an aligned face, and how long eye to mouth is (classes/FaceLandmarks.ts). */
const MIDDLE_X = 0.5;
const MIDDLE_Y = 0.43;
const EYE_TO_MOUTH = 0.45;

/**
 * The 68 points in pixels of the picture (faceLandmarkNet/FaceLandmark68NetBase.ts, `postProcess`).
 *
 * @param output of the network for one face: 136 ratios of the square in whose middle the crop lay
 * @param crop what the network saw
 * @param detection the box that the crop was cut by. The points are moved by its corner, and not by the crop's, which
 * is clipped and rounded down: that is how face-api does it, and descriptors depend on it.
 */
export function placeLandmarks(output: Float32Array, crop: Region, detection: { left: number; top: number }): Point[] {
  const side = Math.max(crop.width, crop.height);
  const toPixels = (ratio: number, length: number) => ratio * side - (side - length) / 2;
  return Array.from({ length: output.length / 2 }, (_, index) => ({
    x: toPixels(output[2 * index] ?? 0, crop.width) + detection.left,
    y: toPixels(output[2 * index + 1] ?? 0, crop.height) + detection.top,
  }));
}

/**
 * The square around a face that the descriptor is computed of: dlib's alignment without its rotation
 * (classes/FaceLandmarks.ts, `alignDlib`).
 *
 * @param landmarks 68 points in pixels of the picture
 * @param crop what the landmarks were found in
 * @returns whole pixels, may reach beyond the picture
 */
export function alignFace(landmarks: readonly Point[], crop: Region): Region {
  const parts = [LEFT_EYE, RIGHT_EYE, MOUTH].map(([from, to]) => centreOf(landmarks.slice(from, to)));
  const [leftEye, rightEye, mouth] = parts;
  if (!leftEye || !rightEye || !mouth) throw new Error('unreachable');
  const size = Math.floor((distanceOf(leftEye, mouth) + distanceOf(rightEye, mouth)) / 2 / EYE_TO_MOUTH);
  const middle = centreOf(parts);
  const left = Math.floor(Math.max(0, middle.x - MIDDLE_X * size));
  const top = Math.floor(Math.max(0, middle.y - MIDDLE_Y * size));
  return { left, top, width: Math.min(size, crop.width + left), height: Math.min(size, crop.height + top) };
}

function centreOf(points: readonly Point[]): Point {
  const sum = points.reduce((total, point) => ({ x: total.x + point.x, y: total.y + point.y }), { x: 0, y: 0 });
  return { x: sum.x / points.length, y: sum.y / points.length };
}

function distanceOf(a: Point, b: Point): number {
  return Math.hypot(a.x - b.x, a.y - b.y);
}
