import type { Picture } from '../engine.ts';
import type { DetectFaces, Detection } from './detect-faces.ts';
import { fillInput, type InputFormat } from './fill-input.ts';
import { type Corners, suppressNonMaxima } from './non-max-suppression.ts';
import { openSession } from './session.ts';
import { buildTinyFaceDetector, TINY_CELLS, TINY_SIZE } from './tiny-face-detector.ts';
import type { Weights } from './weights.ts';

/** tinyFaceDetector/const.ts: the mean colour, the anchors' width and height in cells, and the largest overlap. */
const INPUT: InputFormat = { size: TINY_SIZE, centred: false, mean: [117.001, 114.697, 97.404], divisor: 255 };
const ANCHORS = [
  { width: 1.603231, height: 2.094468 },
  { width: 6.041143, height: 7.080126 },
  { width: 2.882459, height: 3.518061 },
  { width: 4.266906, height: 5.178857 },
  { width: 9.041765, height: 10.66308 },
] as const;
const MAX_OVERLAP = 0.4;
/** x, y, width, height and the logit of being a face. */
const NUMBERS_PER_BOX = 5;

/** Opens face-api's TinyFaceDetector, with the arithmetic of its `locateFaces`: fast, but it misses small faces. */
export async function openTinyDetector(
  weights: Weights,
  { minConfidence }: { minConfidence: number },
): Promise<DetectFaces> {
  const session = await openSession(buildTinyFaceDetector(weights));

  return async (picture) => {
    const input = new Float32Array(3 * TINY_SIZE ** 2);
    fillInput(input, picture, { left: 0, top: 0, width: picture.width, height: picture.height }, INPUT);
    const { boxes } = await session.run(input, [1, 3, TINY_SIZE, TINY_SIZE]);
    if (boxes === undefined) throw new Error('The detector gave no boxes.');
    const candidates: { corners: Corners; score: number }[] = [];
    for (let index = 0; index * NUMBERS_PER_BOX < boxes.length; index++) {
      const box = boxes.subarray(index * NUMBERS_PER_BOX, (index + 1) * NUMBERS_PER_BOX);
      const score = sigmoid(box[4] ?? Number.NEGATIVE_INFINITY);
      if (score > minConfidence) candidates.push({ score, corners: decodeCell(box, index, picture) });
    }
    return suppressNonMaxima(candidates, { overlap: MAX_OVERLAP }).map((face) => placeInPicture(face, picture));
  };
}

/**
 * tinyYolov2/TinyYolov2Base.ts, `extractBoxes`: in ratios of the picture, by its rounded size within the square.
 *
 * @param index of the box: row by row, cell by cell, anchor by anchor
 */
function decodeCell(box: Float32Array, index: number, { width, height }: Picture): Corners {
  const [x = 0, y = 0, w = 0, h = 0] = box;
  const cell = Math.floor(index / ANCHORS.length);
  const anchor = ANCHORS[index % ANCHORS.length] ?? ANCHORS[0];
  const scale = TINY_SIZE / Math.max(width, height);
  const [contentWidth, contentHeight] = [Math.round(width * scale), Math.round(height * scale)];
  const content = Math.max(contentWidth, contentHeight);
  const [toX, toY] = [content / Math.max(1, contentWidth), content / Math.max(1, contentHeight)];
  const centreX = (((cell % TINY_CELLS) + sigmoid(x)) / TINY_CELLS) * toX;
  const centreY = ((Math.floor(cell / TINY_CELLS) + sigmoid(y)) / TINY_CELLS) * toY;
  const halfWidth = (((Math.exp(w) * anchor.width) / TINY_CELLS) * toX) / 2;
  const halfHeight = (((Math.exp(h) * anchor.height) / TINY_CELLS) * toY) / 2;
  return {
    left: centreX - halfWidth,
    top: centreY - halfHeight,
    right: centreX + halfWidth,
    bottom: centreY + halfHeight,
  };
}

function placeInPicture(
  { corners, score }: { corners: Corners; score: number },
  { width, height }: Picture,
): Detection {
  return {
    left: corners.left * width,
    top: corners.top * height,
    width: (corners.right - corners.left) * width,
    height: (corners.bottom - corners.top) * height,
    score,
  };
}

const sigmoid = (x: number) => 1 / (1 + Math.exp(-x));
