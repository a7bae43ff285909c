import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { countImages } from '../lib/count-images.ts';
import { type Database, openDatabase } from '../lib/database.ts';
import { IMAGE_STATUSES, type ImageStatus, type Images, openImages } from '../lib/images.ts';
import type { PathPlace, PathQuery } from '../lib/list-by-path.ts';
import type { ImageQuery } from '../lib/list-images.ts';
import { startBothServers } from './both-servers.ts';
import { createDatabase, createStreamName, natsUrl, startService, type TestDatabase } from './servers.ts';
import { waitFor } from './wait-for.ts';

// Plain SQL that means the same on both: everything runs on each server.
const servers = await startBothServers('the server of the run (MariaDB, unless told otherwise)');

/** Every image that was added, and who is in it: what the pages are checked against. */
interface Known {
  readonly id: number;
  readonly path: string;
  readonly status: ImageStatus;
  readonly people: readonly number[];
  readonly createdAt: Date;
}

const FIRST_POSTED = Date.parse('2024-02-29T12:00:00.000Z');

const NAMES = ['Ada Lovelace', 'Jean-Luc de la Tour', 'Zoë Ångström', 'beach_boy', 'Nobody Here'];

describe.each(servers)('on $name', ({ url }) => {
  let database: TestDatabase;
  let db: Database;
  let images: Images;
  let known: Known[];

  beforeAll(async () => {
    database = await createDatabase({ server: url() });
    db = openDatabase(database.url);
    images = openImages(db);
    await db.query('INSERT INTO person (id, name) VALUES ?', [NAMES.map((name, n) => [n + 1, name])]);
    await db.query('INSERT INTO person (id, name) VALUES ?', [
      Array.from({ length: 1_200 }, (_, n) => [n + 100, `Many ${n < 60 ? 'Few' : 'Most'} ${n}`]),
    ]);
    known = await fill(db, images);
  });
  afterAll(async () => {
    await db.close();
    await database.drop();
  });

  /** Follows the cursors to the end. */
  async function listAll(query: Omit<ImageQuery, 'limit' | 'past'>, limit = 50, from = images): Promise<number[]> {
    const ids: number[] = [];
    const later = query.order === 'oldest' ? 1 : -1;
    for (let past: number | null | undefined; past !== null; ) {
      const page = await from.listImages({ ...query, limit, ...(past === undefined ? {} : { past }) });
      expect(page.images.length).toBeLessThanOrEqual(limit);
      ids.push(...page.images.map((image) => image.id));
      if (page.next !== null && past !== undefined) expect(Math.sign(page.next - past)).toBe(later);
      past = page.next;
    }
    return ids;
  }

  async function listAllByPath(query: Omit<PathQuery, 'limit' | 'past'>, limit = 50): Promise<number[]> {
    const ids: number[] = [];
    for (let past: PathPlace | null | undefined; past !== null; ) {
      const page = await images.listImagesByPath({ ...query, limit, ...(past === undefined ? {} : { past }) });
      expect(page.images.length).toBeLessThanOrEqual(limit);
      ids.push(...page.images.map((image) => image.id));
      past = page.next;
    }
    return ids;
  }

  const idsOf = (found: readonly Known[]) => found.map((image) => image.id).sort((a, b) => b - a);

  test('each filter by itself and all together: exactly the right images, newest first, each once', async () => {
    expect(await listAll({})).toEqual(idsOf(known));
    for (const status of ['matched', 'unknown', 'failed', 'unreadable'] as const) {
      const ofStatus = known.filter((image) => image.status === status);
      expect(await listAll({ status }), status).toEqual(idsOf(ofStatus));
      for (const person of [1, 2, 5, 99]) {
        const both = ofStatus.filter((image) => image.people.includes(person));
        expect(await listAll({ status, person }), `${status}, ${person}`).toEqual(idsOf(both));
        const three = both.filter(({ path, people }) => path.includes('Beach') || people.includes(4));
        expect(await listAll({ status, person, text: 'beach' })).toEqual(idsOf(three));
      }
    }
    expect(await listAll({ person: 1 })).toEqual(idsOf(known.filter((image) => image.people.includes(1))));
  });

  test.each<[string, (image: Known) => boolean]>([
    ['beach', ({ path, people }) => path.includes('Beach') || people.includes(4)],
    ['BEA', ({ path, people }) => path.includes('Beach') || people.includes(4)],
    ['each', () => false],
    ['img beach', ({ path, people }) => path.includes('IMG') && (path.includes('Beach') || people.includes(4))],
    ['img dsc', () => false],
    ['jpg', ({ path }) => path.endsWith('.jpg')],
    ['munchen', ({ path }) => path.includes('München')],
    ['München', ({ path }) => path.includes('München')],
    ['00007', ({ path }) => path.includes('_00007')],
    ['neverwhere', () => false],
    ['neverwhere jpg', () => false],
    ['extraordinarily', ({ path }) => path.includes('extraordinarily')],
    ['extraordinary', () => false],
    ['ada', ({ people }) => people.includes(1)],
    ['lovelace', ({ people }) => people.includes(1)],
    ['tour', ({ people }) => people.includes(2)],
    ['luc', ({ people }) => people.includes(2)],
    ['angstrom', ({ people }) => people.includes(3)],
    ['ada 2023 img', ({ path, people }) => people.includes(1) && path.includes('2023') && path.includes('IMG')],
    ['ada zoe', ({ people }) => people.includes(1) && people.includes(3)],
    ['nobody', () => false],
    ['few', ({ people }) => people.some((id) => id >= 100 && id < 160)],
    ['many', ({ people }) => people.some((id) => id >= 100)],
    ['many 2023', ({ path, people }) => people.some((id) => id >= 100) && path.includes('2023')],
    ['  /// ', () => true],
    [`"%_' OR 1=1`, () => false],
  ])('finds by words: %s', async (text, matches) => {
    const expected = idsOf(known.filter(matches));
    expect(await listAll({ text }, 20)).toEqual(expected);
    // More than a round reads: several rounds a page.
    expect(await listAll({ text }, 200)).toEqual(expected);
  });

  const folderOf = (folder: string) => (image: Known) => image.path.startsWith(folder);
  const between = (from: Date, to: Date) => (image: Known) => image.createdAt >= from && image.createdAt < to;

  test.each(['2020/', '2021/Album/', '2020/München/', 'deep/er/', '2020/Alb/', '202/', 'nowhere/', '!/', '"%_/'])(
    'everything in a folder: %s',
    async (folder) => {
      const inFolder = known.filter(folderOf(folder));
      if (folder === '2020/München/') expect(inFolder.length).toBeGreaterThan(5);
      expect(await listAll({ folder })).toEqual(idsOf(inFolder));
      expect(await listAll({ folder, order: 'oldest' })).toEqual(idsOf(inFolder).reverse());
      expect(await listAllByPath({ folder })).toEqual(byPath(inFolder));
      const unknown = inFolder.filter((image) => image.status === 'unknown');
      expect(await listAll({ folder, status: 'unknown' })).toEqual(idsOf(unknown));
      expect(await listAllByPath({ folder, status: 'unknown' }, 20)).toEqual(byPath(unknown));
      const ofAda = inFolder.filter(({ path, people }) => path.includes('IMG') && people.includes(1));
      expect(await listAll({ folder, person: 1, text: 'img' })).toEqual(idsOf(ofAda));
    },
  );

  test('a folder of more images than are put into order at once, beside one whose name starts alike', async () => {
    const own = await createDatabase({ server: url() });
    const ownDb = openDatabase(own.url);
    const ownImages = openImages(ownDb);
    const many = Array.from({ length: 6_000 }, (_, n) => `big/${n % 3 === 0 ? 'one' : 'ones'}/${n}.jpg`);
    await ownImages.addImages([...many, 'one/big.jpg']);
    const count = async (query: Omit<ImageQuery, 'limit' | 'past'>) => (await listAll(query, 200, ownImages)).length;
    expect(await count({ folder: 'big/' })).toBe(6_000);
    expect(await count({ folder: 'big/', order: 'oldest' })).toBe(6_000);
    expect(await count({ folder: 'big/one/' })).toBe(2_000);
    expect(await count({ from: new Date(0), order: 'oldest' })).toBe(6_001);
    await ownDb.close();
    await own.drop();
  });

  test('posted in a time, in every order', async () => {
    const times = [
      FIRST_POSTED - 5_000,
      FIRST_POSTED,
      FIRST_POSTED + 100_000,
      FIRST_POSTED + 699_000,
      FIRST_POSTED + 800_000,
    ];
    for (const [from, to] of times.flatMap((a) => times.map((b) => [new Date(a), new Date(b)] as const))) {
      const posted = known.filter(between(from, to));
      expect(await listAll({ from, to })).toEqual(idsOf(posted));
      expect(await listAll({ from, to, order: 'oldest' })).toEqual(idsOf(posted).reverse());
      const matched = posted.filter((image) => image.status === 'matched');
      expect(await listAll({ from, to, status: 'matched' })).toEqual(idsOf(matched));
      expect(await listAllByPath({ from, to, status: 'matched' })).toEqual(byPath(matched));
    }
    const from = new Date(FIRST_POSTED + 350_000);
    expect(await listAll({ from })).toEqual(idsOf(known.filter(({ createdAt }) => createdAt >= from)));
    expect(await listAll({ to: from })).toEqual(idsOf(known.filter(({ createdAt }) => createdAt < from)));
  });

  test('oldest first: the same images the other way round', async () => {
    const queries = [
      {},
      { status: 'matched' },
      { person: 1 },
      { text: 'beach' },
      { text: 'many 2023' },
      { text: 'img' },
    ] as const;
    for (const query of queries) {
      const newest = await listAll(query);
      expect(await listAll({ ...query, order: 'oldest' }, 20)).toEqual(newest.reverse());
    }
  });

  test('by path: all of them, and those that meet rare and common conditions', async () => {
    expect(await listAllByPath({})).toEqual(byPath(known));
    expect(await listAllByPath({ status: 'failed' }, 1)).toEqual(byPath(known.filter((it) => it.status === 'failed')));
    expect(await listAllByPath({ text: 'beach' }, 20)).toEqual(
      byPath(known.filter(({ path, people }) => path.includes('Beach') || people.includes(4))),
    );
    expect(await listAllByPath({ person: 99_999 })).toEqual([]);
  });

  test('folders, one level at a time', async () => {
    const list = async (start: string, limit = 50) => images.listFolders({ start, limit });
    expect(await list('')).toEqual({
      folders: ['2020/', '2021/', '2022/', '2023/', 'deep/', 'https://photos.example/'],
      complete: true,
    });
    expect(await list('2020/')).toEqual({ folders: ['2020/Album/', '2020/Beach/', '2020/München/'], complete: true });
    expect(await list('2020/M')).toEqual({ folders: ['2020/München/'], complete: true });
    expect(await list('202', 2)).toEqual({ folders: ['2020/', '2021/'], complete: false });
    expect(await list('deep/')).toEqual({ folders: ['deep/er/'], complete: true });
    expect(await list('nowhere')).toEqual({ folders: [], complete: true });
    expect(await list('2020/Album/')).toEqual({ folders: [], complete: true });
  });

  test('a word that people and paths share stays with the person and status asked for', async () => {
    const expected = known.filter(({ people, status }) => people.includes(4) && status === 'matched');
    expect(await listAll({ text: 'beach', person: 4, status: 'matched' })).toEqual(idsOf(expected));
  });

  test('what a version before added is found as soon as it is indexed, and then there is nothing left to do', async () => {
    const own = await createDatabase({ server: url() });
    const ownDb = openDatabase(own.url);
    const ownImages = openImages(ownDb);
    await ownDb.query('INSERT INTO images (path) VALUES ?', [
      Array.from({ length: 1_500 }, (_, n) => [`old/attic/${n}.jpg`]),
    ]);
    const count = async () => (await listAll({ text: 'attic' }, 200, ownImages)).length;
    expect(await count()).toBe(0);
    expect(await Promise.all([ownImages.indexWaitingPaths(), ownImages.indexWaitingPaths()])).toContain(1_000);
    while ((await ownImages.indexWaitingPaths()) > 0);
    expect(await count()).toBe(1_500);
    expect(await ownImages.indexWaitingPaths()).toBe(0);
    // One that both versions add at once is found, too.
    await ownDb.query("INSERT INTO images (path) VALUES ('both/ways.jpg')");
    await ownImages.addImages(['both/ways.jpg']);
    while ((await ownImages.indexWaitingPaths()) > 0);
    expect((await ownImages.listImages({ text: 'ways', limit: 10 })).images).toHaveLength(1);
    await ownDb.close();
    await own.drop();
  });

  test('counts are exact while counting is quick; of very many images they follow', async () => {
    const own = await createDatabase({ server: url() });
    const ownDb = openDatabase(own.url);
    // A busy machine counts two rows no quicker than another a million.
    const count = countImages(ownDb, IMAGE_STATUSES, { quickMs: 60_000 });
    const countMany = countImages(ownDb, IMAGE_STATUSES, { quickMs: 0 });
    expect([await count(), await countMany()]).toMatchObject([{ pending: 0 }, { pending: 0, failed: 0 }]);
    await openImages(ownDb).addImages(['a.jpg', 'b.jpg']);
    expect(await count()).toMatchObject({ pending: 2 });
    expect(await countMany()).toMatchObject({ pending: 0 });
    await waitFor('the next count', async () => (await countMany()).pending === 2);
    await ownDb.close();
    await own.drop();
  });

  test('many writers at once, in the same folders', async () => {
    const paths = Array.from({ length: 200 }, (_, n) => `crowd/together/${n}.jpg`);
    const added = await Promise.all(paths.map((path) => images.addImages([path])));
    expect(await listAll({ text: 'crowd tog' })).toEqual(added.map(([image]) => image?.id ?? 0).sort((a, b) => b - a));
  });
});

