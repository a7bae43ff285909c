import { mkdir } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import sharp, { type Sharp } from 'sharp';

const FOLDER = join(dirname(createRequire(import.meta.url).resolve('@vladmandic/face-api/package.json')), 'demo');

/** face-api's demo photos: 1920 pixels wide, three to five faces each. */
export const SAMPLE_PHOTOS: readonly string[] = [1, 2, 3, 4, 5, 6].map((number) => join(FOLDER, `sample${number}.jpg`));

/** What cameras, phones and programs make of a photo. */
const SHAPES: readonly ((photo: Sharp, side: number) => Sharp)[] = [
  (photo, side) => photo.resize(side),
  (photo, side) => photo.resize(side, side),
  (photo, side) => photo.resize(Math.round(side * 0.7), side),
  (photo, side) => photo.resize(side).flop(),
  // Stored lying on its side, with the orientation that says so.
  (photo, side) => photo.resize(side).rotate(-90).withMetadata({ orientation: 6 }),
];
const FORMATS: readonly ((photo: Sharp) => Sharp)[] = [
  (photo) => photo.jpeg({ quality: 90 }),
  (photo) => photo.webp(),
  (photo) => photo.jpeg({ progressive: true }),
  (photo) => photo.png({ compressionLevel: 3 }),
  (photo) => photo.greyscale().jpeg(),
  (photo) => photo.toColourspace('cmyk').jpeg(),
  (photo) => photo.tiff({ compression: 'lzw' }),
];
const [SMALLEST_SIDE, LARGEST_SIDE] = [480, 2600];

/**
 * Writes photos of many sizes, shapes and formats, the same ones in every run.
 *
 * @returns their paths
 */
export async function writeVariedPhotos(folder: string, count: number): Promise<string[]> {
  await mkdir(folder, { recursive: true });
  const paths: string[] = [];
  for (let index = 0; index < count; index++) {
    // 577 shares no factor with the range: no side comes twice.
    const side = SMALLEST_SIDE + ((index * 577) % (LARGEST_SIDE - SMALLEST_SIDE));
    const photo = sharp(pick(SAMPLE_PHOTOS, index));
    const path = join(folder, `${index}`);
    await pick(FORMATS, index)(pick(SHAPES, index)(photo, side)).toFile(path);
    paths.push(path);
  }
  return paths;
}

function pick<Item>(items: readonly Item[], index: number): Item {
  return items[index % items.length] as Item;
}
