import { realpath } from 'node:fs/promises';
import { isAbsolute, join, posix, relative, sep } from 'node:path';
import { PermanentError } from './errors.ts';
import { normalizePhotoUrl } from './photo-url.ts';
import { parseS3Path } from './s3-path.ts';

/** Bytes in UTF-8; also the size of the column `images.path`, in characters. */
export const MAX_PATH_BYTES = 1024;

/** Where the photo of a stored path lies. */
export type PathKind = 'file' | 'url' | 's3';

export function kindOfPath(path: string): PathKind {
  if (/^https?:\/\//i.test(path)) return 'url';
  return /^s3:\/\//i.test(path) ? 's3' : 'file';
}

/**
 * The one spelling under which a posted path or URL is stored, so that `a/./b.jpg` and `a//b.jpg` are the same image.
 * Whether it may be read is another question.
 *
 * @throws PermanentError `path_empty`, `path_too_long`, `path_invalid` (a NUL or other control character),
 *   `path_unsupported` (a URL that is none of http, https and s3), `path_outside_roots` (it climbs out by `..`), or what
 *   `normalizePhotoUrl` and `parseS3Path` throw
 */
export function normalizeImagePath(path: string): string {
  if (path.trim() === '') throw new PermanentError('path_empty', 'The path is empty.');
  refuseLong(path);
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is looked for
  if (/[\u0000-\u001f\u007f]/.test(path) || /\p{Surrogate}/u.test(path)) {
    throw new PermanentError('path_invalid', 'The path holds a control character or is not valid Unicode.');
  }
  const normal = normalizeKind(path);
  refuseLong(normal);
  return normal;
}

function normalizeKind(path: string): string {
  const kind = kindOfPath(path);
  if (kind === 'url') return normalizePhotoUrl(path);
  if (kind === 's3') return parseS3Path(path).path;
  if (/^[a-z][a-z0-9+.-]*:\/\//i.test(path)) {
    const message = 'Of URLs only http, https and s3 are supported; a file is posted by its path.';
    throw new PermanentError('path_unsupported', message);
  }
  const normal = posix.normalize(path);
  if (normal === '..' || normal.startsWith('../')) throw outsideRoots();
  return normal;
}

function refuseLong(path: string): void {
  if (Buffer.byteLength(path) <= MAX_PATH_BYTES) return;
  throw new PermanentError('path_too_long', `The path is longer than ${MAX_PATH_BYTES} bytes.`);
}

/** A real file, and the folder that it was found in: both absolute and without symbolic links. */
export interface FoundFile {
  readonly path: string;
  readonly inside: string;
}

/**
 * The real file behind a posted path: relative to, or inside, one of `roots`, tried in turn. Symbolic links are resolved
 * before the check, so that a link inside a root cannot lead out of it. What happens on the disk after that is for
 * `readImageFile` to notice.
 *
 * @param path of a file; URLs are not looked for
 * @throws PermanentError as `normalizeImagePath`, `path_outside_roots`, `file_not_permitted` or `file_not_found`
 */
export async function resolveImagePath(path: string, roots: readonly string[]): Promise<FoundFile> {
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
    else if (found !== 'missing') return found;
    // An absolute path inside this root that does not exist is missing, whatever the other roots say.
    else if (isAbsolute(normal)) throw notFound(normal);
  }
  if (outside) throw outsideRoots();
  throw notFound(normal);
}

async function resolveInside(candidate: string, root: string): Promise<FoundFile | 'outside' | 'missing'> {
  try {
    const [inside, path] = await Promise.all([realpath(root), realpath(candidate)]);
    return isInside(path, inside) ? { path, inside } : 'outside';
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === 'ENOENT' || code === 'ENOTDIR') return 'missing';
    if (code === 'ELOOP' || code === 'ENAMETOOLONG') {
      throw new PermanentError('path_invalid', 'The path cannot be followed to a file.', { cause: error });
    }
    if (code === 'EACCES' || code === 'EPERM') {
      const message = 'This service is not allowed to look into the folder of the file.';
      throw new PermanentError('file_not_permitted', message, { cause: error });
    }
    throw error;
  }
}

/** Of absolute paths, by their names alone; a folder is inside itself. */
export function isInside(path: string, folder: string): boolean {
  const way = relative(folder, path);
  return way !== '..' && !way.startsWith(`..${sep}`) && !isAbsolute(way);
}

export function outsideRoots(): PermanentError {
  return new PermanentError('path_outside_roots', 'The path lies outside the folders that photos may come from.');
}

function notFound(path: string): PermanentError {
  return new PermanentError('file_not_found', `There is no file ${path} in the folders that photos come from.`);
}
