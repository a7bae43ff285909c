import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { integer } from './env.ts';
import { PermanentError } from './errors.ts';

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

/**
 * Reads a whole file. It is opened once and looked at through the handle, so that it cannot be swapped in between, and
 * without waiting, so that a pipe or a device cannot hang the reader.
 *
 * @param path absolute, already checked against the folders that photos may come from
 * @param options.maxBytes a larger file is refused before it is read
 * @throws PermanentError `file_not_found`, `file_not_permitted`, `file_not_regular` or `image_too_large`
 */
export async function readImageFile(path: string, { maxBytes }: { maxBytes: number }): Promise<Uint8Array> {
  const file = await openWithoutWaiting(path);
  try {
    const stat = await file.stat();
    if (!stat.isFile()) throw new PermanentError('file_not_regular', 'The path is not that of a regular file.');
    refuseLarge(stat.size, maxBytes);
    return await file.readFile();
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

function refuseLarge(bytes: number, maxBytes: number): void {
  if (bytes <= maxBytes) return;
  throw new PermanentError('image_too_large', `The file has ${bytes} bytes; at most ${maxBytes} are read.`);
}

async function openWithoutWaiting(path: string): Promise<FileHandle> {
  try {
    return await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (error) {
    const reason = HOPELESS.get((error as NodeJS.ErrnoException).code ?? '');
    if (reason === undefined) throw error;
    throw new PermanentError(reason.code, reason.message, { cause: error });
  }
}
