import { appendFile, mkdtemp, readdir, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeEach, expect, test } from 'vitest';
import { descriptorToBytes } from '../lib/database.ts';
import { createGalleryIndex } from './gallery-index.ts';
import { createGallerySearch, EXACT_FACES, type GallerySearch } from './gallery-search.ts';
import { readSnapshot, removeSnapshot, writeSnapshot } from './gallery-snapshot.ts';
import { createSyntheticFaces } from './synthetic-faces.ts';

const synthetic = createSyntheticFaces(2);
const parent = await mkdtemp(join(tmpdir(), 'faceflow-snapshot-'));
const PEOPLE = EXACT_FACES / 4 + 100;
let large: GallerySearch;
let folder: string;
let count = 0;

beforeEach(async () => {
  folder = join(parent, String(count++));
  if (large !== undefined) return;
  large = createGallerySearch();
  const entries = Array.from({ length: 4 * PEOPLE }, (_, n) => synthetic.enter(1 + Math.floor(n / 4), n % 4));
  large.replace(entries, 41);
  await large.settled();
});

afterAll(() => rm(parent, { recursive: true }));

const restore = async () => {
  const found = await readSnapshot(folder, 'm1');
  return found && createGallerySearch(found);
};
const nearest = (search: GallerySearch | null, person: number) =>
  search?.nearestPeople(synthetic.describe(person, 9), { count: 3, limit: 9 });
const holds = async (descriptor: Float32Array) => {
  const files = await Promise.all((await readdir(folder)).map((name) => readFile(join(folder, name))));
  return files.some((bytes) => bytes.includes(descriptorToBytes(descriptor)));
};

test('what was written is read again, with its index, and can go on changing', async () => {
  expect(await restore()).toBeNull();
  await writeSnapshot(folder, large, 'm1');
  const restored = await restore();
  expect([restored?.size, restored?.revision, restored?.digest]).toEqual([large.size, 41, large.digest]);
  expect(restored?.index.size).toBe(large.index.size);
  expect(restored?.findPerson(7)?.name).toBe('Person 7');
  for (const person of [1, 2, 500]) expect(nearest(restored, person)).toEqual(nearest(large, person));
  restored?.apply({ changed: [synthetic.enter(9_999, 0)], removedIds: [1000, 1001, 1002, 1003] }, 42);
  expect(nearest(restored, 9_999)?.[0]?.personId).toBe(9_999);
  expect(nearest(restored, 1)?.map(({ personId }) => personId)).not.toContain(1);
});

test('nobody else may read it, and what is replaced or left behind goes', async () => {
  await writeSnapshot(folder, large, 'm1');
  await writeFile(join(folder, 'dead.tmp'), 'x');
  await writeFile(join(folder, 'dead.index'), 'x');
  await writeSnapshot(folder, large, 'm1');
  const names = await readdir(folder);
  expect(names.sort()).toEqual([expect.stringMatching(/^[\w-]{36}\.index$/), 'gallery.snapshot'].sort());
  for (const name of names) expect((await stat(join(folder, name))).mode & 0o777).toBe(0o600);
  expect((await stat(folder)).mode & 0o777).toBe(0o700);
  await removeSnapshot(folder);
  expect(await readdir(folder)).toEqual([]);
});

test('somebody who was removed is in the next one no more, neither their name', async () => {
  const search = createGallerySearch();
  const person = { ...synthetic.enter(1, 0), personName: 'Erased Person' };
  search.replace([person, synthetic.enter(2, 0)], 1);
  await writeSnapshot(folder, search, 'm1');
  expect(await holds(person.descriptor)).toBe(true);
  search.apply({ changed: [], removedIds: [person.personImageId] }, 2);
  expect(search.forgotten).toBe(1);
  expect(await writeSnapshot(folder, search, 'm1')).toMatchObject({ revision: 2, forgotten: 1 });
  expect([await holds(person.descriptor), await holds(synthetic.enter(2, 0).descriptor)]).toEqual([false, true]);
  for (const name of await readdir(folder)) expect((await readFile(join(folder, name))).includes('Erased')).toBe(false);
});

