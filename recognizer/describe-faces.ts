import { findModel, type ModelName } from '../lib/descriptor-models.ts';
import type { DescribeRequest, DescribeResponse } from '../proto/face.ts';
import { sourceOf } from './identify.ts';
import { OtherModelError } from './match.ts';
import { expectDescribed, type WorkerPool } from './worker-pool.ts';

const NO_BYTES = Buffer.alloc(0);

export interface DescribeOptions {
  /** Folders that photos may come from. */
  readonly roots: readonly string[];
  /** The folder of known people; null when there is none. */
  readonly folder: string | null;
  readonly pool: WorkerPool;
  /** The models that may be asked for. */
  readonly models: readonly string[];
}

/**
 * Describes the faces of a photo by several models.
 *
 * @param signal drops the photo while it waits for a worker
 * @throws PermanentError for a photo that will never be readable
 * @throws OtherModelError for a model that is not known here
 */
export async function describeFaces(
  options: DescribeOptions,
  { imagePath, knownPhoto, models }: DescribeRequest,
  signal: AbortSignal,
): Promise<DescribeResponse> {
  const wanted = models.map((name): ModelName => {
    const model = findModel(name);
    if (model === undefined || !options.models.includes(name)) throw new OtherModelError(name, options.models.join());
    return model.name;
  });
  const source =
    knownPhoto === ''
      ? await sourceOf({ imagePath, image: NO_BYTES }, options.roots)
      : await sourceOf({ imagePath: knownPhoto, image: NO_BYTES }, options.folder === null ? [] : [options.folder]);
  const photo = expectDescribed(await options.pool.describe({ ...source, models: wanted }, { signal }));
  return {
    faces: photo.faces.map(({ descriptors }) => ({
      descriptors: wanted.map((model, index) => ({ model, descriptor: [...(descriptors[index] ?? [])] })),
    })),
  };
}
