import sharp from 'sharp';
import { messageOf, PermanentError } from '../lib/errors.ts';
import { allowOnlyPhotoFormats } from '../lib/image-formats.ts';

export interface Photo {
  readonly type: string;
  readonly bytes: Uint8Array;
}

/** Formats that browsers show, with EXIF rotation, as they are. Not SVG: it can carry scripts. */
const SHOWN_BY_BROWSERS = new Map([
  ['jpeg', 'image/jpeg'],
  ['png', 'image/png'],
  ['webp', 'image/webp'],
  ['gif', 'image/gif'],
]);

export const JPEG_QUALITY = 82;

allowOnlyPhotoFormats();

/**
 * A photo in a format that browsers show.
 *
 * @param width pixels; makes a thumbnail, never enlarged. Without it the original's bytes are kept where browsers show
 *   its format.
 * @param limits.maxPixels width × height that a file may claim; more is refused before it is decoded
 * @throws PermanentError `image_unreadable` or `image_too_large`
 */
export async function renderPhoto(
  file: Uint8Array,
  width: number | undefined,
  limits: { maxPixels: number },
): Promise<Photo> {
  try {
    const { format } = await readUprightSize(file, limits.maxPixels);
    const type = SHOWN_BY_BROWSERS.get(format);
    if (width === undefined && type !== undefined) return { type, bytes: file };
    const upright = sharp(file, { limitInputPixels: limits.maxPixels, failOn: 'none' }).rotate();
    const sized = width === undefined ? upright : upright.resize({ width, withoutEnlargement: true });
    const bytes = await sized.flatten({ background: '#fff' }).jpeg({ quality: JPEG_QUALITY }).toBuffer();
    return { type: 'image/jpeg', bytes };
  } catch (error) {
    throw unreadable(error);
  }
}

/**
 * The format of a photo, and its size in pixels after EXIF rotation, of its header alone.
 *
 * @throws PermanentError `image_unreadable` or `image_too_large`
 */
export async function readUprightSize(file: Uint8Array, maxPixels: number) {
  const { format, autoOrient } = await sharp(file, { limitInputPixels: false })
    .metadata()
    .catch((error: unknown) => {
      throw unreadable(error);
    });
  const { width, height } = autoOrient;
  if (width * height > maxPixels) {
    const message = `The picture has ${width} × ${height} pixels; at most ${maxPixels} are read.`;
    throw new PermanentError('image_too_large', message);
  }
  return { format, width, height };
}

/** What libvips says of a file, as an error that is the file's; one that is so already stays as it is. */
export function unreadable(error: unknown): PermanentError {
  if (error instanceof PermanentError) return error;
  const message = `The file is no picture that can be shown: ${messageOf(error)}`;
  return new PermanentError('image_unreadable', message, { cause: error });
}
