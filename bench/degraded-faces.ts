import { existsSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import sharp, { type Sharp } from 'sharp';
import type { FaceQuality } from '../lib/face-quality.ts';
import { distanceBetween } from '../lib/similarity.ts';
import { decodePhoto } from '../recognizer/decode.ts';
import type { DescribedFace, Engine, Picture } from '../recognizer/engine/engine.ts';
import { findFaces } from '../recognizer/find-faces.ts';
import { judgeFace } from '../recognizer/quality.ts';

/** A face as the recognizer sees it, whose person is known. */
export interface Sighting {
  readonly person: string;
  /** The photo and the face in it; the same for all that was made of it. */
  readonly source: string;
  /** What was done to it; ORIGINAL if nothing. */
  readonly change: string;
  readonly descriptor: Float32Array;
  readonly confidence: number;
  readonly quality: FaceQuality;
}

/** A face in its surroundings, the picture that is degraded. */
export interface Original extends Sighting {
  readonly png: Buffer;
  /** Pixels: of the cut-out, and of the face in it. */
  readonly width: number;
  readonly height: number;
  readonly centre: { readonly x: number; readonly y: number };
  readonly facePixels: number;
}

/** The change of an original. */
export const ORIGINAL = 'as it is';

const DEMO = join(dirname(createRequire(import.meta.url).resolve('@vladmandic/face-api/package.json')), 'demo');
const FACES = join(process.cwd(), '../shared/faces');
/** How much of what is around a face belongs to the cut-out, as a share of the box on each side. */
const MARGIN = 1;
/** A face of a group photo belongs to the person whose crop is so near; others are left out. */
const SURE_DISTANCE = 0.55;

interface Change {
  readonly name: string;
  /** Pixels of the new picture by those of the old. */
  readonly scale?: (facePixels: number) => number;
  /** Degrees, clockwise. */
  readonly turn?: number;
  readonly apply?: (picture: Sharp) => Sharp;
}

/** One after the other as worse cameras, lenses, lights, networks and poses do it. */
const CHANGES: readonly Change[] = [
  ...[16, 20, 24, 28, 40, 64].map((pixels) => ({
    name: `${pixels} pixels`,
    scale: (face: number) => Math.min(1, pixels / face),
  })),
  ...[0.015, 0.025, 0.04].map((share) => ({
    name: `blurred by ${share} of the face`,
    scale: (face: number) => Math.min(1, 120 / face),
    apply: (picture: Sharp) => picture.blur(Math.max(0.3, share * 120)),
  })),
  ...[0.25, 0.12].map((light) => ({
    name: `${light} of the light`,
    apply: (picture: Sharp) => picture.linear(light, 0).jpeg({ quality: 80 }),
  })),
  {
    name: 'JPEG of quality 20 at 64 pixels',
    scale: (face: number) => Math.min(1, 64 / face),
    apply: (picture: Sharp) => picture.jpeg({ quality: 20 }),
  },
  ...[15, -25, 40].map((turn) => ({ name: `turned by ${turn}°`, turn })),
];

/** The faces of face-api's demo photos, no two of one person, and of the labelled photos where they are there. */
export async function collectFaces(engine: Engine, say: (line: string) => void): Promise<Original[]> {
  const originals: Original[] = [];
  for (const number of [1, 2, 3, 4, 5, 6]) {
    originals.push(...(await cutOut(engine, join(DEMO, `sample${number}.jpg`), (index) => `demo ${number}.${index}`)));
  }
  if (!existsSync(FACES)) {
    say(`no labelled photos in ${FACES}: only strangers are compared`);
    return originals;
  }
  for (const folder of ['known', 'query']) {
    for (const person of await readdir(join(FACES, folder))) {
      for (const file of await readdir(join(FACES, folder, person))) {
        const found = await cutOut(engine, join(FACES, folder, person, file), () => person);
        originals.push(...found.slice(0, 1));
      }
    }
  }
  const crops = originals.filter(({ person }) => !person.startsWith('demo'));
  for (const file of await readdir(join(FACES, 'group'))) {
    const found = await cutOut(engine, join(FACES, 'group', file), () => '');
    originals.push(...found.flatMap((face) => recognise(face, crops)));
  }
  return originals;
}

function recognise(face: Original, crops: readonly Original[]): Original[] {
  const near = crops
    .map(({ person, descriptor }) => ({ person, distance: distanceBetween(face.descriptor, descriptor) }))
    .sort((a, b) => a.distance - b.distance)[0];
  return near && near.distance <= SURE_DISTANCE ? [{ ...face, person: near.person }] : [];
}

async function cutOut(engine: Engine, path: string, personOf: (index: number) => string): Promise<Original[]> {
  const { picture } = await decodePhoto(await readFile(path));
  const faces = await findFaces(engine, picture);
  return Promise.all(
    faces.map(async (face, index) => {
      const region = around(face, picture);
      const raw = { width: picture.width, height: picture.height, channels: 3 as const };
      return {
        ...describe(face, picture),
        person: personOf(index),
        source: `${path} ${index}`,
        change: ORIGINAL,
        png: await sharp(picture.pixels, { raw }).extract(region).png().toBuffer(),
        width: region.width,
        height: region.height,
        centre: {
          x: (face.box.left + face.box.width / 2) * picture.width - region.left,
          y: (face.box.top + face.box.height / 2) * picture.height - region.top,
        },
        facePixels: Math.min(face.box.width * picture.width, face.box.height * picture.height),
      };
    }),
  );
}

function around({ box }: DescribedFace, { width, height }: Picture) {
  const left = Math.max(0, Math.floor((box.left - box.width * MARGIN) * width));
  const top = Math.max(0, Math.floor((box.top - box.height * MARGIN) * height));
  const right = Math.min(width, Math.ceil((box.left + box.width * (1 + MARGIN)) * width));
  const bottom = Math.min(height, Math.ceil((box.top + box.height * (1 + MARGIN)) * height));
  return { left, top, width: right - left, height: bottom - top };
}

function describe(face: DescribedFace, picture: Picture) {
  return { descriptor: face.descriptor, confidence: face.confidence, quality: judgeFace(face, picture) };
}

/** What is still seen of a face after each change; changes after which it is not found any more are left out. */
export async function degradeFace(engine: Engine, original: Original): Promise<Sighting[]> {
  const seen: Sighting[] = [];
  for (const change of CHANGES) {
    const scale = change.scale?.(original.facePixels) ?? 1;
    const width = Math.max(8, Math.round(original.width * scale));
    let picture = sharp(await sharp(original.png).resize(width).png().toBuffer());
    if (change.turn !== undefined) picture = picture.rotate(change.turn, { background: 'black' });
    const { picture: changed } = await decodePhoto(await (change.apply?.(picture) ?? picture).toBuffer());
    const place = placeAfter(original, changed, scale, change.turn ?? 0);
    const face = (await findFaces(engine, changed)).find(({ box }) => {
      const x = (box.left + box.width / 2) * changed.width - place.x;
      const y = (box.top + box.height / 2) * changed.height - place.y;
      return Math.hypot(x, y) < (original.facePixels * scale) / 2;
    });
    if (face === undefined) continue;
    const { person, source } = original;
    seen.push({ person, source, change: change.name, ...describe(face, changed) });
  }
  return seen;
}

/** Where the middle of the face is after the picture has been scaled and then turned about its own middle. */
function placeAfter({ centre, width, height }: Original, changed: Picture, scale: number, turn: number) {
  const x = (centre.x - width / 2) * scale;
  const y = (centre.y - height / 2) * scale;
  const angle = (turn * Math.PI) / 180;
  return {
    x: changed.width / 2 + x * Math.cos(angle) - y * Math.sin(angle),
    y: changed.height / 2 + x * Math.sin(angle) + y * Math.cos(angle),
  };
}

const JUDGED = 200;

/** Milliseconds that judging the five faces of a demo photo takes, on average. */
export async function timeJudging(engine: Engine): Promise<number> {
  const { picture } = await decodePhoto(await readFile(join(DEMO, 'sample5.jpg')));
  const faces = await findFaces(engine, picture);
  const started = performance.now();
  for (let times = 0; times < JUDGED; times++) for (const face of faces) judgeFace(face, picture);
  return (performance.now() - started) / JUDGED;
}
