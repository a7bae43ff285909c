import type { BoundingBox, DescribedFace, DescribeOptions, Engine, Picture } from './engine/engine.ts';
import { padPicture, unpadBox, unpadPoints } from './pad-picture.ts';
import { untimed } from './stages.ts';

/** How near to the border, as a ratio, a box counts as cut by it. */
const BORDER = 0.02;
/** From this share of the picture's area on, a cut box means a picture that was cropped to one face. */
const FRAME_FILLING_AREA = 0.25;
/** Boxes that overlap more than this (intersection over union) are the same face. */
const SAME_FACE_OVERLAP = 0.3;

export interface FindOptions extends DescribeOptions {
  readonly minFacePixels?: number;
}

/**
 * Every face of a picture, largest first.
 *
 * The detector misses faces that fill the frame, as in most enrolment folders, or draws poor boxes around them. Where
 * nothing was found, or a face fills the frame and is cut by it, the picture is padded by its own size on each side and
 * looked at again. On 24 tight crops (docs/adr/0005) that names 22 people instead of 2, and costs ordinary photos nothing.
 *
 * @param options.mirrored whether the mirror image of each face is described as well
 * @param options.time is told of the engine's stages
 * @param options.minFacePixels faces are left out whose box is smaller on its shorter side, in pixels of `picture`
 */
export async function findFaces(
  engine: Engine,
  picture: Picture,
  { minFacePixels = 0, mirrored = false, time = untimed }: FindOptions = {},
): Promise<readonly DescribedFace[]> {
  const faces = await findFacesOfAnySize(engine, picture, { mirrored, time });
  return faces.filter(({ box }) => shorterSideOf(box, picture) >= minFacePixels);
}

/** Pixels of the picture. */
function shorterSideOf(box: BoundingBox, { width, height }: Picture): number {
  return Math.min(box.width * width, box.height * height);
}

async function findFacesOfAnySize(
  engine: Engine,
  picture: Picture,
  options: DescribeOptions,
): Promise<readonly DescribedFace[]> {
  const seen = await engine.describeFaces(picture, options);
  const tight = seen.filter(({ box }) => isCutByFrame(box));
  if (seen.length > 0 && tight.length === 0) return seen;

  const whole = seen.filter((face) => !tight.includes(face));
  const padded = (await engine.describeFaces(await padPicture(picture), options))
    .flatMap(mapBack)
    .filter((face) => !overlapsAny(face, whole));
  const missedWhenPadded = tight.filter((face) => !overlapsAny(face, padded));
  return [...whole, ...padded, ...missedWhenPadded].sort((a, b) => areaOf(b.box) - areaOf(a.box));
}

function isCutByFrame(box: BoundingBox): boolean {
  const room = Math.min(box.left, box.top, 1 - box.left - box.width, 1 - box.top - box.height);
  return room < BORDER && areaOf(box) >= FRAME_FILLING_AREA;
}

function mapBack(face: DescribedFace): DescribedFace[] {
  const box = unpadBox(face.box);
  return box ? [{ ...face, box, landmarks: unpadPoints(face.landmarks) }] : [];
}

function overlapsAny(face: DescribedFace, others: readonly DescribedFace[]): boolean {
  return others.some((other) => overlapOf(face.box, other.box) > SAME_FACE_OVERLAP);
}

function overlapOf(a: BoundingBox, b: BoundingBox): number {
  const width = Math.min(a.left + a.width, b.left + b.width) - Math.max(a.left, b.left);
  const height = Math.min(a.top + a.height, b.top + b.height) - Math.max(a.top, b.top);
  if (width <= 0 || height <= 0) return 0;
  return (width * height) / (areaOf(a) + areaOf(b) - width * height);
}

function areaOf(box: BoundingBox): number {
  return box.width * box.height;
}
