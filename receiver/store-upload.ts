import { createHash, randomUUID } from 'node:crypto';
import { access, type FileHandle, mkdir, open, readdir, rename, rm, rmdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Readable } from 'node:stream';
import sharp from 'sharp';
import { messageOf, PermanentError } from '../lib/errors.ts';
import { allowOnlyPhotoFormats } from '../lib/image-formats.ts';
import { HttpError } from './errors.ts';
import { isUpload, nameUpload, UPLOADS } from './name-upload.ts';

export interface UploadStore {
  /** Absolute: the first of the folders that photos may come from. */
  readonly root: string;
  readonly maxBytes: number;
}

/** An upload that is on the disk, but not yet at its place. */
export interface ReceivedUpload {
  /**
   * Puts it there. The same content that is there already stays, under the name that it was sent under first.
   *
   * @returns its path relative to the root: `uploads/ab/abcd…/party.jpg`, in a folder named by the SHA-256 of the content;
   *   `uploads/ab/abcd….jpg` where it has no name of its own
   */
  keep(): Promise<string>;
  drop(): Promise<void>;
}

const EXTENSIONS = new Map([
  ['jpeg', 'jpg'],
  ['png', 'png'],
  ['webp', 'webp'],
  ['gif', 'gif'],
  ['tiff', 'tiff'],
]);

/** The folder cannot be written to, and will not be by itself. */
const NOT_WRITABLE = new Set(['EROFS', 'EACCES', 'EPERM', 'ENOENT', 'ENOTDIR', 'EEXIST']);

allowOnlyPhotoFormats();

/**
 * Streams a photo to the disk, as it comes, and finds out where it belongs: its place is named by its content, so that the same
 * photo is stored once, and its extension by its true format.
 *
 * @param name what the uploader calls it
 * @throws PermanentError `image_too_large`, `image_empty` or `image_unreadable`
 * @throws HttpError `uploads_not_possible` or `storage_full`
 */
export async function receiveUpload(
  stream: Readable,
  name: string | undefined,
  store: UploadStore,
): Promise<ReceivedUpload> {
  const folder = join(store.root, UPLOADS);
  const partial = join(folder, `.${randomUUID()}.part`);
  try {
    await mkdir(folder, { recursive: true });
    const hash = await writeDown(stream, partial, store.maxBytes);
    const extension = await findExtension(partial);
    const place = { root: store.root, bare: `${UPLOADS}/${hash.slice(0, 2)}/${hash}`, extension };
    return {
      keep: () => putAt(place, partial, nameUpload(name, extension)).catch(translate),
      drop: () => rm(partial, { force: true }),
    };
  } catch (error) {
    await rm(partial, { force: true }).catch(() => undefined);
    throw translated(error);
  }
}

interface Place {
  readonly root: string;
  /** The path of one content, relative to the root: of the folder that holds it under its name, or of itself but for the extension. */
  readonly bare: string;
  readonly extension: string;
}

async function putAt(place: Place, partial: string, name: string | null): Promise<string> {
  const path = (await findHeld(place)) ?? (name === null ? `${place.bare}.${place.extension}` : null);
  if (path === null) return putNamed(place, partial, name ?? '');
  await moveTo(partial, join(place.root, path));
  return path;
}

/** Where the same content is already. */
async function findHeld({ root, bare, extension }: Place): Promise<string | undefined> {
  const nameless = `${bare}.${extension}`;
  const isThere = await access(join(root, nameless)).then(() => true, whenMissing(false));
  if (isThere) return nameless;
  const names = await readdir(join(root, bare)).catch(whenMissing<string[]>([]));
  return names
    .sort()
    .map((name) => `${bare}/${name}`)
    .find(isUpload);
}

function whenMissing<Value>(value: Value): (error: unknown) => Value {
  return (error) => {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return value;
    throw error;
  };
}

/** With its folder, in one step: of several that send the same photo under different names at once, one is first. */
async function putNamed(place: Place, partial: string, name: string): Promise<string> {
  const staged = `${partial}.d`;
  await mkdir(staged);
  await moveTo(partial, join(staged, name));
  try {
    await moveTo(staged, join(place.root, place.bare));
    return `${place.bare}/${name}`;
  } catch (error) {
    const held = await findHeld(place);
    if (held === undefined) throw error;
    return held;
  } finally {
    await rm(staged, { recursive: true, force: true });
  }
}

/** Removes a stored upload. @returns false when it was not there */
export async function deleteUpload(path: string, store: Pick<UploadStore, 'root'>): Promise<boolean> {
  if (!isUpload(path)) throw new Error(`${path} is no upload.`);
  try {
    await rm(join(store.root, path));
    await removeFolder(store.root, path);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false;
    throw translated(error);
  }
}

/** The folder that held an upload under its name. */
async function removeFolder(root: string, path: string): Promise<void> {
  const folder = dirname(path);
  // `uploads/ab` is that of many.
  if (folder.split('/').length !== 3) return;
  // Somebody sends the same photo again just now.
  await rmdir(join(root, folder)).catch(() => undefined);
}

/** @returns the SHA-256 of the content, hex */
async function writeDown(stream: Readable, file: string, maxBytes: number): Promise<string> {
  const hash = createHash('sha256');
  const handle = await open(file, 'wx');
  try {
    let bytes = 0;
    // A destroyed stream would stop the whole form.
    for await (const chunk of stream.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
      bytes += chunk.length;
      if (bytes > maxBytes) {
        throw new PermanentError(
          'image_too_large',
          `The upload is larger than ${maxBytes} bytes, the most that is read.`,
        );
      }
      hash.update(chunk);
      await writeAll(handle, chunk);
    }
    if (bytes === 0) throw new PermanentError('image_empty', 'The upload is empty.');
    await handle.sync();
    return hash.digest('hex');
  } finally {
    await handle.close();
  }
}

async function writeAll(handle: FileHandle, chunk: Buffer): Promise<void> {
  for (let written = 0; written < chunk.length; ) {
    written += (await handle.write(chunk, written)).bytesWritten;
  }
}

async function findExtension(file: string): Promise<string> {
  try {
    const { format, compression } = await sharp(file, { limitInputPixels: false }).metadata();
    const extension = format === 'heif' ? (compression === 'av1' ? 'avif' : 'heic') : EXTENSIONS.get(format);
    if (extension !== undefined) return extension;
  } catch (error) {
    const message = `The upload is no photo that can be read: ${messageOf(error).replaceAll(file, 'it')}`;
    throw new PermanentError('image_unreadable', message, { cause: error });
  }
  throw new PermanentError('image_unreadable', 'The upload is no photo that can be read.');
}

/** The rename, and the folder's knowledge of it, are on the disk before the photo is promised to anybody. */
async function moveTo(partial: string, file: string): Promise<void> {
  const folder = join(file, '..');
  await mkdir(folder, { recursive: true });
  await rename(partial, file);
  const handle = await open(folder);
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

function translate(error: unknown): never {
  throw translated(error);
}

function translated(error: unknown): unknown {
  const { code } = error as NodeJS.ErrnoException;
  if (error instanceof PermanentError || code === undefined) return error;
  if (NOT_WRITABLE.has(code)) {
    const message =
      'Uploads cannot be stored: the first folder of IMAGE_ROOTS cannot be written to by the receiver. ' +
      'Make it writable, or post paths instead.';
    return new HttpError(403, 'uploads_not_possible', message);
  }
  if (code === 'ENOSPC' || code === 'EDQUOT') {
    return new HttpError(507, 'storage_full', 'The upload cannot be stored: the disk is full.');
  }
  return error;
}