test('over HTTP: the filters, and what is no filter', async () => {
  const database = await createDatabase();
  const receiver = await startService('receiver', {
    ...{ MYSQL_URL: database.url, NATS_URL: natsUrl(), IMAGES_STREAM: createStreamName(), IMAGE_ROOTS: '/tmp' },
  });
  const db = openDatabase(database.url);
  const get = async (query: string) => {
    const response = await fetch(`http://127.0.0.1:${receiver.port}/v1/images?${query}`);
    return {
      status: response.status,
      body: (await response.json()) as { images: { path: string }[]; nextCursor: string },
    };
  };
  await db.query("INSERT INTO person (id, name) VALUES (7, 'Ada')");
  await openImages(db).addImages(['trip/one.jpg', 'trip/two.jpg', 'home/three.jpg']);
  await db.query(
    "INSERT INTO faces (image_id, face_index, person_id) SELECT id, 0, 7 FROM images WHERE path LIKE '%t%o%'",
  );
  const paths = async (query: string) => (await get(query)).body.images.map((image) => image.path);
  expect(await paths('q=trip')).toEqual(['trip/two.jpg', 'trip/one.jpg']);
  expect(await paths('q=trip%20ada&status=pending&person=7')).toEqual(['trip/two.jpg', 'trip/one.jpg']);
  const { body: first } = await get('person=7&limit=1');
  expect(await paths(`person=7&limit=1&cursor=${first.nextCursor}`)).toEqual(['trip/one.jpg']);
  expect(await paths('person=99')).toEqual([]);
  expect(await paths('folder=trip&sort=path')).toEqual(['trip/one.jpg', 'trip/two.jpg']);
  expect(await paths('sort=oldest&limit=2')).toEqual(['trip/one.jpg', 'trip/two.jpg']);
  const { body: byPath } = await get('sort=path&limit=1');
  expect(byPath.images).toMatchObject([{ path: 'home/three.jpg' }]);
  expect(await paths(`sort=path&limit=1&cursor=${byPath.nextCursor}`)).toEqual(['trip/one.jpg']);
  const today = new Date().toISOString().slice(0, 10);
  expect(await paths(`from=2020-01-01&to=${today}&q=three`)).toEqual(['home/three.jpg']);
  expect(await paths('to=2020-01-01')).toEqual([]);
  expect(await paths(`from=${encodeURIComponent(new Date(Date.now() + 3_600_000).toISOString())}`)).toEqual([]);
  const folders = await fetch(`http://127.0.0.1:${receiver.port}/v1/folders?start=t`);
  expect(await folders.json()).toEqual({ folders: [{ path: 'trip/' }], complete: true });
  const bads = ['person=x', 'person=0', `q=${'a'.repeat(201)}`, 'sort=size', 'from=yesterday', 'folder='];
  bads.push(`cursor=${byPath.nextCursor}`, `sort=path&cursor=7`);
  for (const bad of bads) expect((await get(bad)).status, bad).toBe(400);
  await db.close();
  await receiver.stop();
  await database.drop();
});

