import { randomUUID } from 'node:crypto';
import { mkdir, open, readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { INDEX_FORMAT, loadGalleryIndex } from './gallery-index.ts';
import type { GallerySearch, RestoredGallery } from './gallery-search.ts';
import { createKnownFaces } from './known-faces.ts';
import { checksumOf, readJson, SnapshotError, writeJson } from './snapshot-file.ts';
import { captureGallery, readRows, writeRows } from './snapshot-rows.ts';

// Two files: the faces, and the index beside them under a name that is never used twice. The faces' file names and
// vouches for its index, so that renaming that one file replaces both at once. Nothing is flushed: what a crash of the
// machine leaves half-written fails its checksum, and the gallery is read from the database.

const FACES_FILE = 'gallery.snapshot';
const FORMAT = `faceflow gallery 2, ${INDEX_FORMAT}`;
/** Descriptors of faces: for the recognizer alone. */
const PRIVATE = { file: 0o600, folder: 0o700 };

const header = z.object({
  format: z.string(),
  model: z.string(),
  revision: z.number(),
  people: z.number(),
  looks: z.number(),
  faces: z.number(),
  fillers: z.array(z.number()).readonly(),
  index: z.object({ file: z.string().regex(/^[\w-]+\.index$/), bytes: z.number(), crc: z.number() }),
});

/**
 * Writes what the gallery holds now; while the faces are written, the gallery goes on. If one of them is removed
 * meanwhile, the snapshot is given up: it holds somebody who has been erased, or zeros in their place.
 *
 * @param folder for this process alone
 * @returns the state that was written, and for how long everything else had to wait, ms; null when it was given up, and
 *   whatever was there before stays
 */
export async function writeSnapshot(
  folder: string,
  gallery: GallerySearch,
  model: string,
): Promise<{ revision: number; forgotten: number; blockedMs: number } | null> {
  await mkdir(folder, { recursive: true, mode: PRIVATE.folder });
  const name = randomUUID();
  const temporary = join(folder, `${name}.tmp`);
  const indexFile = `${name}.index`;
  await (await open(join(folder, indexFile), 'wx', PRIVATE.file)).close();
  do await gallery.settled();
  while (gallery.index.vacant > 0);
  const started = performance.now();
  const state = captureGallery(gallery, join(folder, indexFile));
  const blockedMs = performance.now() - started;
  try {
    const index = { file: indexFile, ...(await checksumFile(join(folder, indexFile))) };
    const file = await open(temporary, 'wx', PRIVATE.file);
    try {
      const { revision, people, looks, slots, fillers } = state;
      const counts = { people: people.length, looks: looks.length / 3, faces: slots.length };
      const head: z.infer<typeof header> = { format: FORMAT, model, revision, ...counts, fillers, index };
      await writeJson(file, head);
      await writeRows(file, state);
    } finally {
      await file.close();
    }
    if (gallery.forgotten !== state.forgotten) return null;
    await rename(temporary, join(folder, FACES_FILE));
  } finally {
    state.release();
    await removeOthers(folder);
  }
  return { revision: state.revision, forgotten: state.forgotten, blockedMs };
}

/**
 * Reads what `writeSnapshot` has written; null where there is none.
 *
 * @throws SnapshotError when it is damaged, or of another model or version
 */
export async function readSnapshot(folder: string, model: string): Promise<RestoredGallery | null> {
  await removeOthers(folder);
  const file = await open(join(folder, FACES_FILE)).catch(ignoreMissing);
  if (!file) return null;
  try {
    const head = header.parse(await readJson(file));
    if (head.format !== FORMAT) throw new SnapshotError(`It is of another version (${head.format}).`);
    if (head.model !== model) throw new SnapshotError(`It holds descriptors of another model (${head.model}).`);
    const indexPath = join(folder, head.index.file);
    const found = await checksumFile(indexPath);
    if (found.bytes !== head.index.bytes || found.crc !== head.index.crc)
      throw new SnapshotError('Its index is damaged.');
    const faces = createKnownFaces();
    const indexed = await readRows(file, head, faces);
    const index = loadGalleryIndex(indexPath, head.fillers);
    if (index.size !== indexed) throw new SnapshotError('Its index holds other faces than it says.');
    return { faces, index, revision: head.revision };
  } catch (error) {
    if (error instanceof SnapshotError) throw error;
    throw new SnapshotError('It cannot be read.', { cause: error });
  } finally {
    await file.close();
  }
}

/** Nobody's face is left on disk. */
export async function removeSnapshot(folder: string): Promise<void> {
  await rm(join(folder, FACES_FILE), { force: true });
  await removeOthers(folder);
}

async function checksumFile(path: string): Promise<{ bytes: number; crc: number }> {
  const file = await open(path);
  return checksumOf(file).finally(() => file.close());
}

/** Removes what an interrupted write has left behind, and what has been replaced. */
async function removeOthers(folder: string): Promise<void> {
  const names = (await readdir(folder).catch(ignoreMissing)) ?? [];
  const kept = await nameIndexFile(folder);
  const ours = names.filter((name) => /^[\w-]+\.(index|tmp)$/.test(name) && name !== kept);
  await Promise.all(ours.map((name) => rm(join(folder, name), { force: true })));
}

async function nameIndexFile(folder: string): Promise<string | null> {
  const file = await open(join(folder, FACES_FILE)).catch(ignoreMissing);
  if (!file) return null;
  try {
    return header.parse(await readJson(file)).index.file;
  } catch {
    // Damaged: readSnapshot says so.
    return null;
  } finally {
    await file.close();
  }
}

function ignoreMissing(error: NodeJS.ErrnoException): null {
  if (error.code === 'ENOENT') return null;
  throw error;
}
