import { stat } from 'node:fs/promises';
import { pino } from 'pino';
import type { ModelName } from '../../lib/descriptor-models.ts';
import { messageOf } from '../../lib/errors.ts';
import type { EngineName } from '../../recognizer/engine/create-engine.ts';
import { type KnownFile, listKnownFiles } from '../../recognizer/known-people.ts';
import { openWorkerPool, type WorkerPool } from '../../recognizer/worker-pool.ts';
import { DEFAULT_SETTINGS } from '../../recognizer/worker-settings.ts';
import { LaunchError } from '../launch-error.ts';

export type SeenPhoto = { readonly imageName: string; readonly person: string } & (
  | { readonly kind: 'face'; readonly descriptor: Float32Array; readonly contentHash: string }
  | { readonly kind: 'no_face' }
  | { readonly kind: 'unreadable'; readonly reason: string }
);

export interface DescribedTree {
  /** In the order of the files. */
  readonly photos: readonly SeenPhoto[];
  readonly model: string;
  readonly backend: string;
  readonly photosPerSecond: number;
}

/**
 * The photos of a folder-per-person tree; flat files are taken as the recognizer takes them from KNOWN_PEOPLE.
 *
 * @throws LaunchError when there is nothing to measure on
 */
export async function listTree(folder: string): Promise<KnownFile[]> {
  const entry = await stat(folder).catch(() => null);
  if (!entry?.isDirectory()) throw new LaunchError(`There is no folder ${folder}.`);
  const files = await listKnownFiles(folder);
  const people = new Set(files.map(({ personName }) => personName));
  if (people.size < 2) {
    const found =
      files.length === 0 ? 'no photos' : `${files.length} photo${files.length === 1 ? '' : 's'} of one person`;
    throw new LaunchError(
      `Accuracy needs photos of at least two people, and ${folder} holds ${found}. ` +
        'Expected is a folder for each person: Ada_Lovelace/1.jpg, Ada_Lovelace/2.jpg, Alan_Turing/1.jpg …',
    );
  }
  return files;
}

/** Reads, decodes and describes every photo as the recognizer does; the largest face of a photo is its person's. */
export async function describeTree(
  files: readonly KnownFile[],
  options: {
    engine: EngineName;
    model: ModelName;
    workers: number;
    onPhoto: (done: number, startedAt: number) => void;
  },
): Promise<DescribedTree> {
  // Standard output belongs to the report.
  const log = pino({ name: 'eval', level: 'warn' }, pino.destination(2));
  const workers = Math.min(options.workers, files.length);
  const pool = openWorkerPool({
    workers,
    maxWaiting: 0,
    settings: { ...DEFAULT_SETTINGS, engine: options.engine },
    log,
  });
  try {
    const { backend } = await pool.warmUp();
    const startedAt = Date.now();
    const photos: SeenPhoto[] = [];
    let [next, done] = [0, 0];
    const work = async () => {
      for (let index = next++; index < files.length; index = next++) {
        const file = files[index];
        if (file) photos[index] = await seePhoto(pool, file, options.model);
        options.onPhoto(++done, startedAt);
      }
    };
    await Promise.all(Array.from({ length: workers }, work));
    return {
      photos,
      model: options.model,
      backend,
      photosPerSecond: (files.length * 1000) / Math.max(1, Date.now() - startedAt),
    };
  } finally {
    await pool.close();
  }
}

async function seePhoto(
  pool: WorkerPool,
  { imageName, path, personName: person }: KnownFile,
  model: ModelName,
): Promise<SeenPhoto> {
  const job = { path, models: [model] };
  try {
    const outcome = await pool.describe(job).catch(() => pool.describe(job));
    if (outcome.kind === 'refused') return { imageName, person, kind: 'unreadable', reason: outcome.message };
    const face = outcome.kind === 'described' ? outcome.photo.faces[0] : undefined;
    if (outcome.kind !== 'described' || !face) return { imageName, person, kind: 'no_face' };
    return { imageName, person, kind: 'face', descriptor: face.descriptor, contentHash: outcome.photo.contentHash };
  } catch (error) {
    // One photo that kills its worker, twice, must not take the other thousands with it; it is listed with its reason.
    return { imageName, person, kind: 'unreadable', reason: `Failed twice: ${messageOf(error)}` };
  }
}
