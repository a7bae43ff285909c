import { createHash } from 'node:crypto';
import sharp, { type Metadata } from 'sharp';
import { messageOf, PermanentError } from '../lib/errors.ts';
import { DEFAULT_MAX_PIXELS } from '../lib/image-file.ts';
import { allowOnlyPhotoFormats, looksLikeSvg } from '../lib/image-formats.ts';
import type { Picture } from './engine/engine.ts';

/**
 * Longest side in pixels of what the engine sees; larger originals are decoded at this size. Shrinking changes
 * descriptors a little, so it is the same for known photos and for probes.
 */
export const MAX_SIDE = 2048;

allowOnlyPhotoFormats();

/**
 * SHA-256 of the profile "sRGB IEC61966-2.1" by Hewlett-Packard, which most cameras and programs embed to say that
 * nothing is to be converted. libvips converts all the same: three quarters of the time that decoding takes.
 */
const SRGB_PROFILE = '2b3aa1645779a9e634744faf9b01e9102b0c9b88fd6deced7934df86b949af7e';

export interface DecodeLimits {
  /** Width × height that a file may claim. */
  readonly maxPixels?: number;
  /**
   * After so long the caller gives up, and ends the thread that waits. libvips does not notice that: a second later it is
   * told to stop. Without it, the pixels may take as long as they like.
   */
  readonly maxMs?: number;
}

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
export async function decodePhoto(file: Uint8Array, limits: DecodeLimits = {}): Promise<DecodedPhoto> {
  const { maxPixels = DEFAULT_MAX_PIXELS, maxMs = 0 } = limits;
  if (file.length === 0) throw new PermanentError('image_empty', 'The file is empty.');
  if (looksLikeSvg(file)) {
    throw new PermanentError('image_format_unsupported', 'The file is an SVG drawing, which is no photo.');
  }
  const { width, height, ignoreIcc } = await readHeader(file, maxPixels);
  try {
    return { picture: await decodePixels(file, { maxPixels, maxMs, ignoreIcc }), width, height };
  } catch (error) {
    throw unreadable(error);
  }
}

async function readHeader(file: Uint8Array, maxPixels: number) {
  const { autoOrient, icc } = await readMetadata(file);
  const { width, height } = autoOrient;
  if (width * height > maxPixels) {
    throw new PermanentError(
      'image_too_large',
      `The picture has ${width} × ${height} pixels; at most ${sayPixels(maxPixels)} are read.`,
    );
  }
  return { width, height, ignoreIcc: icc !== undefined && hashOf(icc) === SRGB_PROFILE };
}

function hashOf(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

function sayPixels(pixels: number): string {
  return pixels >= 1e6 ? `${pixels / 1e6} million` : String(pixels);
}

async function readMetadata(file: Uint8Array): Promise<Metadata> {
  try {
    return await sharp(file, { limitInputPixels: false }).metadata();
  } catch (error) {
    throw unreadable(error);
  }
}

async function decodePixels(file: Uint8Array, options: { maxPixels: number; maxMs: number; ignoreIcc: boolean }) {
  const { maxPixels, maxMs, ignoreIcc } = options;
  const reading = { failOn: 'error', limitInputPixels: maxPixels, sequentialRead: true, ignoreIcc } as const;
  const { data, info } = await sharp(file, reading)
    .timeout({ seconds: maxMs > 0 ? Math.ceil(maxMs / 1000) + 1 : 0 })
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
  if (line === '' || line === 'Unknown error') return 'it is damaged';
  return line
    .replace(/^Input (buffer|file) /, 'it ')
    .replace(/^\w+: /, '')
    .replace(/[:.\s]+$/, '');
}
