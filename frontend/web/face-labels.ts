import type { BoundingBox, Face } from './api.ts';
import { t } from './texts.ts';

/** Where the name of a face stands on the photo: ratios 0..1 of the photo, as the boxes. */
export interface FaceLabel {
  readonly face: Face;
  readonly text: string;
  /** The slot that the name has for itself. */
  readonly left: number;
  readonly width: number;
  /** Where in the slot its face is, 0..1: the room that the name leaves is shared out in this proportion. */
  readonly anchor: number;
  readonly side: Side;
}

/** Names stand under the box; where the photo ends, above it; where it ends there too, inside the box. */
type Side = 'below' | 'above' | 'inside';

/** What a line of text takes of the height of a small thumbnail that is as high as it is wide. */
const lineOfSquare = 0.12;
/** Of the photo's width: half a question mark, the word "Unknown", and the least that a shortened name is worth. */
const roomForMark = 0.06;
const roomForWord = 0.45;
const roomForName = 0.18;

/**
 * Gives every name the room between those beside it on the same line, so that the names in a group photo shorten rather
 * than cover each other. Strangers, who have a question mark at least, make room for people with names.
 *
 * @param ratio the photo's width by its height
 */
export function placeFaceLabels(faces: readonly Face[], ratio: number): readonly FaceLabel[] {
  const lineHeight = lineOfSquare * Math.max(1, ratio);
  return faces.map((face) => {
    const { from, to } = findRoom(face, faces, lineHeight);
    return {
      face,
      text: shortenName(face.person?.name ?? null, to - from),
      left: from,
      width: to - from,
      anchor: to > from ? (centreOf(face.box) - from) / (to - from) : 0.5,
      side: chooseSide(face.box, lineHeight),
    };
  });
}

/** A stranger is "?" and a person has initials where there is no room for more. */
function shortenName(name: string | null, width: number): string {
  if (name === null) return width < roomForWord ? '?' : t('status.unknown');
  if (width >= roomForName) return name;
  const words = name.split(/\s+/).filter((word) => word !== '');
  const ends = words.length > 1 ? [words[0], words.at(-1)] : words;
  return ends.map((word) => Array.from(word ?? '')[0] ?? '').join('');
}

function findRoom(face: Face, faces: readonly Face[], lineHeight: number): { from: number; to: number } {
  const centre = centreOf(face.box);
  let from = 0;
  let to = 1;
  for (const other of faces) {
    if (other === face) continue;
    if (Math.abs(topOfLine(other.box, lineHeight) - topOfLine(face.box, lineHeight)) >= lineHeight) continue;
    const gap = centreOf(other.box) - centre;
    const border = centre + Math.sign(gap) * shareOf(face, other, Math.abs(gap));
    if (gap < 0) from = Math.max(from, border);
    else to = Math.min(to, border);
  }
  return { from, to };
}

/** How much of the gap between two centres is the first one's. */
function shareOf(face: Face, other: Face, gap: number): number {
  if ((face.person === null) === (other.person === null)) return gap / 2;
  const stranger = Math.min(roomForMark, gap / 2);
  return face.person === null ? stranger : gap - stranger;
}

function centreOf(box: BoundingBox): number {
  return box.left + box.width / 2;
}

function topOfLine(box: BoundingBox, lineHeight: number): number {
  const bottom = box.top + box.height;
  return { below: bottom, above: box.top - lineHeight, inside: bottom - lineHeight }[chooseSide(box, lineHeight)];
}

function chooseSide(box: BoundingBox, lineHeight: number): Side {
  if (box.top + box.height + lineHeight <= 1) return 'below';
  return box.top >= lineHeight ? 'above' : 'inside';
}
