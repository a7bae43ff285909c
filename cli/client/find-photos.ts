import { opendir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { messageOf } from '../../lib/errors.ts';
import { LaunchError } from '../launch-error.ts';

const PHOTO = /\.(jpe?g|png|webp|avif|gif|tiff?|hei[cf])$/i;

/**
 * The photos of a folder and the folders in it (not of those that it only links to), by their names; of hidden ones none. A file is itself, whatever its name.
 *
 * @throws LaunchError when there is no such file or folder
 */
export async function findPhotos(path: string): Promise<string[]> {
  const found = await stat(path).catch((error: unknown) => {
    throw new LaunchError(messageOf(error));
  });
  if (!found.isDirectory()) return [path];
  const photos: string[] = [];
  for await (const entry of await opendir(path)) {
    if (entry.name.startsWith('.')) continue;
    const inside = join(path, entry.name);
    if (entry.isDirectory()) photos.push(...(await findPhotos(inside)));
    else if ((entry.isFile() || entry.isSymbolicLink()) && PHOTO.test(entry.name)) photos.push(inside);
  }
  return photos.sort();
}
