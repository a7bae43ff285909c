import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, open } from 'node:fs/promises';
import { dirname } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { constants, createGunzip, createGzip } from 'node:zlib';

/** What was written, or found. */
export interface CheckedFile {
  readonly bytes: number;
  /** SHA-256, hex. */
  readonly sha256: string;
}

const DISK_ERRORS = new Set([
  ...['ENOSPC', 'EDQUOT', 'EIO', 'EROFS', 'EACCES', 'EPERM'],
  ...['ENOENT', 'ENOTDIR', 'EEXIST', 'EISDIR', 'ENAMETOOLONG', 'EMFILE'],
]);

/** Characters that are compressed at a time. */
const CHUNK = 65_536;

/** Writes lines, compressed, to a new file that only its owner may read; it is on the disk when this is done. */
export async function writeLines(path: string, lines: AsyncIterable<string> | Iterable<string>): Promise<CheckedFile> {
  // Descriptors are noise: compressing harder would take its time for nothing.
  const gzip = createGzip({ level: constants.Z_BEST_SPEED });
  const compressed = pipeline(Readable.from(inChunks(lines)), gzip);
  // Awaited below; what fails here also ends the stream that is read.
  compressed.catch(() => {});
  const written = await writeChecked(path, gzip);
  await compressed;
  return written;
}

async function* inChunks(lines: AsyncIterable<string> | Iterable<string>): AsyncGenerator<string> {
  let chunk = '';
  for await (const line of lines) {
    chunk += `${line}\n`;
    if (chunk.length < CHUNK) continue;
    yield chunk;
    chunk = '';
  }
  yield chunk;
}

export async function* readLines(path: string): AsyncGenerator<string> {
  const unzipped = createGunzip();
  const read = pipeline(createReadStream(path), unzipped);
  read.catch(() => {});
  // By \n alone: readline would also split at line separators within a name.
  let rest = '';
  for await (const text of unzipped.setEncoding('utf8') as AsyncIterable<string>) {
    const lines = (rest + text).split('\n');
    rest = lines.pop() ?? '';
    yield* lines;
  }
  await read;
}

/** Copies a file to a new one. @throws what reading throws: ENOENT when it is gone */
export async function copyChecked(from: string, to: string, mode = 0o600): Promise<CheckedFile> {
  const source = await open(from);
  try {
    await mkdir(dirname(to), { recursive: true, mode: 0o700 });
    return await writeChecked(to, source.createReadStream({ autoClose: false }), mode);
  } finally {
    await source.close();
  }
}

export async function checkFile(path: string): Promise<CheckedFile> {
  const hash = createHash('sha256');
  let bytes = 0;
  for await (const chunk of createReadStream(path) as AsyncIterable<Buffer>) {
    hash.update(chunk);
    bytes += chunk.length;
  }
  return { bytes, sha256: hash.digest('hex') };
}

async function writeChecked(path: string, stream: AsyncIterable<Buffer>, mode = 0o600): Promise<CheckedFile> {
  const hash = createHash('sha256');
  let bytes = 0;
  const target = await open(path, 'wx', mode);
  try {
    for await (const chunk of stream) {
      hash.update(chunk);
      await target.writeFile(chunk);
      bytes += chunk.length;
    }
    await target.sync();
    return { bytes, sha256: hash.digest('hex') };
  } finally {
    await target.close();
  }
}

/** Makes what was named in a folder last. */
export async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder);
  await handle.sync().finally(() => handle.close());
}

/** What has failed is the disk, or the rights to a folder. */
export function isDiskError(error: unknown): error is NodeJS.ErrnoException {
  return DISK_ERRORS.has(String((error as NodeJS.ErrnoException).code));
}
