import type { Picture } from '../engine.ts';

/** Whole pixels of a picture, origin top-left. */
export interface Region {
  readonly left: number;
  readonly top: number;
  readonly width: number;
  readonly height: number;
}

/** How a network wants its input. */
export interface InputFormat {
  /** Side of the square in pixels. */
  readonly size: number;
  /** Whether the region lies in the middle of the square, or at its top left. */
  readonly centred: boolean;
  /** Red, green and blue, 0..255, that become 0. */
  readonly mean: readonly [number, number, number];
  /** What the values, less the mean, are divided by. */
  readonly divisor: number;
  /** Whether the network sees the region's mirror image, left for right; its padding stays where it is. */
  readonly mirrored?: boolean;
}

/** Mean colour of the faces that the landmark and descriptor networks learnt from (FaceRecognitionNet.ts). */
export const FACE_MEAN = [122.782, 117.001, 104.298] as const;

/**
 * Writes a region of the picture into a network's input: padded with black to a square, resized, normalised.
 *
 * The arithmetic is that of face-api's `NetInput.toBatchTensor` with `tf.image.resizeBilinear(…, false, false)`: source
 * coordinate = target coordinate × ratio in single precision, without the half-pixel shift that image libraries make,
 * and without a filter when a picture shrinks. Any other resize would show the networks another picture.
 *
 * @param target 3 × height × width floats of the window, channel by channel
 * @param region must lie inside the picture
 * @param window the part of the square that is wanted, in its pixels
 */
export function fillInput(
  target: Float32Array,
  picture: Picture,
  region: Region,
  format: InputFormat,
  window: Region = { left: 0, top: 0, width: format.size, height: format.size },
): void {
  const { mean, divisor } = format;
  const plane = window.width * window.height;
  for (const [channel, value] of mean.entries()) target.fill(-value / divisor, channel * plane, (channel + 1) * plane);
  const side = Math.max(region.width, region.height);
  const across = { side, length: region.width, start: region.left, stride: 3 };
  const columns = sampleAxis({ ...across, reversed: format.mirrored ?? false }, format);
  const rows = sampleAxis({ side, length: region.height, start: region.top, stride: 3 * picture.width }, format);
  const last = Math.min(rows.to, window.top + window.height);
  for (let y = Math.max(rows.from, window.top); y < last; y++) {
    fillRow(target, picture.pixels, format, { rows, columns, y, window });
  }
}

/** For each target coordinate the two source coordinates that it lies between, and how much of each it takes. */
interface Axis {
  /** Offsets in the picture's bytes. */
  readonly low: Int32Array;
  readonly high: Int32Array;
  /** 0..1; 0 for what lies in the padding, which is black, so that nobody has to ask where a source pixel lies. */
  readonly lowShare: Float64Array;
  readonly highShare: Float64Array;
  /** Target coordinates outside `from <= i < to` see nothing but padding. */
  readonly from: number;
  readonly to: number;
}

/**
 * @param source.side of the padded square, in pixels
 * @param source.length of the region within it
 * @param source.start where the region begins in the picture
 * @param source.stride bytes from one source pixel to the next
 * @param source.reversed whether the region is read from its end
 */
export function sampleAxis(
  source: { side: number; length: number; start: number; stride: number; reversed?: boolean },
  { size, centred }: Pick<InputFormat, 'size' | 'centred'>,
): Axis {
  const before = centred ? paddingBefore(source) : 0;
  const low = new Int32Array(size);
  const high = new Int32Array(size);
  const lowShare = new Float64Array(size);
  const highShare = new Float64Array(size);
  const ratio = Math.fround(source.side / size);
  const turned = (index: number) => (source.reversed ? source.length - 1 - index : index);
  let [from, to] = [size, 0];
  for (let i = 0; i < size; i++) {
    const position = Math.fround(i * ratio);
    const whole = Math.trunc(position);
    const [near, far] = [whole - before, Math.min(whole + 1, source.side - 1) - before];
    const isInside = (index: number) => index >= 0 && index < source.length;
    const shares = [isInside(near) ? 1 - (position - whole) : 0, isInside(far) ? position - whole : 0] as const;
    if (shares[0] === 0 && shares[1] === 0) continue;
    from = Math.min(from, i);
    to = i + 1;
    [lowShare[i], highShare[i]] = shares;
    low[i] = (source.start + turned(isInside(near) ? near : far)) * source.stride;
    high[i] = (source.start + turned(isInside(far) ? far : near)) * source.stride;
  }
  return { low, high, lowShare, highShare, from, to };
}

/** ops/padToSquare.ts: the rounded half goes behind, so that an odd pixel does too. */
function paddingBefore({ side, length }: { side: number; length: number }): number {
  return side - length - Math.round((side - length) / 2);
}

/** The hot loop: three channels of a pixel in one go, and no function calls, make it four times as fast. */
function fillRow(
  target: Float32Array,
  pixels: Uint8Array,
  { mean, divisor }: InputFormat,
  { rows, columns, y, window }: { rows: Axis; columns: Axis; y: number; window: Region },
): void {
  const { low, high, lowShare, highShare } = columns;
  const from = Math.max(columns.from, window.left);
  const to = Math.min(columns.to, window.left + window.width);
  const top = rows.low[y] ?? 0;
  const bottom = rows.high[y] ?? 0;
  const topShare = (rows.lowShare[y] ?? 0) / divisor;
  const bottomShare = (rows.highShare[y] ?? 0) / divisor;
  const [red, green, blue] = [mean[0] / divisor, mean[1] / divisor, mean[2] / divisor];
  const [greenPlane, bluePlane] = [window.width * window.height, 2 * window.width * window.height];
  for (let x = from, i = (y - window.top) * window.width + from - window.left; x < to; x++, i++) {
    const a = top + (low[x] ?? 0);
    const b = top + (high[x] ?? 0);
    const c = bottom + (low[x] ?? 0);
    const d = bottom + (high[x] ?? 0);
    const ofA = topShare * (lowShare[x] ?? 0);
    const ofB = topShare * (highShare[x] ?? 0);
    const ofC = bottomShare * (lowShare[x] ?? 0);
    const ofD = bottomShare * (highShare[x] ?? 0);
    target[i] = at(pixels, a) * ofA + at(pixels, b) * ofB + at(pixels, c) * ofC + at(pixels, d) * ofD - red;
    target[i + greenPlane] =
      at(pixels, a + 1) * ofA + at(pixels, b + 1) * ofB + at(pixels, c + 1) * ofC + at(pixels, d + 1) * ofD - green;
    target[i + bluePlane] =
      at(pixels, a + 2) * ofA + at(pixels, b + 2) * ofB + at(pixels, c + 2) * ofC + at(pixels, d + 2) * ofD - blue;
  }
}

const at = (pixels: Uint8Array, offset: number) => pixels[offset] as number;
