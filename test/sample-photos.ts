import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import sharp, { type Sharp } from 'sharp';
import type { BoundingBox, Recognition } from '../proto/face.ts';

/** The photos that ship with face-api; nobody is in two of them. */
export function samplePhoto(number: 1 | 2 | 3 | 4 | 5 | 6): string {
  return join(import.meta.dirname, `../node_modules/@vladmandic/face-api/demo/sample${number}.jpg`);
}

/** Cuts the face in a box out of a photo, with some of what is around it, as people crop enrolment photos. */
export async function cropFace(
  photo: string,
  { width, height }: Pick<Recognition, 'width' | 'height'>,
  box: BoundingBox,
): Promise<Sharp> {
  const margin = 0.3;
  const left = Math.max(0, box.left - box.width * margin);
  const top = Math.max(0, box.top - box.height * margin);
  return sharp(photo).extract({
    left: Math.round(left * width),
    top: Math.round(top * height),
    width: Math.round(Math.min(1 - left, box.width * (1 + 2 * margin)) * width),
    height: Math.round(Math.min(1 - top, box.height * (1 + 2 * margin)) * height),
  });
}

/** The photo as other cameras, programs and people would have left it. */
export const VARIANTS: Record<string, (photo: Sharp) => Sharp> = {
  mirrored: (photo) => photo.flop().jpeg(),
  greyscale: (photo) => photo.toColourspace('b-w').jpeg(),
  // Stored lying on its side, with the orientation that says so.
  'turned by EXIF': (photo) => photo.rotate(-90).withMetadata({ orientation: 6 }).jpeg(),
  smaller: (photo) => photo.resize(1100).webp(),
  'a 16-bit PNG': (photo) => photo.resize(1100).toColourspace('rgb16').png(),
  CMYK: (photo) => photo.toColourspace('cmyk').jpeg(),
};

export async function writeVariants(photo: string, folder: string): Promise<void> {
  const write = async ([name, change]: [string, (photo: Sharp) => Sharp]) =>
    writeFile(join(folder, name), await change(sharp(photo)).toBuffer());
  await Promise.all(Object.entries(VARIANTS).map(write));
}
