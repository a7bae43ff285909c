import { createHash } from 'node:crypto';
import type { MessagePort } from 'node:worker_threads';
import { workerData } from 'piscina';
import sharp from 'sharp';
import {
  DEFAULT_MODEL,
  type DescriptorModel,
  describeBy,
  findModel,
  type ModelName,
} from '../lib/descriptor-models.ts';
import { PermanentError } from '../lib/errors.ts';
import type { FaceQuality } from '../lib/face-quality.ts';
import { checkSize, readImageFile } from '../lib/image-file.ts';
import { decodePhoto } from './decode.ts';
import { createEngine } from './engine/create-engine.ts';
import type { DescribedFace, Engine } from './engine/engine.ts';
import { findFaces } from './find-faces.ts';
import { PHOTO_REFUSED } from './photo-refused.ts';
import { judgeFace } from './quality.ts';
import { createStopwatch, type Stage } from './stages.ts';
import type { WorkerSettings } from './worker-settings.ts';

// This file runs in the worker threads of worker-pool.ts: reading, decoding and inference of one photo at a time.

export type PhotoSource =
  /** Absolute. With `inside` already checked to lie in that folder, see `resolveImagePath`; a known photo lies anywhere. */
  | { readonly path: string; readonly inside?: string }
  /** The file itself. */
  | { readonly file: Uint8Array };

export type PhotoJob = PhotoSource & {
  /** What faces are described by; DEFAULT_MODEL where nothing is said. */
  readonly models?: readonly ModelName[];
  /** SHA-256, hex: a file with this content need not be looked at again. */
  readonly knownHash?: string | null;
  /** SHA-256, hex: files with such content must not be looked at. */
  readonly refusedHashes?: readonly string[];
};

export type PhotoOutcome =
  | { readonly kind: 'described'; readonly photo: DescribedPhoto }
  | { readonly kind: 'unchanged'; readonly contentHash: string }
  | { readonly kind: 'refused'; readonly code: string; readonly message: string; readonly contentHash: string | null };

/** Errors lose their class between threads, and a worker that died throws too: so what is thrown here travels as data. */
export type PhotoReply = (PhotoOutcome | { readonly kind: 'broken'; readonly error: unknown }) & {
  /** As far as it came. */
  readonly stages: readonly Stage[];
};

export interface JudgedFace extends Omit<DescribedFace, 'mirrored'> {
  readonly quality: FaceQuality;
  /** 128 floats of each model asked for, in that order; `descriptor` is the first. */
  readonly descriptors: readonly Float32Array[];
}

export interface DescribedPhoto {
  /** Largest first. */
  readonly faces: readonly JudgedFace[];
  /** Pixels of the original after EXIF rotation. */
  readonly width: number;
  readonly height: number;
  readonly contentHash: string;
}

// Each worker is one core's worth of work, and never sees the same picture twice.
sharp.concurrency(1);
sharp.cache(false);

const settings = workerData as WorkerSettings;
let loading: Promise<Engine> | undefined;

function loadEngine(): Promise<Engine> {
  loading ??= createEngine(settings.engine, settings);
  return loading;
}

/** Loads the networks and runs each once, so that the first photo is not the slow one. */
export async function warmUp(): Promise<{ backend: string }> {
  const { backend, describeFaces } = await loadEngine();
  await describeFaces({ pixels: new Uint8Array(64 * 64 * 3), width: 64, height: 64 });
  return { backend };
}

function readFile(source: PhotoSource): Promise<Uint8Array> | Uint8Array {
  const { maxBytes } = settings;
  if ('file' in source) return checkSize(source.file, { maxBytes });
  return readImageFile(source.path, { maxBytes, ...(source.inside === undefined ? {} : { inside: source.inside }) });
}

/** @param job.begun is told when the networks are there and the photo's own time begins */
export async function describePhoto({ begun, ...job }: PhotoJob & { begun: MessagePort }): Promise<PhotoReply> {
  let contentHash: string | null = null;
  const { stages, time } = createStopwatch();
  try {
    const engine = await loadEngine();
    begun.postMessage(null);
    const file = await time('read', () => readFile(job));
    contentHash = createHash('sha256').update(file).digest('hex');
    if (contentHash === job.knownHash) return { kind: 'unchanged', contentHash, stages };
    if (job.refusedHashes?.includes(contentHash)) {
      throw new PermanentError(PHOTO_REFUSED, 'The photo is of somebody who was erased, or was taken from its person.');
    }
    const { picture, width, height } = await time('decode', () => decodePhoto(file, settings));
    const models = (job.models ?? [DEFAULT_MODEL]).map(expectModel);
    const mirrored = models.some((model) => model.mirrored);
    const found = await findFaces(engine, picture, { ...settings, mirrored, time });
    const describe = ({ mirrored, ...face }: DescribedFace): JudgedFace => {
      const descriptors = models.map((model) => describeBy(model, { ...face, ...(mirrored && { mirrored }) }));
      const descriptor = descriptors[0] ?? face.descriptor;
      return { ...face, descriptor, descriptors, quality: judgeFace(face, picture, width / picture.width) };
    };
    const faces = await time('judge', () => found.map(describe));
    return { kind: 'described', photo: { faces, width, height, contentHash }, stages };
  } catch (error) {
    if (!(error instanceof PermanentError)) return { kind: 'broken', error, stages };
    return { kind: 'refused', code: error.code, message: error.message, contentHash, stages };
  }
}

function expectModel(name: ModelName): DescriptorModel {
  const model = findModel(name);
  if (model === undefined) throw new Error(`There is no model ${name}.`);
  return model;
}
