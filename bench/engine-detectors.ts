import { readFile } from 'node:fs/promises';
import sharp from 'sharp';
import { decodePhoto } from '../recognizer/decode.ts';
import type { BoundingBox, Engine, Picture } from '../recognizer/engine/engine.ts';
import { createOnnxEngine } from '../recognizer/engine/onnx.ts';
import { findFaces } from '../recognizer/find-faces.ts';
import { median } from './figures.ts';

/** How much of a face's width and height stays around it in a tight crop, and the crop's side in pixels. */
const MARGIN = 0.1;
const CROP_SIDE = 150;

/** Milliseconds of processor time for a picture of each kind, the padded second look included. */
export interface DetectorTimes {
  readonly photo: number;
  readonly crop: number;
}

/**
 * DETECTOR=ssd and DETECTOR=auto turn by turn on the same pictures: photos, and one tight crop of each.
 *
 * @throws Error when they do not find the same faces
 */
export async function compareDetectors(
  paths: readonly string[],
  repeats: number,
): Promise<{ ssd: DetectorTimes; auto: DetectorTimes }> {
  const engines = {
    ssd: await createOnnxEngine({ detector: 'ssd' }),
    auto: await createOnnxEngine({ detector: 'auto' }),
  };
  const photos = await Promise.all(paths.map(async (path) => (await decodePhoto(await readFile(path))).picture));
  const crops = await Promise.all(photos.map((photo) => cropLargestFace(photo, engines.ssd)));
  const times = {
    ssd: { photo: [] as number[], crop: [] as number[] },
    auto: { photo: [] as number[], crop: [] as number[] },
  };
  for (let turn = 0; turn < repeats; turn++) {
    for (const [kind, pictures] of [
      ['photo', photos],
      ['crop', crops],
    ] as const) {
      for (const picture of pictures) {
        const [ssd, auto] = [await timeLook(engines.ssd, picture), await timeLook(engines.auto, picture)];
        if (ssd.boxes !== auto.boxes) throw new Error(`auto finds ${auto.boxes}, and ssd ${ssd.boxes}.`);
        times.ssd[kind].push(ssd.ms);
        times.auto[kind].push(auto.ms);
      }
    }
  }
  const medians = ({ photo, crop }: { photo: number[]; crop: number[] }) => ({
    photo: median(photo),
    crop: median(crop),
  });
  return { ssd: medians(times.ssd), auto: medians(times.auto) };
}

async function timeLook(engine: Engine, picture: Picture): Promise<{ ms: number; boxes: string }> {
  const before = process.cpuUsage();
  const faces = await findFaces(engine, picture);
  const { user, system } = process.cpuUsage(before);
  return { ms: (user + system) / 1000, boxes: JSON.stringify(faces.map(({ box }) => box)) };
}

async function cropLargestFace(photo: Picture, engine: Engine): Promise<Picture> {
  const [face] = await engine.describeFaces(photo);
  if (face === undefined) throw new Error('A photo that was to be cropped has no face.');
  const crop = sharp(photo.pixels, { raw: { width: photo.width, height: photo.height, channels: 3 } })
    .extract(widen(face.box, photo))
    .resize(CROP_SIDE, CROP_SIDE, { fit: 'inside' });
  return (await decodePhoto(await crop.png().toBuffer())).picture;
}

/** The box with its margin, in whole pixels of the photo. */
function widen(box: BoundingBox, { width, height }: Picture) {
  const left = Math.round(Math.max(0, box.left - box.width * MARGIN) * width);
  const top = Math.round(Math.max(0, box.top - box.height * MARGIN) * height);
  const right = Math.round(Math.min(1, box.left + box.width * (1 + MARGIN)) * width);
  const bottom = Math.round(Math.min(1, box.top + box.height * (1 + MARGIN)) * height);
  return { left, top, width: right - left, height: bottom - top };
}
