import sharp from 'sharp';
import type { BoundingBox } from '../lib/images.ts';
import { HttpError } from './errors.ts';
import { JPEG_QUALITY, type Photo, readUprightSize, unreadable } from './photo.ts';

/** Around the box on each side, by its own size: a face is easier to recognise with some hair and chin. */
const MARGIN = 0.3;

export interface SeenPhoto {
  readonly box: BoundingBox;
  /** Pixels after EXIF rotation when the face was seen; null where nobody knows. */
  readonly width: number | null;
  readonly height: number | null;
}

/**
 * Cuts one face out of a photo.
 *
 * @param options.cropWidth pixels, never enlarged; without it the crop is as large as in the photo
 * @param options.maxPixels width × height that a file may claim; more is refused before it is decoded
 * @throws PermanentError `image_unreadable` or `image_too_large`
 * @throws HttpError 409 `photo_changed` when the file is another photo than the one in which the face was seen
 */
export async function renderCrop(
  file: Uint8Array,
  seen: SeenPhoto,
  { cropWidth, maxPixels }: { cropWidth: number | undefined; maxPixels: number },
): Promise<Photo> {
  const { width, height } = await readUprightSize(file, maxPixels);
  if ((seen.width ?? width) !== width || (seen.height ?? height) !== height) {
    throw new HttpError(409, 'photo_changed', 'The file is another photo than the one in which the face was seen.');
  }
  const region = cutOut(seen.box, width, height);
  try {
    const crop = sharp(file, { limitInputPixels: maxPixels, failOn: 'none' }).autoOrient().extract(region);
    const sized = cropWidth === undefined ? crop : crop.resize({ width: cropWidth, withoutEnlargement: true });
    const bytes = await sized.flatten({ background: '#fff' }).jpeg({ quality: JPEG_QUALITY }).toBuffer();
    return { type: 'image/jpeg', bytes };
  } catch (error) {
    throw unreadable(error);
  }
}

/** Whole pixels, within the picture, one at least. */
export function cutOut(box: BoundingBox, width: number, height: number) {
  const left = clamp(Math.floor((box.left - box.width * MARGIN) * width), 0, width - 1);
  const top = clamp(Math.floor((box.top - box.height * MARGIN) * height), 0, height - 1);
  const right = clamp(Math.ceil((box.left + box.width * (1 + MARGIN)) * width), left + 1, width);
  const bottom = clamp(Math.ceil((box.top + box.height * (1 + MARGIN)) * height), top + 1, height);
  return { left, top, width: right - left, height: bottom - top };
}

const clamp = (value: number, low: number, high: number) => Math.min(high, Math.max(low, value));
