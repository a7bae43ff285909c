import sharp from 'sharp';
import { messageOf, PermanentError } from '../lib/errors.ts';

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

const MAX_PIXELS = 200_000_000;
const JPEG_QUALITY = 82;

/**
 * A photo in a format that browsers show.
 *
 * @param width pixels; makes a thumbnail, never enlarged. Without it the original's bytes are kept where browsers show
 *   its format.
 * @throws PermanentError `image_unreadable`
 */
export async function renderPhoto(file: Uint8Array, width: number | undefined): Promise<Photo> {
  try {
    const picture = sharp(file, { limitInputPixels: MAX_PIXELS, failOn: 'none' });
    const { format } = await picture.metadata();
    const type = SHOWN_BY_BROWSERS.get(format ?? '');
    if (width === undefined && type !== undefined) return { type, bytes: file };
    const upright = picture.rotate();
    const sized = width === undefined ? upright : upright.resize({ width, withoutEnlargement: true });
    const bytes = await sized.flatten({ background: '#fff' }).jpeg({ quality: JPEG_QUALITY }).toBuffer();
    return { type: 'image/jpeg', bytes };
  } catch (error) {
    throw new PermanentError('image_unreadable', `The file is no picture that can be shown: ${messageOf(error)}`, {
      cause: error,
    });
  }
}
