import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import sharp, { type Region, type Sharp } from 'sharp';

/** As a ratio of the photo's width and height, origin top-left. */
interface Box {
  left: number;
  top: number;
  width: number;
  height: number;
}

interface DemoPerson {
  /** Invented. */
  name: string;
  /** The face, in the one photo that shows this person. */
  face: Box;
}

interface DemoSample {
  file: string;
  /** How many faces a person sees in it. */
  faces: number;
  /** Those who are enrolled; all others are strangers to the demo. */
  known: readonly DemoPerson[];
}

/** What is true about a picture of the demo. */
export interface DemoPicture {
  /** Its path, relative to the folder of photos. */
  path: string;
  /** In a few words, for the table. */
  what: string;
  status: 'matched' | 'unknown' | 'no_face' | 'unreadable';
  faces: number;
  /** Everybody in it who is enrolled, by name. */
  people: readonly string[];
}

/**
 * The six photos inside @vladmandic/face-api. Who is who was decided by looking at them: 22 faces, and nobody who is enrolled
 * here is in a second photo.
 */
const SAMPLES: readonly DemoSample[] = [
  { file: 'sample1.jpg', faces: 3, known: [] },
  { file: 'sample2.jpg', faces: 3, known: [] },
  { file: 'sample3.jpg', faces: 3, known: [] },
  {
    file: 'sample4.jpg',
    faces: 4,
    known: [{ name: 'Ada Winter', face: { left: 0.515, top: 0.124, width: 0.088, height: 0.157 } }],
  },
  {
    file: 'sample5.jpg',
    faces: 5,
    known: [
      { name: 'Bea Summers', face: { left: 0.196, top: 0.615, width: 0.09, height: 0.215 } },
      { name: 'Cleo March', face: { left: 0.732, top: 0.279, width: 0.086, height: 0.194 } },
    ],
  },
  {
    file: 'sample6.jpg',
    faces: 4,
    known: [
      { name: 'Dora Vale', face: { left: 0.355, top: 0.209, width: 0.083, height: 0.2 } },
      { name: 'Enid Frost', face: { left: 0.774, top: 0.171, width: 0.11, height: 0.193 } },
    ],
  },
];

interface Variation {
  path: string;
  what: string;
  of: string;
  make: (photo: Sharp, size: { width: number; height: number }) => Sharp;
  /** The only person left in a crop. */
  only?: string;
}

const VARIATIONS: readonly Variation[] = [
  { path: 'mirrored.jpg', what: 'sample6, mirrored', of: 'sample6.jpg', make: (photo) => photo.flop() },
  { path: 'strangers-mirrored.jpg', what: 'sample1, mirrored', of: 'sample1.jpg', make: (photo) => photo.flop() },
  { path: 'small.jpg', what: 'sample5, 960 pixels wide', of: 'sample5.jpg', make: (photo) => photo.resize(960) },
  {
    path: 'lying.jpg',
    what: 'sample4, on its side, upright by EXIF',
    of: 'sample4.jpg',
    // Orientation 6: "turn me 90° clockwise to show me".
    make: (photo) => photo.rotate(-90).withMetadata({ orientation: 6 }),
  },
  { path: 'grey.jpg', what: 'sample6, greyscale', of: 'sample6.jpg', make: (photo) => photo.greyscale() },
  {
    path: 'cropped.jpg',
    what: 'sample5, one person cut out',
    of: 'sample5.jpg',
    make: (photo, size) => photo.extract(regionAround(findPerson('Cleo March'), size, 0.8)),
    only: 'Cleo March',
  },
];

const LANDSCAPE = `<svg xmlns="http://www.w3.org/2000/svg" width="1200" height="800">
  <rect width="1200" height="800" fill="#9ec9ee"/><circle cx="930" cy="170" r="70" fill="#fff3b0"/>
  <path d="M0 560 300 300 520 520 760 260 1200 600V800H0Z" fill="#5a7d5a"/><path d="M0 680Q600 560 1200 700V800H0Z" fill="#3f5f3f"/>
</svg>`;

/** Of the face's size, on each side: an enrolment photo shows a head, not just a face. */
const ENROLMENT_MARGIN = 0.6;

/**
 * Writes the demo's pictures into `photos` and one picture of each person to be known into a folder of their name in
 * `knownPeople`. Returns the truth about every picture, in the order in which they are to be submitted.
 */
export async function makeDemoPhotos(photos: string, knownPeople: string): Promise<DemoPicture[]> {
  const originals = dirname(createRequire(import.meta.url).resolve('@vladmandic/face-api/package.json'));
  const read = (file: string) => readFile(join(originals, 'demo', file));
  await mkdir(photos, { recursive: true });
  const pictures: DemoPicture[] = [];
  for (const sample of SAMPLES) {
    const bytes = await read(sample.file);
    await writeFile(join(photos, sample.file), bytes);
    for (const person of sample.known) await enrol(bytes, person, knownPeople);
    pictures.push(truthOf(sample, sample.file, 'as it is'));
  }
  for (const variation of VARIATIONS) {
    const bytes = await read(variation.of);
    const { width, height } = await sharp(bytes).metadata();
    await variation.make(sharp(bytes), { width, height }).jpeg({ quality: 90 }).toFile(join(photos, variation.path));
    pictures.push(truthOfVariation(variation));
  }
  await sharp(Buffer.from(LANDSCAPE)).jpeg().toFile(join(photos, 'landscape.jpg'));
  pictures.push({ path: 'landscape.jpg', what: 'hills, nobody', status: 'no_face', faces: 0, people: [] });
  await writeFile(join(photos, 'broken.jpg'), (await read('sample1.jpg')).subarray(0, 4_000));
  pictures.push({ path: 'broken.jpg', what: 'the first 4 kB of a photo', status: 'unreadable', faces: 0, people: [] });
  return pictures;
}

async function enrol(photo: Buffer, person: DemoPerson, knownPeople: string): Promise<void> {
  const folder = join(knownPeople, person.name);
  await mkdir(folder, { recursive: true });
  const { width, height } = await sharp(photo).metadata();
  const region = regionAround(person, { width, height }, ENROLMENT_MARGIN);
  await sharp(photo).extract(region).jpeg({ quality: 95 }).toFile(join(folder, '1.jpg'));
}

/** The face with a margin around it, in whole pixels, inside the photo. `margin` is a ratio of the face's size. */
function regionAround({ face }: DemoPerson, size: { width: number; height: number }, margin: number): Region {
  const left = Math.max(0, Math.round((face.left - margin * face.width) * size.width));
  const top = Math.max(0, Math.round((face.top - margin * face.height) * size.height));
  const right = Math.min(size.width, Math.round((face.left + (1 + margin) * face.width) * size.width));
  const bottom = Math.min(size.height, Math.round((face.top + (1 + margin) * face.height) * size.height));
  return { left, top, width: right - left, height: bottom - top };
}

function truthOf(sample: DemoSample, path: string, what: string): DemoPicture {
  const people = sample.known.map(({ name }) => name);
  return { path, what, status: people.length > 0 ? 'matched' : 'unknown', faces: sample.faces, people };
}

function truthOfVariation({ path, what, of, only }: Variation): DemoPicture {
  if (only) return { path, what, status: 'matched', faces: 1, people: [only] };
  const sample = SAMPLES.find(({ file }) => file === of);
  if (!sample) throw new Error(`no sample ${of}`);
  return truthOf(sample, path, what);
}

function findPerson(name: string): DemoPerson {
  const person = SAMPLES.flatMap(({ known }) => known).find((it) => it.name === name);
  if (!person) throw new Error(`nobody is called ${name}`);
  return person;
}
