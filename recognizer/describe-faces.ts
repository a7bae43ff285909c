import { findModel, type ModelName } from '../lib/descriptor-models.ts';
import type { DescribeRequest, DescribeResponse } from '../proto/face.ts';
import { type LookOptions, lookAtPhoto } from './look-at-photo.ts';
import { OtherModelError } from './match.ts';

const NO_BYTES = Buffer.alloc(0);

export interface DescribeOptions extends Pick<LookOptions, 'roots' | 'sources' | 'pool'> {
  /** The folder of known people; null when there is none. */
  readonly folder: string | null;
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
  const known = { roots: options.folder === null ? [] : [options.folder], imagePath: knownPhoto };
  const asked = knownPhoto === '' ? { roots: options.roots, imagePath } : known;
  const photo = await lookAtPhoto(
    { ...options, roots: asked.roots, models: wanted },
    { imagePath: asked.imagePath, image: NO_BYTES },
    signal,
  );
  return {
    faces: photo.faces.map(({ descriptors }) => ({
      descriptors: wanted.map((model, index) => ({ model, descriptor: [...(descriptors[index] ?? [])] })),
    })),
  };
}
