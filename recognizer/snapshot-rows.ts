import type { FileHandle } from 'node:fs/promises';
import { z } from 'zod';
import { DIMENSIONS } from './gallery-index.ts';
import type { GallerySearch } from './gallery-search.ts';
import type { KnownFaces, KnownPerson, Look } from './known-faces.ts';
import {
  readDoubles,
  readFloats,
  readJson,
  SnapshotError,
  writeBlock,
  writeJson,
  writeNumbers,
} from './snapshot-file.ts';

// What a snapshot holds after its header: people, their looks, and look by look the faces, in blocks.

/** Rows in one block; each is written in a turn of its own. */
const BLOCK_ROWS = 4096;

const personRows = z.array(z.tuple([z.number(), z.string()]));
const nameRows = z.array(z.string());

export interface RowCounts {
  readonly people: number;
  readonly looks: number;
  readonly faces: number;
}

/** The gallery at one moment; what is known of the faces is still in their slots, where it stays until it is removed. */
export interface Capture {
  readonly revision: number;
  readonly forgotten: number;
  readonly fillers: readonly number[];
  readonly people: readonly (readonly [id: number, name: string])[];
  /** For each look the position of its person, its key, and the number of its faces. */
  readonly looks: Float64Array;
  /** Look by look. */
  readonly slots: Float64Array;
  readonly faces: KnownFaces;
  release(): void;
}

/** Takes what must be of one moment, in one go, and has the index written. */
export function captureGallery(gallery: GallerySearch, indexPath: string): Capture {
  const { faces, index, revision, forgotten } = gallery;
  const all = [...faces.people.values()];
  const looks = new Float64Array(3 * all.reduce((sum, person) => sum + person.looks.length, 0));
  const slots = new Float64Array(faces.size);
  let [row, place] = [0, 0];
  for (const [position, person] of all.entries()) {
    for (const look of person.looks) {
      looks[row++] = position;
      looks[row++] = look.key;
      looks[row++] = look.slots.length;
      for (const slot of look.slots) slots[place++] = slot;
    }
  }
  const people = all.map((person) => [person.id, person.name] as const);
  index.save(indexPath);
  return { revision, forgotten, fillers: index.fillers, people, looks, slots, faces, release: faces.hold() };
}

export async function writeRows(file: FileHandle, { people, looks, slots, faces }: Capture): Promise<void> {
  for (let from = 0; from < people.length; from += BLOCK_ROWS) {
    await writeJson(file, people.slice(from, from + BLOCK_ROWS));
  }
  for (let from = 0; from < looks.length; from += 3 * BLOCK_ROWS) {
    await writeNumbers(file, looks.subarray(from, from + 3 * BLOCK_ROWS));
  }
  for (let from = 0; from < slots.length; from += BLOCK_ROWS) {
    await writeFaceBlock(file, slots.subarray(from, from + BLOCK_ROWS), faces);
  }
  await writeBlock(file, new Uint8Array());
}

async function writeFaceBlock(file: FileHandle, slots: Float64Array, faces: KnownFaces): Promise<void> {
  const descriptors = new Float32Array(slots.length * DIMENSIONS);
  const imageNames: string[] = [];
  for (const [position, slot] of slots.entries()) {
    descriptors.set(faces.descriptors.read(slot), position * DIMENSIONS);
    imageNames.push(faces.faceAt(slot)?.imageName ?? '');
  }
  const ids = slots.map((slot) => faces.faceAt(slot)?.id ?? 0);
  const digests = slots.map((slot) => faces.digestAt(slot));
  // All of it has been read in one turn.
  await writeNumbers(file, ids);
  await writeNumbers(file, digests);
  await writeJson(file, imageNames);
  await writeNumbers(file, descriptors);
}

/** @returns how many looks are in the index */
export async function readRows(file: FileHandle, head: RowCounts, faces: KnownFaces): Promise<number> {
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
