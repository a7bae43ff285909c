import type { ModelName } from '../lib/descriptor-models.ts';
import { type FaceQuality, findMisleading } from '../lib/face-quality.ts';
import type { Log } from '../lib/log.ts';
import type { KnownPhoto } from '../lib/people.ts';
import { type KnownFile, listKnownFiles } from './known-people.ts';
import type { KnownPhotos } from './known-photos.ts';
import { PHOTO_REFUSED } from './photo-refused.ts';
import { explainPoorFace } from './quality.ts';
import { WorkerCrashError, type WorkerPool } from './worker-pool.ts';

/** `person_images.image_name` holds no more characters. */
const MAX_IMAGE_NAME = 255;
/** A photo of which workers die is not fed to them for ever. */
const MAX_CRASHES = 3;
const PROGRESS_MS = 10_000;
/** From this many new photos on, progress is worth a line in the log. */
const MANY_PHOTOS = 20;

export interface Enrolment {
  readonly folder: string;
  readonly photos: KnownPhotos;
  /** What photos are described by now. */
  readonly model: ModelName;
  /** Photos that are described by any of these need not be looked at again. */
  readonly knownModels: readonly string[];
  readonly pool: WorkerPool;
  /** Whether faces that make bad references are enrolled all the same. */
  readonly enrolPoorFaces: boolean;
  readonly log: Log;
  readonly signal: AbortSignal;
  /** How often each state of a file could not be looked at for a reason that may pass. */
  readonly troubles: Map<string, number>;
  /** States of files that must not be enrolled: they are not read again. */
  readonly refused: Set<string>;
}

/**
 * Brings what is kept of the known photos up to date with the folder: new and changed photos are encoded, all others are
 * left alone. Whatever cannot serve is recorded with the reason, and looked at again when its file changes.
 *
 * @returns how many photos were encoded, refused or forgotten, and how long it took to find out which, ms
 */
export async function enrolFolder(enrolment: Enrolment): Promise<{ changed: number; scanMs: number }> {
  const { folder, photos, log, pool, signal } = enrolment;
  const started = Date.now();
  const files = (await listKnownFiles(folder)).filter((file) => file.imageName.length <= MAX_IMAGE_NAME);
  const kept = new Map((await photos.listKnownPhotos()).map((photo) => [photo.imageName, photo]));
  let changed = photos.forgetOthers?.(new Set(files.map((file) => file.imageName))) ?? 0;

  const waiting = files.filter((file) => {
    const photo = kept.get(file.imageName);
    const isWanted = !isUpToDate(photo, file, enrolment.knownModels) || wasRefusedAsPoor(photo, enrolment);
    return isWanted && !enrolment.refused.has(stateOf(file));
  });
  const refusedHashes = waiting.length > 0 ? await photos.listRefusedHashes() : [];
  const scanMs = Date.now() - started;
  const progress = reportProgress(log, waiting.length);
  const work = async () => {
    for (let file = waiting.shift(); file !== undefined && !signal.aborted; file = waiting.shift()) {
      if (await enrolFile({ ...enrolment, refusedHashes }, file, kept.get(file.imageName))) changed++;
      progress.advance();
    }
  };
  const stopAll = (error: unknown) => {
    waiting.length = 0;
    throw error;
  };
  const results = await Promise.allSettled(Array.from({ length: pool.workers }, () => work().catch(stopAll)));
  progress.stop();
  for (const result of results) if (result.status === 'rejected') throw result.reason;
  return { changed, scanMs };
}

function isUpToDate(kept: KnownPhoto | undefined, file: KnownFile, models: readonly string[]): boolean {
  return isDescribed(kept, models) && kept.fileSize === file.size && kept.fileMtimeMs === file.mtimeMs;
}

function isDescribed(kept: KnownPhoto | undefined, models: readonly string[]): kept is KnownPhoto {
  return kept?.models.some((model) => models.includes(model)) ?? false;
}

/** A face was found, and refused, and now it would not be. The other way round, what is enrolled stays. */
function wasRefusedAsPoor(kept: KnownPhoto | undefined, { enrolPoorFaces }: Enrolment): boolean {
  return enrolPoorFaces && kept !== undefined && kept.failure !== null && kept.quality !== null;
}

/** Tells whether a file is the one that was looked at before. */
function stateOf(file: KnownFile): string {
  return `${file.imageName} ${file.size} ${file.mtimeMs}`;
}

