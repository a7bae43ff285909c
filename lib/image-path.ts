import { realpath } from 'node:fs/promises';
import { isAbsolute, join, posix, relative, sep } from 'node:path';
import { PermanentError } from './errors.ts';

/** Bytes in UTF-8; also the size of the column `images.path`, in characters. */
export const MAX_PATH_BYTES = 1024;

/**
 * The one spelling under which a posted path is stored, so that `a/./b.jpg` and `a//b.jpg` are the same image.
 *
 * @throws PermanentError `path_empty`, `path_too_long`, `path_invalid` (a NUL or other control character),
 *   `path_unsupported` (a URL) or `path_outside_roots` (it climbs out by `..`)
 */
export function normalizeImagePath(path: string): string {
  if (path.trim() === '') throw new PermanentError('path_empty', 'The path is empty.');
  if (Buffer.byteLength(path) > MAX_PATH_BYTES) {
    throw new PermanentError('path_too_long', `The path is longer than ${MAX_PATH_BYTES} bytes.`);
  }
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is looked for
  if (/[\u0000-\u001f\u007f]/.test(path) || /\p{Surrogate}/u.test(path)) {
    throw new PermanentError('path_invalid', 'The path holds a control character or is not valid Unicode.');
  }
  if (/^[a-z][a-z0-9+.-]*:\/\//i.test(path)) {
    throw new PermanentError('path_unsupported', 'URLs are not supported: post the path of a file.');
  }
  const normal = posix.normalize(path);
  if (normal === '..' || normal.startsWith('../')) throw outsideRoots();
  return normal;
}

/**
 * The real file behind a posted path: relative to, or inside, one of `roots`, tried in turn. Symbolic links are resolved
 * before the check, so that a link inside a root cannot lead out of it.
 *
 * @returns an absolute path without symbolic links, inside the real path of a root
 * @throws PermanentError as `normalizeImagePath`, `path_outside_roots`, or `file_not_found`
 */
export async function resolveImagePath(path: string, roots: readonly string[]): Promise<string> {
  const normal = normalizeImagePath(path);
  let outside = false;
  for (const root of roots) {
    const candidate = isAbsolute(normal) ? normal : join(root, normal);
    if (!isInside(candidate, root)) {
      outside = true;
      continue;
    }
    const found = await resolveInside(candidate, root);
    if (found === 'outside') outside = true;
    else if (found !== 'missing') return found.path;
    // An absolute path inside this root that does not exist is missing, whatever the other roots say.
    else if (isAbsolute(normal)) throw notFound(normal);
  }
  if (outside) throw outsideRoots();
  throw notFound(normal);
}

async function resolveInside(candidate: string, root: string): Promise<{ path: string } | 'outside' | 'missing'> {
  try {
    const [realRoot, real] = await Promise.all([realpath(root), realpath(candidate)]);
    return isInside(real, realRoot) ? { path: real } : 'outside';
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === 'ENOENT' || code === 'ENOTDIR') return 'missing';
    if (code === 'ELOOP' || code === 'ENAMETOOLONG') {
      throw new PermanentError('path_invalid', 'The path cannot be followed to a file.', { cause: error });
    }
    throw error;
  }
}

function isInside(path: string, folder: string): boolean {
  const way = relative(folder, path);
  return way !== '..' && !way.startsWith(`..${sep}`) && !isAbsolute(way);
}

function outsideRoots(): PermanentError {
  return new PermanentError('path_outside_roots', 'The path lies outside the folders that photos may come from.');
}

function notFound(path: string): PermanentError {
  return new PermanentError('file_not_found', `There is no file ${path} in the folders that photos come from.`);
}
