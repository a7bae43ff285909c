import { DEFAULT_MAX_BYTES, DEFAULT_MAX_PIXELS } from '../lib/image-file.ts';
import { ENGINES, type EngineName } from './engine/create-engine.ts';
import { DEFAULT_MIN_CONFIDENCE, type EngineOptions } from './engine/engine.ts';

/** What the worker threads are started with. */
export interface WorkerSettings extends EngineOptions {
  readonly engine: EngineName;
  /** Bytes of a file, and width × height of a picture, above which it is refused before it is decoded. */
  readonly maxBytes: number;
  readonly maxPixels: number;
  /** After so long the thread is taken to hang, and replaced. */
  readonly maxMs: number;
  /** Smaller faces, by the shorter side of their box in pixels of the decoded picture, are left out. */
  readonly minFacePixels: number;
}

export const DEFAULT_SETTINGS: WorkerSettings = {
  engine: ENGINES[0],
  detector: 'ssd',
  minConfidence: DEFAULT_MIN_CONFIDENCE,
  minFacePixels: 0,
  maxBytes: DEFAULT_MAX_BYTES,
  maxPixels: DEFAULT_MAX_PIXELS,
  maxMs: 60_000,
};
