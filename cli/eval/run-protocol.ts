import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { messageOf } from '../../lib/errors.ts';
import { distanceBetween } from '../../lib/similarity.ts';
import type { KnownFile } from '../../recognizer/known-people.ts';
import { LaunchError } from '../launch-error.ts';
import type { SeenPhoto } from './describe-tree.ts';
import { type NamedPair, type PhotoOfPair, parsePairs, stemOf } from './lfw-pairs.ts';
import { type MeasuredPair, type Verification, verifyFolds } from './verify-folds.ts';

export interface ProtocolResult extends Verification {
  readonly pairs: number;
  /** Pairs with a photo that shows no face or cannot be read: taken for two people. */
  readonly pairsWithoutFace: number;
}

/**
 * The protocol's folds: those of the file, or of `pairs.txt` in the tree where it lies there, or null.
 *
 * @throws LaunchError when the file cannot be read, is not as LFW's, or names photos that are not in the tree
 */
export async function readPairs(
  folder: string,
  file: string | undefined,
  files: readonly KnownFile[],
): Promise<NamedPair[][] | null> {
  const path = file ?? join(folder, 'pairs.txt');
  const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (file === undefined && error.code === 'ENOENT') return null;
    throw new LaunchError(`The pairs file ${path} cannot be read: ${messageOf(error)}`);
  });
  if (text === null) return null;
  const folds = parsePairs(text);
  const present = new Set(files.map(({ imageName }) => withoutExtension(imageName)));
  const named = folds.flat().flatMap(({ photos }) => photos.map(stemOf));
  const missing = [...new Set(named)].filter((stem) => !present.has(stem));
  if (missing.length > 0) {
    throw new LaunchError(
      `${path} names ${missing.length} photos that are not in ${folder}, the first is ${missing[0]}.jpg. ` +
        'Use the whole set, another file (--pairs FILE), or none (--no-pairs).',
    );
  }
  return folds;
}

export function runProtocol(folds: readonly (readonly NamedPair[])[], photos: readonly SeenPhoto[]): ProtocolResult {
  const descriptors = new Map(
    photos.flatMap((photo) =>
      photo.kind === 'face' ? [[withoutExtension(photo.imageName), photo.descriptor] as const] : [],
    ),
  );
  const find = (photo: PhotoOfPair) => descriptors.get(stemOf(photo));
  const measure = ({ same, photos: [first, second] }: NamedPair): MeasuredPair => {
    const [a, b] = [find(first), find(second)];
    return { same, distance: a && b ? distanceBetween(a, b) : Number.POSITIVE_INFINITY };
  };
  const measured = folds.map((fold) => fold.map(measure));
  return {
    ...verifyFolds(measured),
    pairs: measured.flat().length,
    pairsWithoutFace: measured.flat().filter(({ distance }) => !Number.isFinite(distance)).length,
  };
}

function withoutExtension(imageName: string): string {
  return imageName.replace(/\.[^./]+$/, '');
}
