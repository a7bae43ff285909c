import type { TimeStage } from '../stages.ts';

/** A decoded picture: 8-bit sRGB, three channels interleaved, rows top to bottom, EXIF rotation applied. */
export interface Picture {
  /** `width * height * 3` bytes. */
  readonly pixels: Uint8Array;
  readonly width: number;
  readonly height: number;
  /** Where all that is not black lies, in pixels, when somebody knows: an engine need not look elsewhere. */
  readonly content?: { readonly left: number; readonly top: number; readonly width: number; readonly height: number };
}

/** Ratios 0..1 of the picture's width and height, origin top-left. */
export interface BoundingBox {
  readonly left: number;
  readonly top: number;
  readonly width: number;
  readonly height: number;
}

export interface DescribedFace {
  readonly box: BoundingBox;
  /** 0..1: is it a face? (Not: whose?) */
  readonly confidence: number;
  /** 128 floats; Euclidean distances between descriptors of one model tell people apart. */
  readonly descriptor: Float32Array;
  /** 128 floats: the same, computed of the mirror image of the aligned crop; only where it was asked for. */
  readonly mirrored?: Float32Array;
  /**
   * 136 floats: x and y of each of the 68 points of the iBUG 300-W data set, as ratios of the picture like the box; may lie
   * beyond it. In a face that is cut by the left or top border they are shifted by what was cut off, as in face-api.
   */
  readonly landmarks: Float32Array;
}

/** Below this the detector's boxes are mostly not faces; face-api's own default. */
export const DEFAULT_MIN_CONFIDENCE = 0.5;

export const DETECTORS = ['ssd', 'tiny', 'auto'] as const;

export interface EngineOptions {
  /**
   * `ssd`, the default, is face-api's SSD MobileNetV1; `tiny` takes a tenth of its time and misses small faces. `auto` is
   * the fastest that is shown to find what `ssd` finds: today `ssd` itself (docs/adr/0007-onnx-graphs-in-memory.md).
   */
  readonly detector?: (typeof DETECTORS)[number];
  /** 0..1: what the detector is less sure of is no face. */
  readonly minConfidence?: number;
}

export interface DescribeOptions {
  readonly mirrored?: boolean;
  readonly time?: TimeStage;
}

/** Finds and describes faces. Knows nothing of people, files, queues or databases. */
export interface Engine {
  /** Names the descriptor space, e.g. `face-api-1`. Descriptors of different models must never be compared. */
  readonly model: string;
  /** What does the arithmetic, for logs: `onnx`, `tfjs-node`, `tfjs-wasm`. */
  readonly backend: string;
  /**
   * Every face of the picture, largest first; empty when there is none.
   *
   * @param options.mirrored also describes the mirror image of each: one more run of the descriptor's network
   * @param options.time is told of the stages `detect`, `landmarks` and `embed`, as far as the engine has them apart
   */
  describeFaces(picture: Picture, options?: DescribeOptions): Promise<DescribedFace[]>;
}
