import { createHash } from 'node:crypto';
import sharp, { type Metadata } from 'sharp';
import { messageOf, PermanentError } from '../lib/errors.ts';
import type { Picture } from './engine/engine.ts';

/**
 * Longest side in pixels of what the engine sees; larger originals are decoded at this size. Shrinking changes
 * descriptors a little, so it is the same for known photos and for probes.
 */
export const MAX_SIDE = 2048;

/** What a file may claim to hold before it is decoded: a few kilobytes can unpack to gigabytes. */
export const MAX_PIXELS = 200_000_000;

/**
 * SHA-256 of the profile "sRGB IEC61966-2.1" by Hewlett-Packard, which most cameras and programs embed to say that
 * nothing is to be converted. libvips converts all the same: three quarters of the time that decoding takes.
 */
const SRGB_PROFILE = '2b3aa1645779a9e634744faf9b01e9102b0c9b88fd6deced7934df86b949af7e';

/** What libvips would read but nobody means as a photo (SVG, PDF, …) stays out. */
const FORMATS = new Set(['jpeg', 'png', 'webp', 'gif', 'tiff', 'heif', 'avif', 'jp2', 'jxl']);

export interface DecodedPhoto {
  readonly picture: Picture;
  /** Pixels of the original after EXIF rotation. */
  readonly width: number;
  readonly height: number;
}

/**
 * Decodes a photo for the engine: first frame, EXIF rotation applied, colours turned to 8-bit sRGB by the embedded
 * profile, transparency laid on white, three channels whatever the file had.
 *
 * A file that ends early or is damaged is refused: what can be seen of it would depend on how much had been copied.
 *
 * @throws PermanentError `image_empty`, `image_unreadable`, `image_format_unsupported` or `image_too_large`
 */
export async function decodePhoto(file: Uint8Array): Promise<DecodedPhoto> {
  if (file.length === 0) throw new PermanentError('image_empty', 'The file is empty.');
  const { width, height, ignoreIcc } = await readHeader(file);
  try {
    return { picture: await decodePixels(file, ignoreIcc), width, height };
  } catch (error) {
    throw unreadable(error);
  }
}

async function readHeader(file: Uint8Array): Promise<{ width: number; height: number; ignoreIcc: boolean }> {
  const metadata = await readMetadata(file);
  if (!FORMATS.has(metadata.format)) {
    throw new PermanentError('image_format_unsupported', `Photos in the format ${metadata.format} are not supported.`);
  }
  const { width, height } = metadata.autoOrient;
  if (width * height > MAX_PIXELS) {
    throw new PermanentError(
      'image_too_large',
      `The picture has ${width} × ${height} pixels; at most ${MAX_PIXELS / 1e6} million are read.`,
    );
  }
  const { icc } = metadata;
  return { width, height, ignoreIcc: icc !== undefined && hashOf(icc) === SRGB_PROFILE };
}

function hashOf(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

async function readMetadata(file: Uint8Array): Promise<Metadata> {
  try {
    return await sharp(file, { limitInputPixels: false }).metadata();
  } catch (error) {
    throw unreadable(error);
  }
}

async function decodePixels(file: Uint8Array, ignoreIcc: boolean): Promise<Picture> {
  const options = { failOn: 'error', limitInputPixels: MAX_PIXELS, sequentialRead: true, ignoreIcc } as const;
  const { data, info } = await sharp(file, options)
    .autoOrient()
    .resize({ width: MAX_SIDE, height: MAX_SIDE, fit: 'inside', withoutEnlargement: true })
    .flatten({ background: 'white' })
    .toColourspace('srgb')
    .raw({ depth: 'uchar' })
    .toBuffer({ resolveWithObject: true });
  return { pixels: expandToThreeChannels(data, info.channels), width: info.width, height: info.height };
}

/** libvips keeps grey pictures at one channel, in which the networks find nothing. */
function expandToThreeChannels(pixels: Uint8Array, channels: number): Uint8Array {
  if (channels === 3) return pixels;
  const expanded = new Uint8Array((pixels.length / channels) * 3);
  for (let from = 0, to = 0; from < pixels.length; from += channels, to += 3) {
    const grey = pixels[from] ?? 0;
    expanded.fill(grey, to, to + 3);
  }
  return expanded;
}

function unreadable(cause: unknown): PermanentError {
  return new PermanentError('image_unreadable', `The file cannot be read as a picture: ${plainReason(cause)}.`, {
    cause,
  });
}

/** libvips reports several lines, each with the name of its loader; the first says it. */
function plainReason(error: unknown): string {
  const [line = ''] = messageOf(error).split('\n');
  return line
    .replace(/^Input (buffer|file) /, 'it ')
    .replace(/^\w+: /, '')
    .replace(/[:.\s]+$/, '');
}
