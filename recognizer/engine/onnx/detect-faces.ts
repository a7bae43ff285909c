import type { Picture } from '../engine.ts';
import { openStem } from './compute-features.ts';
import { channelsOf } from './layers.ts';
import { type Corners, suppressNonMaxima } from './non-max-suppression.ts';
import { openSession } from './session.ts';
import { buildSsdHead, DETECTOR_SIZE, FEATURE_SIZE } from './ssd-mobilenet-v1.ts';
import type { Weights } from './weights.ts';

/** ssdMobilenetv1/SsdMobilenetv1.ts and SsdMobilenetv1Options.ts. */
const MAX_OVERLAP = 0.5;
const MAX_FACES = 100;
/** What box encodings were multiplied by when the network learnt them (ssdMobilenetv1/outputLayer.ts). */
const CENTRE_SCALE = 10;
const SIZE_SCALE = 5;

export interface Detection {
  /** Pixels of the picture, not rounded; may reach beyond it to the right and below. */
  readonly left: number;
  readonly top: number;
  readonly width: number;
  readonly height: number;
  /** 0..1, above the confidence asked for. */
  readonly score: number;
}

/** Finds the faces of a picture, the surest first. */
export type DetectFaces = (picture: Picture) => Promise<Detection[]>;

/** Opens face-api's SSD MobileNetV1, with the arithmetic of its `locateFaces`. */
export async function openSsdDetector(
  weights: Weights,
  { minConfidence }: { minConfidence: number },
): Promise<DetectFaces> {
  const computeFeatures = await openStem(weights);
  const head = await openSession(buildSsdHead(weights));
  const anchors = readAnchors(weights);

  return async (picture) => {
    const features = await computeFeatures(picture);
    const { logits, encodings } = await head.run(features, [
      1,
      features.length / FEATURE_SIZE ** 2,
      FEATURE_SIZE,
      FEATURE_SIZE,
    ]);
    if (logits === undefined || encodings === undefined) throw new Error('The detector gave no boxes.');
    const candidates: { corners: Corners; score: number }[] = [];
    logits.forEach((logit, index) => {
      const score = Math.fround(1 / (1 + Math.exp(-logit)));
      const anchor = anchors[index];
      if (score <= minConfidence || anchor === undefined) return;
      candidates.push({ score, corners: decodeBox(encodings.subarray(index * 4, index * 4 + 4), anchor) });
    });
    const faces = suppressNonMaxima(candidates, { overlap: MAX_OVERLAP, limit: MAX_FACES });
    return faces.map((face) => placeInPicture(face, picture));
  };
}

/** Anchors are stored as top, left, bottom, right, in ratios of the square. */
function readAnchors(weights: Weights): Corners[] {
  const { values, shape } = weights.get('Output/extra_dim');
  return Array.from({ length: channelsOf({ values, shape }, 1) }, (_, index) => {
    const [top = 0, left = 0, bottom = 0, right = 0] = values.subarray(index * 4, index * 4 + 4);
    return { left, top, right, bottom };
  });
}

/** ssdMobilenetv1/outputLayer.ts: an encoding is y, x, height and width relative to the anchor. */
export function decodeBox(encoding: Float32Array, anchor: Corners): Corners {
  const [y = 0, x = 0, h = 0, w = 0] = encoding;
  const [anchorWidth, anchorHeight] = [anchor.right - anchor.left, anchor.bottom - anchor.top];
  const centreX = anchor.left + anchorWidth / 2 + (x / CENTRE_SCALE) * anchorWidth;
  const centreY = anchor.top + anchorHeight / 2 + (y / CENTRE_SCALE) * anchorHeight;
  const halfWidth = (Math.exp(w / SIZE_SCALE) * anchorWidth) / 2;
  const halfHeight = (Math.exp(h / SIZE_SCALE) * anchorHeight) / 2;
  return {
    left: centreX - halfWidth,
    top: centreY - halfHeight,
    right: centreX + halfWidth,
    bottom: centreY + halfHeight,
  };
}

/** From ratios of the square, of which the picture fills the top left, to pixels of the picture. */
function placeInPicture(
  { corners, score }: { corners: Corners; score: number },
  { width, height }: Picture,
): Detection {
  // face-api rounds the size of the picture within the square before it divides by it: boxes are stretched a little.
  const scale = DETECTOR_SIZE / Math.max(width, height);
  const toX = DETECTOR_SIZE / Math.max(1, Math.round(width * scale));
  const toY = DETECTOR_SIZE / Math.max(1, Math.round(height * scale));
  const [left, right] = [Math.max(0, corners.left) * toX, Math.min(1, corners.right) * toX];
  const [top, bottom] = [Math.max(0, corners.top) * toY, Math.min(1, corners.bottom) * toY];
  return {
    left: left * width,
    top: top * height,
    width: (right - left) * width,
    height: (bottom - top) * height,
    score,
  };
}
