import { type FaceQuality, findMisleading, type QualityReason } from '../lib/face-quality.ts';
import type { DescribedFace, Picture } from './engine/engine.ts';
import { estimatePose } from './estimate-pose.ts';

/** Side in pixels of the square that a face is resampled to before its sharpness and brightness are measured. */
const SIDE = 64;
/** Pixels of the picture that are averaged for one of these, along each axis: all where the face is not larger than 256 pixels. */
const SAMPLES = 4;

/** Where dlib's alignment puts eyes and mouth in the square of a face: its height is their distance by this. */
const EYE_TO_MOUTH = 0.45;
/** Parts of the 68 points of iBUG 300-W. */
const LEFT_EYE = [36, 42] as const;
const RIGHT_EYE = [42, 48] as const;
const MOUTH = [48, 68] as const;

/** What is beyond these is a reason; where they come from is in docs/adr/0008-quality-of-faces.md. */
export const LIMITS = {
  pixels: 32,
  sharpness: 0.05,
  brightness: 0.1,
  /** Degrees to either side. Descriptors bear turning, and not leaning: the alignment does not undo it. */
  yaw: 60,
  pitch: 35,
  roll: 20,
  confidence: 0.6,
} as const;

/** Of the threshold, for a misleading face: names fewer strangers than the whole threshold does for the others. */
const STRICTER = 0.9;

/** Why a known photo is not enrolled, and what to do about it. */
export function explainPoorFace(quality: FaceQuality): string {
  const words: Partial<Record<QualityReason, string>> = {
    SMALL_BOUNDING_BOX: `small (${quality.pixels} pixels, at least ${LIMITS.pixels})`,
    LOW_SHARPNESS: 'blurred',
    EXTREME_POSE: `turned or leaning too far (${describePose(quality)})`,
  };
  const found = findMisleading(quality.reasons);
  const what = found.map((reason) => words[reason]).join(' and ');
  return `The face is ${what}: ${found.join(', ')}. Take a better photo, or set ENROL_POOR_FACES=true.`;
}

function describePose({ yaw, pitch, roll }: FaceQuality): string {
  const angles = Object.entries({ yaw, pitch, roll }).map(([name, angle]) => `${name} ${Math.round(angle)}°`);
  return angles.join(', ');
}

/**
 * The largest distance at which a face counts as a known person's.
 *
 * @param threshold for a good face
 * @param reasons what speaks against this one
 */
export function thresholdFor(threshold: number, reasons: readonly string[]): number {
  // Rounded, because people read it.
  return findMisleading(reasons).length > 0 ? Number((threshold * STRICTER).toFixed(6)) : threshold;
}

/**
 * Judges one face of a picture. Takes less than a millisecond, whatever the size of the face.
 *
 * @param scale pixels of the photo as it is stored, by those of the picture that was decoded of it
 */
export function judgeFace(face: DescribedFace, picture: Picture, scale = 1): FaceQuality {
  const landmarks = face.landmarks.map((ratio, index) => ratio * (index % 2 === 0 ? picture.width : picture.height));
  const luma = resample(picture, squareOf(landmarks));
  const measured = {
    pixels: Math.round(Math.min(face.box.width * picture.width, face.box.height * picture.height) * scale),
    ...measureLuma(luma),
    ...estimatePose(landmarks),
  };
  return { ...roundAll(measured), reasons: findReasons({ ...measured, confidence: face.confidence }) };
}

function findReasons(seen: { [Name in keyof typeof LIMITS]: number }): QualityReason[] {
  const turned = Math.abs(seen.yaw) > LIMITS.yaw || Math.abs(seen.pitch) > LIMITS.pitch;
  const reasons: Record<QualityReason, boolean> = {
    SMALL_BOUNDING_BOX: seen.pixels < LIMITS.pixels,
    LOW_SHARPNESS: seen.sharpness < LIMITS.sharpness,
    LOW_BRIGHTNESS: seen.brightness < LIMITS.brightness,
    EXTREME_POSE: turned || Math.abs(seen.roll) > LIMITS.roll,
    LOW_CONFIDENCE: seen.confidence < LIMITS.confidence,
  };
  return (Object.keys(reasons) as QualityReason[]).filter((reason) => reasons[reason]);
}

interface Square {
  readonly left: number;
  readonly top: number;
  readonly side: number;
}

/** The face from above the brows to the chin, in pixels: dlib's alignment, as descriptors are computed of. */
function squareOf(landmarks: Float32Array): Square {
  const [left, right, mouth] = [LEFT_EYE, RIGHT_EYE, MOUTH].map(([from, to]) => centreOf(landmarks, from, to));
  if (!left || !right || !mouth) throw new Error('unreachable');
  const side = (Math.hypot(left.x - mouth.x, left.y - mouth.y) + Math.hypot(right.x - mouth.x, right.y - mouth.y)) / 2;
  const size = Math.max(1, side / EYE_TO_MOUTH);
  return {
    left: (left.x + right.x + mouth.x) / 3 - size / 2,
    top: (left.y + right.y + mouth.y) / 3 - size / 2,
    side: size,
  };
}