type FileEnrolment = Enrolment & { readonly refusedHashes: readonly string[] };

/** @returns whether anything about the person's face is different now */
async function enrolFile(enrolment: FileEnrolment, file: KnownFile, kept: KnownPhoto | undefined): Promise<boolean> {
  const { photos, model, log, refused } = enrolment;
  const state = { fileSize: file.size, fileMtimeMs: file.mtimeMs };
  const lookAgain = !isDescribed(kept, enrolment.knownModels) || wasRefusedAsPoor(kept, enrolment);
  const knownHash = lookAgain ? null : kept.contentHash;
  const found = await lookAtFile(enrolment, file, knownHash);
  if (found === 'later') return false;
  if (found === 'unchanged') {
    await photos.touchKnownPhoto(file.imageName, state);
    return false;
  }
  if (found === 'refused') {
    refused.add(stateOf(file));
    return false;
  }
  if (found.failure !== null) {
    log.warn({ image: file.imageName, reason: found.failure }, 'a known photo cannot be used');
  }
  const photo = { ...found, ...state, imageName: file.imageName, personName: file.personName, model };
  if (!(await photos.recordKnownPhoto(photo))) {
    refused.add(stateOf(file));
    return false;
  }
  log.debug({ image: file.imageName, person: file.personName }, 'known photo recorded');
  return true;
}

interface Findings {
  readonly descriptor: Float32Array | null;
  readonly failure: string | null;
  readonly contentHash: string | null;
  /** Of the largest face; null when there is none. */
  readonly quality: FaceQuality | null;
}

async function lookAtFile(
  enrolment: FileEnrolment,
  file: KnownFile,
  knownHash: string | null,
): Promise<Findings | 'unchanged' | 'refused' | 'later'> {
  const { pool, log, signal, refusedHashes, model } = enrolment;
  try {
    const outcome = await pool.describe(
      { path: file.path, knownHash, refusedHashes, models: [model] },
      { signal, evenIfFull: true },
    );
    if (outcome.kind === 'unchanged') return 'unchanged';
    if (outcome.kind === 'refused' && outcome.code === PHOTO_REFUSED) {
      // Not its name: the name may be the person's.
      log.warn(
        'a photo in the folder of known people is of somebody who was erased, or was taken from them: delete it',
      );
      return 'refused';
    }
    if (outcome.kind === 'refused') return refusal(outcome.message, outcome.contentHash);
    const { faces, contentHash } = outcome.photo;
    const [largest] = faces;
    if (largest === undefined) return refusal('There is no face in the photo.', contentHash);
    if (faces.length > 1) {
      log.warn(
        { image: file.imageName, faces: faces.length },
        'a known photo shows several faces: the largest is taken',
      );
    }
    const { quality, descriptor } = largest;
    if (!enrolment.enrolPoorFaces && findMisleading(quality.reasons).length > 0) {
      return refusal(explainPoorFace(quality), contentHash, quality);
    }
    return { descriptor, failure: null, contentHash, quality };
  } catch (error) {
    if (signal.aborted) return 'later';
    return tryLater(enrolment, file, error);
  }
}

function tryLater({ troubles, log }: Enrolment, file: KnownFile, error: unknown): Findings | 'later' {
  const state = stateOf(file);
  const count = (troubles.get(state) ?? 0) + 1;
  troubles.set(state, count);
  if (error instanceof WorkerCrashError && count >= MAX_CRASHES) {
    return refusal(`Worker threads died of the photo ${count} times.`, null);
  }
  if (count === 1)
    log.warn({ image: file.imageName, err: error }, 'a known photo could not be looked at: trying again');
  return 'later';
}

function refusal(failure: string, contentHash: string | null, quality: FaceQuality | null = null): Findings {
  return { descriptor: null, failure, contentHash, quality };
}

function reportProgress(log: Log, total: number) {
  let done = 0;
  const report = () => log.info({ done, total }, 'encoding known photos');
  const timer = total >= MANY_PHOTOS ? setInterval(report, PROGRESS_MS) : undefined;
  if (timer) report();
  return {
    advance: () => {
      done++;
    },
    stop: () => {
      clearInterval(timer);
      if (total > 0) log.info({ done, total }, 'known photos encoded');
    },
  };
}
