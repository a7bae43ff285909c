import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { countImages } from '../lib/count-images.ts';
import { type Database, openDatabase } from '../lib/database.ts';
import { IMAGE_STATUSES, type ImageStatus, type Images, openImages } from '../lib/images.ts';
import type { ImageQuery } from '../lib/list-images.ts';
import {
  createDatabase,
  createStreamName,
  natsUrl,
  startMysqlServer,
  startService,
  type TestDatabase,
} from './servers.ts';
import { waitFor } from './wait-for.ts';

// Plain SQL that means the same on both: everything runs on each server.
const mysqlServer = await startMysqlServer();
const servers = [
  { name: 'the server of the run (MariaDB, unless told otherwise)', url: () => inject('mysqlUrl') },
  ...('skip' in mysqlServer ? [] : [{ name: `MySQL ${mysqlServer.version}`, url: () => mysqlServer.url }]),
];
if ('skip' in mysqlServer) test.skip(`on MySQL: ${mysqlServer.skip}`);

afterAll(async () => {
  if (!('skip' in mysqlServer)) await mysqlServer.stop();
});

/** Every image that was added, and who is in it: what the pages are checked against. */
interface Known {
  readonly id: number;
  readonly path: string;
  readonly status: ImageStatus;
  readonly people: readonly number[];
}

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
  async function listAll(query: Omit<ImageQuery, 'limit' | 'before'>, limit = 50, from = images): Promise<number[]> {
    const ids: number[] = [];
    for (let before: number | null | undefined; before !== null; ) {
      const page = await from.listImages({ ...query, limit, ...(before === undefined ? {} : { before }) });
      expect(page.images.length).toBeLessThanOrEqual(limit);
      ids.push(...page.images.map((image) => image.id));
      if (page.next !== null) expect(page.next).toBeLessThan(before ?? Number.POSITIVE_INFINITY);
      before = page.next;
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
    const count = countImages(ownDb, IMAGE_STATUSES);
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
  for (const bad of ['person=x', 'person=0', `q=${'a'.repeat(201)}`]) expect((await get(bad)).status, bad).toBe(400);
  await db.close();
  await receiver.stop();
  await database.drop();
});

async function fill(db: Database, images: Images): Promise<Known[]> {
  const statuses = ['matched', 'unknown', 'matched', 'no_face', 'pending'] as const;
  const paths = Array.from({ length: 700 }, (_, n) =>
    [
      2020 + (n % 4),
      n % 7 === 0 ? 'Beach' : n % 11 === 0 ? 'München' : 'Album',
      `${n % 2 === 0 ? 'IMG' : 'DSC'}_${String(n).padStart(6, '0')}${n % 350 === 5 ? '-extraordinarily' : ''}.${n % 3 === 0 ? 'png' : 'jpg'}`,
    ].join('/'),
  );
  const added = await images.addImages(paths);
  const known = added.map(({ id, path }, n): Known => {
    const status = n === 100 || n === 600 ? 'failed' : (statuses[n % 5] ?? 'pending');
    if (status !== 'matched') return { id, path, status, people: [] };
    // The same person twice in one photo, too: a collage.
    const people = [n % 2 === 0 ? 1 : 2, 1, ...(n % 9 === 0 ? [3] : []), ...(n % 50 === 0 ? [4] : []), 100 + n];
    return { id, path, status, people };
  });
  for (const status of new Set(known.map((image) => image.status))) {
    const ids = known.filter((image) => image.status === status).map((image) => image.id);
    await db.query('UPDATE images SET status = ? WHERE id IN (?)', [status, ids]);
  }
  const faces = known.flatMap(({ id, people }) => people.map((person, index) => [id, index, person]));
  await db.query('INSERT INTO faces (image_id, face_index, person_id) VALUES ?', [faces]);
  return known;
}