/** As the database puts them: by code points, which for these paths is as JavaScript does. */
function byPath(found: readonly Known[]): number[] {
  return found.toSorted((a, b) => (a.path < b.path ? -1 : 1)).map((image) => image.id);
}

async function fill(db: Database, images: Images): Promise<Known[]> {
  const statuses = ['matched', 'unknown', 'matched', 'no_face', 'pending'] as const;
  const paths = Array.from({ length: 700 }, (_, n) =>
    [
      2020 + (n % 4),
      n % 7 === 0 ? 'Beach' : n % 11 === 0 ? 'München' : 'Album',
      `${n % 2 === 0 ? 'IMG' : 'DSC'}_${String(n).padStart(6, '0')}${n % 350 === 5 ? '-extraordinarily' : ''}.${n % 3 === 0 ? 'png' : 'jpg'}`,
    ].join('/'),
  );
  paths.push('deep/er/wreck.jpg', 'deep/fish.jpg', 'https://photos.example/album/one.jpg', 'zebra.jpg');
  const added = await images.addImages(paths);
  const known = added.map(({ id, path }, n): Known => {
    const status = n === 100 || n === 600 ? 'failed' : (statuses[n % 5] ?? 'pending');
    // Posted at once, they may have been given their ids the other way round.
    const createdAt = new Date(FIRST_POSTED + (n ^ 1) * 1_000);
    if (status !== 'matched') return { id, path, status, people: [], createdAt };
    // The same person twice in one photo, too: a collage.
    const people = [n % 2 === 0 ? 1 : 2, 1, ...(n % 9 === 0 ? [3] : []), ...(n % 50 === 0 ? [4] : []), 100 + n];
    return { id, path, status, people, createdAt };
  });
  for (const status of new Set(known.map((image) => image.status))) {
    const ids = known.filter((image) => image.status === status).map((image) => image.id);
    await db.query('UPDATE images SET status = ? WHERE id IN (?)', [status, ids]);
  }
  await db.query(`UPDATE images SET created_at = ? + INTERVAL ((id - ?) ^ 1) SECOND`, [
    new Date(FIRST_POSTED),
    Math.min(...known.map(({ id }) => id)),
  ]);
  const faces = known.flatMap(({ id, people }) => people.map((person, index) => [id, index, person]));
  await db.query('INSERT INTO faces (image_id, face_index, person_id) VALUES ?', [faces]);
  return known;
}
