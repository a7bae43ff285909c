import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';

/** Names the descriptors of face-api's FaceRecognitionNet, whatever computes them. */
export const MODEL = 'face-api-1';

/** face-api's own weights, as they come with the package. */
export const MODEL_FOLDER = join(
  dirname(createRequire(import.meta.url).resolve('@vladmandic/face-api/package.json')),
  'model',
);

/** Side in pixels of the square that the tiny detector sees: a multiple of 32, face-api's default (TinyYolov2Options.ts). */
export const TINY_SIZE = 416;
