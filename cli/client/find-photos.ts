import { readdir, stat } from 'node:fs/promises';
import { extname, join } from 'node:path';
import { messageOf } from '../../lib/errors.ts';
import { LaunchError } from '../launch-error.ts';

const PHOTO = /\.(jpe?g|jfif|png|webp|avif|gif|tiff?|hei[cf])$/i;

export interface FoundPhotos {
  /** By their names. */
  readonly photos: string[];
  /** How many files were left out because their names are not those of photos, by their extensions in lower case. */
  readonly leftOut: ReadonlyMap<string, number>;
  /** Folders that could not be looked into. */
  readonly unreadable: readonly { readonly folder: string; readonly message: string }[];
}

/**
 * The photos of a folder and the folders in it (not of those that it only links to); of hidden ones none. A file is itself,
 * whatever its name.
 *
 * @throws LaunchError when there is no such file or folder
 */
export async function findPhotos(path: string): Promise<FoundPhotos> {
  if (!(await isFolder(path))) return { photos: [path], leftOut: new Map(), unreadable: [] };
  const photos: string[] = [];
  const leftOut = new Map<string, number>();
  const unreadable: { folder: string; message: string }[] = [];
  const folders = [path];
  for (let folder = folders.pop(); folder !== undefined; folder = folders.pop()) {
    for (const entry of await readFolder(folder, unreadable)) {
      const inside = join(folder, entry.name);
      if (entry.isDirectory()) folders.push(inside);
      else if (PHOTO.test(entry.name) && (entry.isFile() || entry.isSymbolicLink())) photos.push(inside);
      else if (entry.isFile()) countUp(leftOut, extname(entry.name).toLowerCase());
    }
  }
  return { photos: photos.sort(), leftOut, unreadable };
}

async function isFolder(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isDirectory();
  } catch (error) {
    const isMissing = (error as NodeJS.ErrnoException).code === 'ENOENT';
    throw new LaunchError(isMissing ? `There is no file or folder ${path} (ENOENT).` : messageOf(error));
  }
}

/** Without what is hidden. */
async function readFolder(folder: string, unreadable: { folder: string; message: string }[]) {
  try {
    return (await readdir(folder, { withFileTypes: true })).filter(({ name }) => !name.startsWith('.'));
  } catch (error) {
    unreadable.push({ folder, message: messageOf(error) });
    return [];
  }
}

function countUp(counts: Map<string, number>, key: string): void {
  counts.set(key, (counts.get(key) ?? 0) + 1);
}

/** `7 files are no photos by their names: 4 .mp4, 2 .cr2, 1 without an ending`; the most frequent first. Empty for none. */
export function describeLeftOut(leftOut: ReadonlyMap<string, number>): string {
  const counts = [...leftOut].sort(([one, a], [other, b]) => b - a || (one < other ? -1 : 1));
  const all = counts.reduce((sum, [, count]) => sum + count, 0);
  if (all === 0) return '';
  const kinds = counts.slice(0, KINDS_LISTED).map(([kind, count]) => `${count} ${kind || 'without an ending'}`);
  const more = counts.length > KINDS_LISTED ? ', …' : '';
  const subject =
    all === 1 ? '1 file was left out, by its name no photo' : `${all} files were left out, by their names no photos`;
  return `${subject}: ${kinds.join(', ')}${more}`;
}

const KINDS_LISTED = 8;