test('a snapshot from which somebody is removed while it is written is given up', async () => {
  const search = createGallerySearch();
  search.replace([synthetic.enter(1, 0), synthetic.enter(2, 0)], 1);
  const writing = writeSnapshot(folder, search, 'm1');
  while ((await readdir(folder).catch(() => [])).every((name) => !name.endsWith('.tmp'))) {
    await new Promise((resolve) => setImmediate(resolve));
  }
  search.apply({ changed: [], removedIds: [synthetic.enter(1, 0).personImageId] }, 2);
  expect(await writing).toBeNull();
  expect(await readdir(folder)).toEqual([]);
});

test('while the gallery is read again it waits, and lets the reading go on', async () => {
  await writeSnapshot(folder, large, 'm1');
  const search = await restore();
  if (!search) throw new Error('nothing was restored');
  let endReading = () => {};
  const reading = search.load(async () => {
    search.apply({ changed: [], removedIds: [2000, 2001, 2002, 2003] }, 42);
    await new Promise<void>((resolve) => {
      endReading = resolve;
    });
  });
  expect(search.index.vacant).toBeGreaterThan(0);
  let settled = false;
  const settling = search.settled().then(() => {
    settled = true;
  });
  await new Promise((resolve) => setImmediate(resolve));
  // It would be asked again and again in one turn, in which nothing is ever read.
  expect(settled).toBe(false);
  const writing = writeSnapshot(folder, search, 'm1');
  endReading();
  await Promise.all([reading, settling]);
  expect(await writing).toMatchObject({ revision: 42 });
  expect(search.index.vacant).toBe(0);
});

test('the index file does not hold what was removed either', async () => {
  await writeSnapshot(folder, large, 'm1');
  const restored = await restore();
  const stored = await asStored(centroid(3));
  const indexHolds = async () => {
    const [name = ''] = (await readdir(folder)).filter((one) => one.endsWith('.index'));
    return (await readFile(join(folder, name))).includes(stored);
  };
  expect(await indexHolds()).toBe(true);
  if (!restored) throw new Error('nothing was restored');
  restored.apply({ changed: [], removedIds: [3000, 3001, 3002, 3003] }, 42);
  await writeSnapshot(folder, restored, 'm1');
  expect(await indexHolds()).toBe(false);
  // The point that stands in for them is known as such after another restart.
  const again = await restore();
  expect([again?.index.size, again?.index.fillers.length]).toEqual([restored.index.size, 1]);
});

/** What usearch makes of a point: the file starts with the number of rows and the bytes of one, and then they come. */
async function asStored(point: Float32Array): Promise<Buffer> {
  const index = createGalleryIndex();
  index.add([1], point);
  const path = join(parent, 'one.index');
  index.save(path);
  const bytes = await readFile(path);
  return bytes.subarray(8, 8 + bytes.readUInt32LE(4));
}

function centroid(person: number): Float32Array {
  const [look] = large.faces.people.get(person)?.looks ?? [];
  const target = new Float32Array(128);
  if (look) large.faces.writeCentroid(look, target, 0);
  return target;
}

test('another model, damage anywhere and a missing end or index are noticed', async () => {
  await writeSnapshot(folder, large, 'm1');
  await expect(readSnapshot(folder, 'm2')).rejects.toThrow('another model (m1)');
  const path = join(folder, 'gallery.snapshot');
  const whole = await readFile(path);
  for (const at of [2, 20, 5_000, Math.floor(whole.length / 2), whole.length - 9]) {
    const damaged = Buffer.from(whole);
    damaged[at] = (damaged[at] ?? 0) ^ 1;
    await writeFile(path, damaged);
    // Where its header is damaged nobody knows which index is its own: that goes.
    await expect(readSnapshot(folder, 'm1')).rejects.toThrow(/of it is|cannot be read|index|too early/);
    if (at < 1000) await writeSnapshot(folder, large, 'm1');
  }
  await writeSnapshot(folder, large, 'm1');
  await truncate(path, whole.length - 100);
  await expect(readSnapshot(folder, 'm1')).rejects.toThrow('too early');
  await writeSnapshot(folder, large, 'm1');
  const [index = ''] = (await readdir(folder)).filter((name) => name.endsWith('.index'));
  await appendFile(join(folder, index), 'x');
  await expect(readSnapshot(folder, 'm1')).rejects.toThrow('index is damaged');
  await rm(join(folder, index));
  await expect(readSnapshot(folder, 'm1')).rejects.toThrow('cannot be read');
});
