import type { Picture } from '../engine.ts';
import { fillInput, type InputFormat, type Region } from './fill-input.ts';
import { openSession, type Session } from './session.ts';
import { buildSsdStem, DETECTOR_SIZE, FEATURE_SIZE, reachOfStem, STEM_STRIDE } from './ssd-mobilenet-v1.ts';
import type { Weights } from './weights.ts';

/** ssdMobilenetv1/SsdMobilenetv1.ts: 0..255 becomes -1..1. */
const INPUT: InputFormat = { size: DETECTOR_SIZE, centred: false, mean: [127.5, 127.5, 127.5], divisor: 127.5 };

const WHOLE_SQUARE: Region = { left: 0, top: 0, width: DETECTOR_SIZE, height: DETECTOR_SIZE };

/** The stem's features of a picture, padded to a square: 1 × 256 × 32 × 32. */
export type ComputeFeatures = (picture: Picture) => Promise<Float32Array>;

/**
 * Opens the detector's stem. A photo of 3:2 fills two thirds of the detector's square, a padded one a ninth, and far
 * enough from it the features of black are always the same. So they are computed once, and of each picture only what
 * it changes.
 */
export async function openStem(weights: Weights): Promise<ComputeFeatures> {
  const stem = await openSession(buildSsdStem(weights));
  const black = await runStem(stem, { pixels: new Uint8Array(3), width: 1, height: 1 }, WHOLE_SQUARE);

  return async (picture) => {
    const side = Math.max(picture.width, picture.height);
    const { left, top, width, height } = picture.content ?? { left: 0, top: 0, ...picture };
    const rows = partToCompute({ start: top, length: height, side });
    const columns = partToCompute({ start: left, length: width, side });
    const computed = await runStem(stem, picture, {
      left: columns.from,
      top: rows.from,
      width: columns.pixels,
      height: rows.pixels,
    });
    return overlay(black, computed, rows, columns);
  };
}

/** Of one axis of the square, what a picture changes and what must be computed for it. */
interface Part {
  /** The first of the 32 features that sees something of the picture, and how many do. */
  readonly first: number;
  readonly features: number;
  /** Where the pixels begin that must be given to the stem for these features to be right, and how many they are. */
  readonly from: number;
  readonly pixels: number;
}

/**
 * @param content.start where what is not black begins along the axis, in pixels of the picture
 * @param content.length its pixels
 * @param content.side of the padded square, in the same pixels
 */
export function partToCompute({ start, length, side }: { start: number; length: number; side: number }): Part {
  const { before, after } = reachOfStem();
  // One pixel more at either end, in which the outermost pixel is blended with black, and one for what is rounded.
  const begin = Math.floor((DETECTOR_SIZE * (start - 1)) / side) - 1;
  const end = Math.ceil((DETECTOR_SIZE * (start + length)) / side) + 1;
  const first = Math.max(0, Math.ceil((begin - after) / STEM_STRIDE));
  const behind = Math.min(FEATURE_SIZE, Math.ceil((end + before) / STEM_STRIDE));
  const from = Math.max(0, Math.floor((first * STEM_STRIDE - before) / STEM_STRIDE) * STEM_STRIDE);
  const to = Math.ceil(((behind - 1) * STEM_STRIDE + after + 1) / STEM_STRIDE) * STEM_STRIDE;
  return { first, features: behind - first, from, pixels: Math.min(to, DETECTOR_SIZE) - from };
}

async function runStem(stem: Session, picture: Picture, window: Region): Promise<Float32Array> {
  const input = new Float32Array(3 * window.width * window.height);
  fillInput(input, picture, { left: 0, top: 0, width: picture.width, height: picture.height }, INPUT, window);
  const { features } = await stem.run(input, [1, 3, window.height, window.width]);
  if (features === undefined) throw new Error('The detector gave no features.');
  return features;
}

/** The features of black, with those on top that the picture changes; channel by channel. */
function overlay(black: Float32Array, computed: Float32Array, rows: Part, columns: Part): Float32Array {
  if (computed.length === black.length) return computed;
  const whole = black.slice();
  const [width, height] = [columns.pixels / STEM_STRIDE, rows.pixels / STEM_STRIDE];
  const [left, top] = [columns.from / STEM_STRIDE, rows.from / STEM_STRIDE];
  const channels = whole.length / FEATURE_SIZE ** 2;
  for (let channel = 0; channel < channels; channel++) {
    for (let row = rows.first; row < rows.first + rows.features; row++) {
      const from = (channel * height + row - top) * width + columns.first - left;
      const kept = computed.subarray(from, from + columns.features);
      whole.set(kept, (channel * FEATURE_SIZE + row) * FEATURE_SIZE + columns.first);
    }
  }
  return whole;
}
