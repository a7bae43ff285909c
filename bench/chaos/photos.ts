import { copyFile, link, mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import sharp from 'sharp';
import { makeDemoPhotos } from '../../cli/demo-photos.ts';
import type { ImageStatus } from '../../lib/images.ts';

/** A kind of photo, and what becomes of it where nothing goes wrong. */
export interface PhotoKind {
  readonly name: string;
  readonly status: ImageStatus;
  /** Below the folder of samples; null: there is no file at all. */
  readonly file: string | null;
  /** Of so many in the mix. */
  readonly share: number;
}

/** Small, so that the load is on everything but the networks; half of it needs none. */
export const PHOTO_KINDS: readonly PhotoKind[] = [
  { name: 'known', status: 'matched', file: 'known.jpg', share: 3 },
  { name: 'stranger', status: 'unknown', file: 'stranger.jpg', share: 1 },
  { name: 'landscape', status: 'no_face', file: 'landscape.jpg', share: 1 },
  { name: 'broken', status: 'unreadable', file: 'broken.jpg', share: 3 },
  { name: 'missing', status: 'unreadable', file: null, share: 2 },
];

const WIDTH = 320;

/** Writes one photo of each kind into `samples`, and who is to be known into `knownPeople`. */
export async function writeSamples(samples: string, knownPeople: string): Promise<void> {
  const demo = join(samples, 'demo');
  await makeDemoPhotos(demo, knownPeople);
  await copyFile(join(demo, 'cropped.jpg'), join(samples, 'known.jpg'));
  await sharp(join(demo, 'sample1.jpg'))
    .resize(2 * WIDTH)
    .jpeg()
    .toFile(join(samples, 'stranger.jpg'));
  await sharp(join(demo, 'landscape.jpg')).resize(WIDTH).jpeg().toFile(join(samples, 'landscape.jpg'));
  await copyFile(join(demo, 'broken.jpg'), join(samples, 'broken.jpg'));
}

/** One photo of the load. */
export interface LoadPhoto {
  readonly kind: PhotoKind;
  /** Relative to IMAGE_ROOTS; of an upload it is known when it has been accepted. */
  readonly path: string;
  /** The photo itself, where it is uploaded. */
  readonly upload: Buffer | null;
}

/** Every twentieth photo is uploaded. */
const UPLOAD_EVERY = 20;

/**
 * Makes the photos of a load: different paths, one a photo, to a few files on the same disk (hard links cost it nothing), and
 * uploads that differ in what follows the picture.
 */
export async function writeLoad(photosFolder: string, samples: string, count: number): Promise<LoadPhoto[]> {
  const mix = PHOTO_KINDS.flatMap((kind) => Array.from({ length: kind.share }, () => kind));
  await mkdir(join(photosFolder, 'load'));
  const uploaded = await readFile(join(samples, 'known.jpg'));
  const photos: LoadPhoto[] = [];
  for (let index = 0; index < count; index++) {
    // 7 shares no factor with 10: the kinds take turns.
    const kind = mix[(index * 7) % mix.length] as PhotoKind;
    const path = join('load', `${index}.jpg`);
    const isUpload = index % UPLOAD_EVERY === UPLOAD_EVERY - 1;
    if (isUpload) {
      const upload = Buffer.concat([uploaded, Buffer.from(`\n${index}`)]);
      photos.push({ kind: PHOTO_KINDS[0] as PhotoKind, path: `upload ${index}`, upload });
      continue;
    }
    if (kind.file !== null) await link(join(samples, kind.file), join(photosFolder, path));
    photos.push({ kind, path, upload: null });
  }
  return photos;
}
