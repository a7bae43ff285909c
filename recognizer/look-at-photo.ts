import type { ModelName } from '../lib/descriptor-models.ts';
import { PermanentError } from '../lib/errors.ts';
import { kindOfPath, resolveImagePath } from '../lib/image-path.ts';
import type { PhotoSources } from '../lib/photo-sources.ts';
import { inPart } from '../lib/spans.ts';
import type { IdentifyRequest } from '../proto/face.ts';
import type { DescribedPhoto, PhotoSource } from './describe-photo.ts';
import { expectDescribed, type WorkerPool } from './worker-pool.ts';

export interface LookOptions {
  /** Folders that photos may come from. */
  readonly roots: readonly string[];
  readonly sources: Pick<PhotoSources, 'withPhoto'>;
  readonly pool: WorkerPool;
  /** What faces are described by. */
  readonly models: readonly ModelName[];
}

/**
 * Has a worker look at a photo. Files are read by the worker that looks at them; what must be fetched keeps no worker waiting.
 *
 * @param signal drops the photo while it waits for a worker
 * @throws PermanentError for a photo that will never be readable, or a path that leads nowhere or out of the roots
 * @throws PhotoUnreachableError for one that cannot be fetched now
 */
export async function lookAtPhoto(
  { roots, sources, pool, models }: LookOptions,
  { imagePath, image }: Pick<IdentifyRequest, 'imagePath' | 'image'>,
  signal: AbortSignal,
): Promise<DescribedPhoto> {
  const look = async (source: PhotoSource) => expectDescribed(await pool.describe({ ...source, models }, { signal }));
  if (image.length > 0) {
    if (imagePath === '') return look({ file: image });
    throw new PermanentError('request_invalid', 'The request holds a path and a photo: one of them, please.');
  }
  if (kindOfPath(imagePath) === 'file') return look(await resolveImagePath(imagePath, roots));
  return inPart('fetch', () => sources.withPhoto(imagePath, signal, (file) => look({ file })));
}
