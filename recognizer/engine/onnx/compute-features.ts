import type { Picture } from '../engine.ts';
import { fillInput, type InputFormat, type Shape } from './fill-input.ts';
import { openSession, type Session } from './session.ts';
import { buildSsdStem, DETECTOR_SIZE, FEATURE_SIZE, reachOfStem, STEM_STRIDE } from './ssd-mobilenet-v1.ts';
import type { Weights } from './weights.ts';

/** ssdMobilenetv1/SsdMobilenetv1.ts: 0..255 becomes -1..1. */
const INPUT: InputFormat = { size: DETECTOR_SIZE, centred: false, mean: [127.5, 127.5, 127.5], divisor: 127.5 };

const WHOLE_SQUARE: Shape = { width: DETECTOR_SIZE, height: DETECTOR_SIZE };

/** The stem's features of a picture, padded to a square: 1 × 256 × 32 × 32. */
export type ComputeFeatures = (picture: Picture) => Promise<Float32Array>;

/**
 * Opens the detector's stem. A photo of 3:2 fills two thirds of the detector's square, and far enough from it the
 * features of the padding are always the same. So they are computed once, and of each picture only what it changes.
 */
export async function openStem(weights: Weights): Promise<ComputeFeatures> {
  const stem = await openSession(buildSsdStem(weights));
  const padding = await runStem(stem, { pixels: new Uint8Array(3), width: 1, height: 1 }, WHOLE_SQUARE);

  return async (picture) => {
    const rows = partToCompute(picture.height, picture);
    const columns = partToCompute(picture.width, picture);
    const computed = await runStem(stem, picture, { width: columns.pixels, height: rows.pixels });
    return overlay(padding, computed, {
      kept: { width: columns.features, height: rows.features },
      computed: { width: columns.pixels / STEM_STRIDE, height: rows.pixels / STEM_STRIDE },
    });
  };
}

/**
 * How much of one axis of the square a picture changes.
 *
 * @param length of the picture along the axis, in its pixels
 * @returns `features`: how many of the 32 see something of the picture; `pixels`: how many of the square's 512 must be
 * given to the stem for these features to be right
 */
export function partToCompute(length: number, { width, height }: Shape): { features: number; pixels: number } {
  const { before, after } = reachOfStem();
  // One pixel more, in which the picture's last pixel is blended with the padding.
  const content = Math.ceil((DETECTOR_SIZE * length) / Math.max(width, height)) + 1;
  const features = Math.ceil((content + before) / STEM_STRIDE);
  const pixels = Math.ceil(((features - 1) * STEM_STRIDE + after + 1) / STEM_STRIDE) * STEM_STRIDE;
  return pixels >= DETECTOR_SIZE ? { features: FEATURE_SIZE, pixels: DETECTOR_SIZE } : { features, pixels };
}

async function runStem(stem: Session, picture: Picture, shape: Shape): Promise<Float32Array> {
  const input = new Float32Array(3 * shape.width * shape.height);
  fillInput(input, picture, { left: 0, top: 0, width: picture.width, height: picture.height }, INPUT, shape);
  const { features } = await stem.run(input, [1, 3, shape.height, shape.width]);
  if (features === undefined) throw new Error('The detector gave no features.');
  return features;
}

/** The padding's features, with the top left of those computed of the picture on top; channel by channel. */
function overlay(
  padding: Float32Array,
  features: Float32Array,
  { kept, computed }: { kept: Shape; computed: Shape },
): Float32Array {
  if (features.length === padding.length) return features;
  const whole = padding.slice();
  const channels = whole.length / FEATURE_SIZE ** 2;
  for (let channel = 0; channel < channels; channel++) {
    for (let row = 0; row < kept.height; row++) {
      const from = (channel * computed.height + row) * computed.width;
      whole.set(features.subarray(from, from + kept.width), (channel * FEATURE_SIZE + row) * FEATURE_SIZE);
    }
  }
  return whole;
}
