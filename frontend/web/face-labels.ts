import type { BoundingBox, Face } from './api.ts';

/** Where the name of a face stands on the photo: ratios 0..1, as the boxes. */
export interface FaceLabel {
  readonly face: Face;
  readonly text: string;
  readonly left: number;
  readonly width: number;
  /** Names stand under the box, or above it where the photo ends. */
  readonly side: 'below' | 'above';
  readonly align: 'start' | 'center' | 'end';
}

/** Of the photo's height: what a line of text takes in a small thumbnail. */
const lineHeight = 0.15;
/** Of the photo's width: what "Unknown" needs in a small thumbnail, and what a name needs to be worth shortening. */
const roomForWord = 0.45;
const roomForName = 0.18;

/**
 * Gives every name the room between its neighbours: half-way to the next face whose name would stand on the same line,
 * so that the names in a group photo shorten rather than cover each other. A name is centred on its face, or begins
 * (ends) with the box where one side of it has no room.
 */
export function placeFaceLabels(faces: readonly Face[]): readonly FaceLabel[] {
  return faces.map((face) => {
    const slot = placeSlot(face, findRoom(face, faces));
    const side = standsAbove(face.box) ? 'above' : 'below';
    return { face, text: shortenName(face.person?.name ?? null, slot.width), side, ...slot };
  });
}

/** A stranger is "?" and a person has initials where there is no room for more. */
function shortenName(name: string | null, width: number): string {
  if (name === null) return width < roomForWord ? '?' : 'Unknown';
  if (width >= roomForName) return name;
  const words = name.split(/\s+/).filter((word) => word !== '');
  const ends = words.length > 1 ? [words[0], words.at(-1)] : words;
  return ends.map((word) => Array.from(word ?? '')[0] ?? '').join('');
}

function findRoom(face: Face, faces: readonly Face[]): { from: number; to: number } {
  const centre = centreOf(face.box);
  const gaps = faces
    .filter((other) => other !== face && Math.abs(lineOf(other.box) - lineOf(face.box)) < lineHeight)
    .map((other) => centreOf(other.box) - centre);
  const before = gaps.filter((gap) => gap < 0).map((gap) => centre + gap / 2);
  const after = gaps.filter((gap) => gap >= 0).map((gap) => centre + gap / 2);
  return { from: Math.max(0, ...before), to: Math.min(1, ...after) };
}

function placeSlot(
  { box }: Face,
  { from, to }: { from: number; to: number },
): Pick<FaceLabel, 'left' | 'width' | 'align'> {
  const centre = centreOf(box);
  const reach = Math.min(centre - from, to - centre);
  const isLopsided = reach < roomForWord / 2 && to - from > 3 * reach;
  if (!isLopsided) return { left: centre - reach, width: 2 * reach, align: 'center' };
  if (to - centre > reach) {
    const left = Math.max(from, box.left);
    return { left, width: to - left, align: 'start' };
  }
  const right = Math.min(to, box.left + box.width);
  return { left: from, width: right - from, align: 'end' };
}

function centreOf(box: BoundingBox): number {
  return box.left + box.width / 2;
}

/** Where the name's line is, from the top. */
function lineOf(box: BoundingBox): number {
  return standsAbove(box) ? box.top - lineHeight : box.top + box.height;
}

function standsAbove(box: BoundingBox): boolean {
  return box.top + box.height + lineHeight > 1;
}
