import type { BoundingBox, Face } from './api.ts';

/** Where the name of a face stands on the photo: ratios 0..1, as the boxes. */
export interface FaceLabel {
  readonly face: Face;
  readonly left: number;
  readonly width: number;
  /** Names stand under the box, or above it where the photo ends. */
  readonly side: 'below' | 'above';
  readonly align: 'start' | 'center' | 'end';
}

/** Of the photo's height: what a line of text takes in a small thumbnail. */
const lineHeight = 0.15;
const widest = 0.7;

/**
 * Gives every name the room between its neighbours: half-way to the next face whose name would stand on the same
 * line, so that the names in a group photo shorten rather than cover each other.
 */
export function placeFaceLabels(faces: readonly Face[]): readonly FaceLabel[] {
  return faces.map((face) => {
    const centre = centreOf(face.box);
    const line = lineOf(face.box);
    const gaps = faces
      .filter((other) => other !== face && Math.abs(lineOf(other.box) - line) < lineHeight)
      .map((other) => Math.abs(centreOf(other.box) - centre));
    const width = Math.min(widest, ...gaps.map((gap) => Math.max(gap, 0.05)));
    const left = Math.min(Math.max(centre - width / 2, 0), 1 - width);
    const align = centre - width / 2 < 0 ? 'start' : centre + width / 2 > 1 ? 'end' : 'center';
    return { face, left, width, side: standsAbove(face.box) ? 'above' : 'below', align };
  });
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