function centreOf(landmarks: Float32Array, from: number, to: number): { x: number; y: number } {
  let [x, y] = [0, 0];
  for (let point = from; point < to; point++) {
    x += landmarks[2 * point] ?? 0;
    y += landmarks[2 * point + 1] ?? 0;
  }
  return { x: x / (to - from), y: y / (to - from) };
}

/**
 * A square of the picture as SIDE × SIDE luma (ITU-R BT.601), 0..255: larger ones are averaged, smaller ones
 * interpolated, and what lies outside the picture repeats its border.
 */
function resample(picture: Picture, square: Square): Float64Array {
  return square.side > SIDE ? average(picture, square) : interpolate(picture, square);
}

function average({ pixels, width, height }: Picture, { left, top, side }: Square): Float64Array {
  const luma = new Float64Array(SIDE * SIDE);
  const count = SIDE * SAMPLES;
  const columns = Int32Array.from({ length: count }, (_, x) => Math.round(placeOf(x, count, left, side, width)));
  for (let y = 0; y < count; y++) {
    const from = Math.round(placeOf(y, count, top, side, height)) * width;
    const to = Math.floor(y / SAMPLES) * SIDE;
    for (let x = 0; x < count; x++) {
      const index = to + Math.floor(x / SAMPLES);
      luma[index] = (luma[index] ?? 0) + lumaOf(pixels, from + (columns[x] ?? 0)) / SAMPLES ** 2;
    }
  }
  return luma;
}

function interpolate({ pixels, width, height }: Picture, { left, top, side }: Square): Float64Array {
  return Float64Array.from({ length: SIDE * SIDE }, (_, index) => {
    const x = placeOf(index % SIDE, SIDE, left, side, width);
    const y = placeOf(Math.floor(index / SIDE), SIDE, top, side, height);
    const at = Math.floor(y) * width + Math.floor(x);
    const right = x < width - 1 ? 1 : 0;
    const below = y < height - 1 ? width : 0;
    const upper = lumaOf(pixels, at) * (1 - (x % 1)) + lumaOf(pixels, at + right) * (x % 1);
    const lower = lumaOf(pixels, at + below) * (1 - (x % 1)) + lumaOf(pixels, at + below + right) * (x % 1);
    return upper * (1 - (y % 1)) + lower * (y % 1);
  });
}

/** Where the sample lies, in pixels whose centres are whole numbers, along an axis of a picture. */
function placeOf(sample: number, count: number, from: number, length: number, pixels: number): number {
  return Math.min(pixels - 1, Math.max(0, from + ((sample + 0.5) * length) / count - 0.5));
}

function lumaOf(pixels: Uint8Array, pixel: number): number {
  const at = pixel * 3;
  return 0.299 * (pixels[at] ?? 0) + 0.587 * (pixels[at + 1] ?? 0) + 0.114 * (pixels[at + 2] ?? 0);
}

/**
 * Sharpness is the variance of the Laplacian (Pech-Pacheco and others, "Diatom autofocusing in brightfield microscopy",
 * ICPR 2000) by the variance of the luma: without that, a dark or pale face would count as blurred.
 */
function measureLuma(luma: Float64Array): { sharpness: number; brightness: number } {
  const { mean, variance } = momentsOf(luma);
  const laplacian = new Float64Array((SIDE - 2) ** 2);
  let index = 0;
  for (let y = 1; y < SIDE - 1; y++) {
    for (let x = 1; x < SIDE - 1; x++) {
      const at = y * SIDE + x;
      const around = (luma[at - 1] ?? 0) + (luma[at + 1] ?? 0) + (luma[at - SIDE] ?? 0) + (luma[at + SIDE] ?? 0);
      laplacian[index++] = around - 4 * (luma[at] ?? 0);
    }
  }
  return { sharpness: variance > 0 ? momentsOf(laplacian).variance / variance : 0, brightness: mean / 255 };
}

function momentsOf(values: Float64Array): { mean: number; variance: number } {
  let [sum, squares] = [0, 0];
  for (const value of values) {
    sum += value;
    squares += value * value;
  }
  const mean = sum / values.length;
  return { mean, variance: Math.max(0, squares / values.length - mean * mean) };
}

/** Three digits behind the point are more than any of these is worth. */
function roundAll<Values extends Record<string, number>>(values: Values): Values {
  return Object.fromEntries(
    Object.entries(values).map(([name, value]) => [name, Math.round(value * 1000) / 1000]),
  ) as Values;
}
