import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';

/** Names the descriptors of face-api's FaceRecognitionNet, whatever computes them. */
export const MODEL = 'face-api-1';

/** face-api's own weights, as they come with the package. */
export const MODEL_FOLDER = join(
  dirname(createRequire(import.meta.url).resolve('@vladmandic/face-api/package.json')),
  'model',
);

/** Below this the detector's boxes are mostly not faces; face-api's own default. */
export const MIN_CONFIDENCE = 0.5;
