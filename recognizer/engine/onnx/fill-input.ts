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
 * @param target 3 × size × size floats, channel by channel
 * @param region must lie inside the picture
 */
export function fillInput(target: Float32Array, picture: Picture, region: Region, format: InputFormat): void {
  const { size, mean, divisor } = format;
  const plane = size * size;
  for (const [channel, value] of mean.entries()) target.fill(-value / divisor, channel * plane, (channel + 1) * plane);
  const side = Math.max(region.width, region.height);
  const columns = sampleAxis({ side, length: region.width, start: region.left, stride: 3 }, format);
  const rows = sampleAxis({ side, length: region.height, start: region.top, stride: 3 * picture.width }, format);
  for (let y = rows.from; y < rows.to; y++) fillRow(target, picture.pixels, format, { rows, columns, y });
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
 */
export function sampleAxis(
  source: { side: number; length: number; start: number; stride: number },
  { size, centred }: Pick<InputFormat, 'size' | 'centred'>,
): Axis {
  const before = centred ? paddingBefore(source) : 0;
  const low = new Int32Array(size);
  const high = new Int32Array(size);
  const lowShare = new Float64Array(size);
  const highShare = new Float64Array(size);
  const ratio = Math.fround(source.side / size);
  let [from, to] = [size, 0];
  for (let i = 0; i < size; i++) {
    const position = Math.fround(i * ratio);
    const whole = Math.trunc(position);
    const [near, far] = [whole - before, Math.min(whole + 1, source.side - 1) - before];
    const isInside = (index: number) => index >= 0 && index < source.length;
    if (!isInside(near) && !isInside(far)) continue;
    from = Math.min(from, i);
    to = i + 1;
    lowShare[i] = isInside(near) ? 1 - (position - whole) : 0;
    highShare[i] = isInside(far) ? position - whole : 0;
    low[i] = (source.start + (isInside(near) ? near : far)) * source.stride;
    high[i] = (source.start + (isInside(far) ? far : near)) * source.stride;
  }
  return { low, high, lowShare, highShare, from, to };
}

/** ops/padToSquare.ts: the rounded half goes behind, so that an odd pixel does too. */
function paddingBefore({ side, length }: { side: number; length: number }): number {
  return side - length - Math.round((side - length) / 2);
}

function fillRow(
  target: Float32Array,
  pixels: Uint8Array,
  { size, mean, divisor }: InputFormat,
  { rows, columns, y }: { rows: Axis; columns: Axis; y: number },
): void {
  const plane = size * size;
  const [top, bottom] = [rows.low[y] as number, rows.high[y] as number];
  const [topShare, bottomShare] = [(rows.lowShare[y] as number) / divisor, (rows.highShare[y] as number) / divisor];
  const [red, green, blue] = [mean[0] / divisor, mean[1] / divisor, mean[2] / divisor];
  for (let x = columns.from; x < columns.to; x++) {
    const [left, right] = [columns.low[x] as number, columns.high[x] as number];
    const [leftShare, rightShare] = [columns.lowShare[x] as number, columns.highShare[x] as number];
    const blend = (channel: number) =>
      ((pixels[top + left + channel] as number) * leftShare + (pixels[top + right + channel] as number) * rightShare) *
        topShare +
      ((pixels[bottom + left + channel] as number) * leftShare +
        (pixels[bottom + right + channel] as number) * rightShare) *
        bottomShare;
    const to = y * size + x;
    target[to] = blend(0) - red;
    target[to + plane] = blend(1) - green;
    target[to + 2 * plane] = blend(2) - blue;
  }
}
