import { randomUUID } from 'node:crypto';
import { type FileHandle, mkdir, open, readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { DIMENSIONS, INDEX_FORMAT, loadGalleryIndex } from './gallery-index.ts';
import type { GallerySearch, RestoredGallery } from './gallery-search.ts';
import { createKnownFaces, type KnownFaces, type KnownPerson, type Look } from './known-faces.ts';
import {
  checksumOf,
  readDoubles,
  readFloats,
  readJson,
  SnapshotError,
  writeBlock,
  writeJson,
  writeNumbers,
} from './snapshot-file.ts';

// Two files: the faces, and the index beside them under a name that is never used twice. The faces' file names and
// vouches for its index, so that renaming that one file replaces both at once. Nothing is flushed: what a crash of the
// machine leaves half-written fails its checksum, and the gallery is read from the database.

const FACES_FILE = 'gallery.snapshot';
const FORMAT = `faceflow gallery 2, ${INDEX_FORMAT}`;
/** Rows in one block; each is written in a turn of its own. */
const BLOCK_ROWS = 4096;
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
const personRows = z.array(z.tuple([z.number(), z.string()]));
const nameRows = z.array(z.string());

/**
 * Writes what the gallery holds now; while the descriptors are written, the gallery goes on. A face that is removed
 * meanwhile may be in the file or be zeros there: the caller writes again when `forgotten` has grown.
 *
 * @param folder for this process alone
 * @returns the state that was written, and for how long everything else had to wait, ms
 */
export async function writeSnapshot(
  folder: string,
  gallery: GallerySearch,
  model: string,
): Promise<{ revision: number; forgotten: number; blockedMs: number }> {
  await mkdir(folder, { recursive: true, mode: PRIVATE.folder });
  const name = randomUUID();
  const temporary = join(folder, `${name}.tmp`);
  const indexFile = `${name}.index`;
  await (await open(join(folder, indexFile), 'wx', PRIVATE.file)).close();
  do await gallery.settled();
  while (gallery.index.vacant > 0);
  const started = performance.now();
  const state = capture(gallery, join(folder, indexFile));
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

interface Capture {
  readonly revision: number;
  readonly forgotten: number;
  readonly fillers: readonly number[];
  readonly people: readonly (readonly [id: number, name: string])[];
  /** For each look the position of its person, its key, and the number of its faces. */
  readonly looks: Float64Array;
  /** Look by look. */
  readonly slots: Float64Array;
  readonly ids: Float64Array;
  readonly digests: Float64Array;
  readonly imageNames: readonly string[];
  readonly faces: KnownFaces;
  release(): void;
}

/** In one go, so that all of it is of one moment; but for the descriptors, which are too many. */
function capture(gallery: GallerySearch, indexPath: string): Capture {
  const { faces, index, revision, forgotten } = gallery;
  const all = [...faces.people.values()];
  const looks = new Float64Array(3 * all.reduce((sum, person) => sum + person.looks.length, 0));
  const slots = new Float64Array(faces.size);
  const ids = new Float64Array(faces.size);
  const digests = new Float64Array(faces.size);
  const imageNames: string[] = [];
  let [row, place] = [0, 0];
  for (const [position, person] of all.entries()) {
    for (const look of person.looks) {
      looks.set([position, look.key, look.slots.length], row);
      row += 3;
      for (const slot of look.slots) {
        const face = faces.faceAt(slot);
        slots[place] = slot;
        ids[place] = face?.id ?? 0;
        digests[place] = faces.digestAt(slot);
        imageNames.push(face?.imageName ?? '');
        place++;
      }
    }
  }
  index.save(indexPath);
  const people = all.map((person) => [person.id, person.name] as const);
  const release = faces.hold();
  return {
    revision,
    forgotten,
    fillers: index.fillers,
    people,
    looks,
    slots,
    ids,
    digests,
    imageNames,
    faces,
    release,
  };
}

async function writeRows(file: FileHandle, state: Capture): Promise<void> {
  const { people, looks, slots, ids, digests, imageNames, faces } = state;
  for (let from = 0; from < people.length; from += BLOCK_ROWS) {
    await writeJson(file, people.slice(from, from + BLOCK_ROWS));
  }
  for (let from = 0; from < looks.length; from += 3 * BLOCK_ROWS) {
    await writeNumbers(file, looks.subarray(from, from + 3 * BLOCK_ROWS));
  }
  for (let from = 0; from < slots.length; from += BLOCK_ROWS) {
    const part = slots.subarray(from, from + BLOCK_ROWS);
    const descriptors = new Float32Array(part.length * DIMENSIONS);
    part.forEach((slot, position) => {
      descriptors.set(faces.descriptors.read(slot), position * DIMENSIONS);
    });
    await writeNumbers(file, ids.subarray(from, from + BLOCK_ROWS));
    await writeNumbers(file, digests.subarray(from, from + BLOCK_ROWS));
    await writeJson(file, imageNames.slice(from, from + BLOCK_ROWS));
    await writeNumbers(file, descriptors);
  }
  await writeBlock(file, new Uint8Array());
}

/** @returns how many looks are in the index */
async function readRows(file: FileHandle, head: z.infer<typeof header>, faces: KnownFaces): Promise<number> {
  const people: KnownPerson[] = [];
  while (people.length < head.people) {
    for (const [id, name] of personRows.parse(await readJson(file))) people.push(faces.restorePerson(id, name));
  }
  const looks: { look: Look; count: number }[] = [];
  let indexed = 0;
  while (looks.length < head.looks) {
    const rows = await readDoubles(file);
    for (let i = 0; i < rows.length; i += 3) {
      const [position = 0, key = 0, count = 0] = rows.subarray(i, i + 3);
      const person = people[position];
      if (person === undefined) throw new SnapshotError('A look of it is nobody’s.');
      const look: Look = { person, key, slots: [] };
      person.looks.push(look);
      looks.push({ look, count });
      if (key > 0) indexed++;
    }
  }
  await readFaces(file, looks, faces);
  if (faces.size !== head.faces) throw new SnapshotError('It holds fewer faces than it says.');
  return indexed;
}

interface FaceBlock {
  readonly ids: Float64Array;
  readonly digests: Float64Array;
  readonly imageNames: readonly string[];
  readonly descriptors: Float32Array;
}

async function readFaces(file: FileHandle, looks: { look: Look; count: number }[], faces: KnownFaces): Promise<void> {
  let block: FaceBlock | null = null;
  let position = 0;
  for (const { look, count } of looks) {
    for (let i = 0; i < count; i++, position++) {
      if (block === null || position === block.ids.length) {
        block = await readFaceBlock(file);
        position = 0;
      }
      const { id: personId, name: personName } = look.person;
      const descriptor = block.descriptors.subarray(position * DIMENSIONS, (position + 1) * DIMENSIONS);
      const [personImageId = 0, imageName = ''] = [block.ids[position], block.imageNames[position]];
      faces.restore({ personImageId, personId, personName, imageName, descriptor }, look, block.digests[position] ?? 0);
    }
  }
}

async function readFaceBlock(file: FileHandle): Promise<FaceBlock> {
  const [ids, digests] = [await readDoubles(file), await readDoubles(file)];
  return { ids, digests, imageNames: nameRows.parse(await readJson(file)), descriptors: await readFloats(file) };
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
