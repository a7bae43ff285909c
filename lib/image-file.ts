import { constants } from 'node:fs';
import { type FileHandle, lstat, open, readlink, realpath } from 'node:fs/promises';
import { platform } from 'node:process';
import { integer } from './env.ts';
import { PermanentError } from './errors.ts';
import { isInside, outsideRoots } from './image-path.ts';

/** What a picture may claim to hold before it is decoded: a few kilobytes can unpack to gigabytes. */
export const DEFAULT_MAX_PIXELS = 200_000_000;
export const DEFAULT_MAX_BYTES = 64 * 1024 * 1024;

/** The limits of what is read at all, for everyone who reads photos. */
export const imageLimitKeys = {
  /** Bytes of a file; larger ones are no photos that people take. Node reads no file of 2 GiB into memory. */
  MAX_IMAGE_BYTES: integer({ min: 1, max: 2 ** 31 - 1, fallback: DEFAULT_MAX_BYTES }),
  /** Width × height of a picture. */
  MAX_IMAGE_PIXELS: integer({ min: 1, max: 2 ** 31 - 1, fallback: DEFAULT_MAX_PIXELS }),
};

/** Why a file will not open next time either. */
const HOPELESS = new Map([
  ['ENOENT', { code: 'file_not_found', message: 'The file does not exist.' }],
  ['ENOTDIR', { code: 'file_not_found', message: 'The file does not exist.' }],
  ['EACCES', { code: 'file_not_permitted', message: 'This service is not allowed to read the file.' }],
  ['EPERM', { code: 'file_not_permitted', message: 'This service is not allowed to read the file.' }],
  ['ENXIO', { code: 'file_not_regular', message: 'The path is not that of a regular file.' }],
]);

/** macOS, fcntl.h: refuses a symbolic link anywhere in the path. Node has no name for it. */
const O_NOFOLLOW_ANY = 0x20000000;
/** A pipe without a writer must not be waited for, and a terminal must not become ours. */
const WITHOUT_WAITING = constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY;
const WITHOUT_LINKS = constants.O_NOFOLLOW | (platform === 'darwin' ? O_NOFOLLOW_ANY : 0);

export interface ReadOptions {
  /** A larger file is refused before it is read. */
  readonly maxBytes: number;
  /**
   * A folder, by its real path. The path then holds no symbolic link, and a file that turns out to lie elsewhere, because
   * something on the way was swapped for a link after the path was checked, is refused before a byte of it is read.
   */
  readonly inside?: string;
}

/**
 * Reads a whole file. It is opened once and looked at through the handle, so that it cannot be swapped in between, and
 * without waiting, so that a pipe or a device cannot hang the reader. No more is read than the size that was looked at.
 *
 * @param path absolute, already checked against the folders that photos may come from
 * @throws PermanentError `file_not_found`, `file_not_permitted`, `file_not_regular`, `image_too_large` or
 *   `path_outside_roots`
 */
export async function readImageFile(path: string, { maxBytes, inside }: ReadOptions): Promise<Uint8Array> {
  const file = await openRegularFile(path, inside === undefined ? 0 : WITHOUT_LINKS);
  try {
    const stat = await file.stat();
    if (!stat.isFile()) throw notRegular();
    if (inside !== undefined) await assertInside(file, path, inside);
    refuseLarge(stat.size, maxBytes);
    return await readBytes(file, stat.size);
  } finally {
    await file.close();
  }
}

/**
 * The same limit for a file that is in memory already.
 *
 * @throws PermanentError `image_too_large`
 */
export function checkSize(file: Uint8Array, { maxBytes }: { maxBytes: number }): Uint8Array {
  refuseLarge(file.length, maxBytes);
  return file;
}

/**
 * Reads a whole stream into memory, and ends it as soon as it is too long.
 *
 * @throws PermanentError `image_too_large`, or what the stream throws
 */
export async function readImageStream(stream: AsyncIterable<Uint8Array>, maxBytes: number): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of stream) {
    bytes += chunk.length;
    if (bytes > maxBytes) {
      throw new PermanentError('image_too_large', `The file has more than ${maxBytes} bytes, the most that is read.`);
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks, bytes);
}

/** @throws PermanentError `image_too_large` */
export function refuseLarge(bytes: number, maxBytes: number): void {
  if (bytes <= maxBytes) return;
  throw new PermanentError('image_too_large', `The file has ${bytes} bytes; at most ${maxBytes} are read.`);
}

function notRegular(): PermanentError {
  return new PermanentError('file_not_regular', 'The path is not that of a regular file.');
}

async function openRegularFile(path: string, flags: number): Promise<FileHandle> {
  try {
    if (flags !== 0) await refuseOddEntry(path);
    return await open(path, WITHOUT_WAITING | flags);
  } catch (error) {
    const { code = '' } = error as NodeJS.ErrnoException;
    // With the flags only: something on the way has become a link since the path was checked.
    if (code === 'ELOOP' || code === 'EMLINK') throw outsideRoots();
    const reason = HOPELESS.get(code);
    if (reason === undefined) throw error;
    throw new PermanentError(reason.code, reason.message, { cause: error });
  }
}

/** To open some devices is to do something already. */
async function refuseOddEntry(path: string): Promise<void> {
  const entry = await lstat(path);
  if (entry.isSymbolicLink()) throw outsideRoots();
  if (!entry.isFile()) throw notRegular();
}

/**
 * O_NOFOLLOW looks at the last name of a path only. Linux tells where an open file truly lies; macOS has refused links on the
 * way already; anywhere else the path must still lead to this very file.
 */
async function assertInside(file: FileHandle, path: string, folder: string): Promise<void> {
  const place = platform === 'linux' ? await readlink(`/proc/self/fd/${file.fd}`) : await realPathOf(file, path);
  if (!isInside(place, folder)) throw outsideRoots();
}

async function realPathOf(file: FileHandle, path: string): Promise<string> {
  const place = await realpath(path);
  const [opened, found] = await Promise.all([file.stat(), lstat(place)]);
  if (opened.dev !== found.dev || opened.ino !== found.ino) throw outsideRoots();
  return place;
}

async function readBytes(file: FileHandle, size: number): Promise<Uint8Array> {
  const bytes = Buffer.allocUnsafeSlow(size);
  let done = 0;
  while (done < size) {
    const { bytesRead } = await file.read(bytes, done, size - done, done);
    if (bytesRead === 0) break;
    done += bytesRead;
  }
  return bytes.subarray(0, done);
}
