import { copyFile, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import sharp from 'sharp';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { facesNearTo, facesOf, nameFace, storeFaces } from '../bench/stored-faces.ts';
import { type Database, openDatabase, type Row } from '../lib/database.ts';
import { type EventRead, type Events, openEvents } from '../lib/events.ts';
import { type ImageQueue, openImageQueue } from '../lib/image-queue.ts';
import { type Images, openImages } from '../lib/images.ts';
import { samplePhoto, VARIANTS } from './sample-photos.ts';
import {
  createDatabase,
  createStreamName,
  natsUrl,
  type RunningService,
  startService,
  type TestDatabase,
} from './servers.ts';
import { untilRematched } from './until-rematched.ts';
import { waitFor } from './wait-for.ts';

let folder: string;
let database: TestDatabase;
let db: Database;
let images: Images;
let recognizer: RunningService;
let queue: ImageQueue;
let events: Events;
let names: { IMAGES_STREAM: string; EVENTS_STREAM: string };
let processors: RunningService[];
let told: EventRead[];
let listening: AbortController;

const log = pino({ level: 'silent' });

// One recognizer for all: it takes seconds to load its networks. Each test empties the tables.
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'faceflow-rematch-'));
  await copyFile(samplePhoto(1), join(folder, 'first.jpg'));
  for (const name of ['mirrored', 'smaller']) {
    await VARIANTS[name]?.(sharp(samplePhoto(1))).toFile(join(folder, `${name}.jpg`));
  }
  await copyFile(samplePhoto(6), join(folder, 'other.jpg'));
  database = await createDatabase();
  db = openDatabase(database.url);
  images = openImages(db);
  recognizer = await startService('recognizer', {
    ...{
      MYSQL_URL: database.url,
      IMAGE_ROOTS: folder,
      RECOGNIZER_WORKERS: '1',
      LOG_LEVEL: 'debug',
      LOG_FORMAT: 'json',
    },
    // Only Match itself looks for what is new.
    GALLERY_POLL_MS: '60000',
  });
});

afterAll(async () => {
  await recognizer.stop();
  await db.close();
  await database.drop();
  await rm(folder, { recursive: true });
});

beforeEach(async () => {
  await db.query('UPDATE gallery SET revision = revision + 1 WHERE id = 1');
  await db.query(
    'INSERT INTO gallery_removals (revision, person_image_id) SELECT g.revision, pi.id FROM person_images pi, gallery g',
  );
  for (const table of ['person_images', 'faces', 'images', 'person', 'jobs'])
    await db.write(`DELETE FROM ${table}`, []);
  for (const table of ['faces', 'images']) await db.query(`ALTER TABLE ${table} AUTO_INCREMENT = 1`);
  names = { IMAGES_STREAM: createStreamName(), EVENTS_STREAM: createStreamName() };
  processors = [];
  const { IMAGES_STREAM, EVENTS_STREAM } = names;
  queue = openImageQueue({ url: natsUrl(), stream: IMAGES_STREAM, consumer: 'processor', log });
  events = openEvents({ url: natsUrl(), stream: EVENTS_STREAM, log });
  told = [];
  listening = new AbortController();
  void listen();
  await waitFor('the events', () => told.length > 0);
});

afterEach(async () => {
  recognizer.kill('SIGCONT');
  listening.abort();
  await Promise.all(processors.map((processor) => processor.stop()));
  await Promise.all([queue.close(), events.close()]);
});

async function listen(): Promise<void> {
  for await (const read of events.read({ signal: listening.signal })) told.push(read);
}

const changedImages = () =>
  told.flatMap(({ event }) => (event.kind === 'image.changed' ? [event.imageId] : [])).sort((a, b) => a - b);

async function startProcessor(): Promise<RunningService> {
  const processor = await startService('processor', {
    ...{ MYSQL_URL: database.url, NATS_URL: natsUrl(), ...names, RECOGNIZER_ADDRESS: `127.0.0.1:${recognizer.port}` },
    ...{ LOG_LEVEL: 'debug', LEADER_LEASE_MS: '1500', RECOGNIZER_TIMEOUT_MS: '5000' },
  });
  processors.push(processor);
  return processor;
}

const leaderOf = (some: readonly RunningService[]) =>
  waitFor('a leader', () => some.find((one) => one.log().includes('"leading"')));

const statusesByPath = async () => {
  const [rows] = await db.query<Row[]>(
    'SELECT i.path, i.status, p.name FROM images i LEFT JOIN person p ON p.id = i.person ORDER BY i.path',
  );
  return Object.fromEntries(rows.map((row) => [row.path, row.name ?? row.status]));
};

const photosLookedAt = () => recognizer.log().match(/photo looked at/g)?.length ?? 0;

test('a face is named: the other photos of that person follow, without looking at them again; and back when it is undone', async () => {
  await startProcessor();
  const added = await images.addImages(['first.jpg', 'mirrored.jpg', 'smaller.jpg', 'other.jpg']);
  const ids = added.map((image) => image.id);
  await waitFor('the queue', async () => (await queue.enqueue(ids).catch(() => [])).length === ids.length);
  await waitFor('every photo to end', async () => (await images.countByStatus()).pending === 0, 60_000);
  await untilRematched(db);
  expect(new Set(Object.values(await statusesByPath()))).toEqual(new Set(['unknown']));
  const finished = () => told.filter(({ event }) => event.kind === 'image.finished');
  await waitFor('the events', () => finished().length >= 4);
  expect(finished()).toHaveLength(4);
  // What it prints arrives a moment after its answers.
  await waitFor('the lines', () => photosLookedAt() >= 4);
  const looked = photosLookedAt();

  const [[face]] = await db.query<Row[]>('SELECT id FROM faces WHERE image_id = ? AND face_index = 0', [ids[0]]);
  const eva = await nameFace(db, face?.id, 'Eva');
  const others = { 'mirrored.jpg': 'Eva', 'smaller.jpg': 'Eva', 'other.jpg': 'unknown' };
  await waitFor('their names', async () => (await statusesByPath())['smaller.jpg'] === 'Eva');
  await untilRematched(db);
  expect(await statusesByPath()).toEqual({ 'first.jpg': 'Eva', ...others });
  await waitFor('the events', () => changedImages().length === 3);
  expect(changedImages()).toEqual(ids.slice(0, 3));

  // "Not this person" takes the reference away, and says so of the face.
  await db.transact(async (connection) => {
    await connection.query('UPDATE gallery SET revision = revision + 1 WHERE id = 1');
    const revision = '(SELECT revision FROM gallery WHERE id = 1)';
    await connection.query(
      `INSERT INTO gallery_removals SELECT g.revision, pi.id FROM person_images pi, gallery g WHERE pi.person_id = ?`,
      [eva],
    );
    await connection.query('DELETE FROM person_images WHERE person_id = ?', [eva]);
    await connection.query(`UPDATE person SET revision = ${revision} WHERE id = ?`, [eva]);
    await connection.query("UPDATE faces SET person_id = NULL, decided_by = 'user' WHERE id = ?", [face?.id]);
    await connection.query('UPDATE images SET rematch = 1 WHERE id = ?', [ids[0]]);
  });
  await untilRematched(db);
  expect(new Set(Object.values(await statusesByPath()))).toEqual(new Set(['unknown']));
  expect(photosLookedAt()).toBe(looked);
});

test('a processor is killed half-way, photos are deleted and a person is named meanwhile: none is missed', async () => {
  const plan = { seed: 3, known: 20, photosOfPeople: [120, 60, ...Array.from({ length: 3_000 }, () => 4)] };
  const stored = await storeFaces(db, plan);
  const [first = 0, second = 0] = stored.firstFaces;
  const both = await Promise.all([startProcessor(), startProcessor()]);
  const leader = await leaderOf(both);
  await untilRematched(db);
  const rightFirst = facesNearTo(stored, first);
  const rightSecond = facesNearTo(stored, second);
  expect(rightFirst.size).toBeGreaterThan(100);

  recognizer.kill('SIGSTOP');
  const ada = await nameFace(db, first, 'Ada', false);
  await waitFor('photos to be marked', async () => {
    const [[row]] = await db.query<Row[]>('SELECT COUNT(*) AS count FROM images WHERE rematch > 0');
    return row?.count > 50;
  });
  leader.kill('SIGKILL');
  const gone = [...rightFirst].filter((id) => id !== first).slice(0, 5);
  await db.query('DELETE i FROM images i JOIN faces f ON f.image_id = i.id WHERE f.id IN (?)', [gone]);
  const bob = await nameFace(db, second, 'Bob');
  recognizer.kill('SIGCONT');
  await leaderOf(both.filter((one) => one !== leader));
  await untilRematched(db);

  const [rows] = await db.query<Row[]>('SELECT id FROM faces');
  const left = new Set(rows.map((row) => row.id));
  expect(await facesOf(db, ada)).toEqual(new Set([...rightFirst].filter((id) => left.has(id))));
  expect(await facesOf(db, bob)).toEqual(new Set([...rightSecond].filter((id) => left.has(id))));
  await waitFor('the events', () => {
    const changed = new Set(changedImages());
    return [...rightSecond].filter((id) => left.has(id)).every((id) => changed.has(stored.faces[id - 1]?.imageId ?? 0));
  });
});

test('faces decided before candidates were kept are decided once; a mark is enough; another model waits', async () => {
  const stored = await storeFaces(db, {
    seed: 5,
    known: 3,
    photosOfPeople: [8, ...Array.from({ length: 50 }, () => 1)],
  });
  await db.query('UPDATE faces SET candidates = NULL');
  await db.query("DELETE FROM jobs WHERE name = 'rematch'");
  await startProcessor();
  await untilRematched(db);
  const [[undecided]] = await db.query<Row[]>('SELECT COUNT(*) AS count FROM faces WHERE candidates IS NULL');
  expect(undecided?.count).toBe(0);

  // Somebody marks a photo whose stored answer is wrong; the gallery has not changed.
  const wrong = stored.firstFaces[0] ?? 0;
  const image = stored.faces[wrong - 1]?.imageId ?? 0;
  await db.query(
    'UPDATE faces f JOIN images i ON i.id = f.image_id SET f.person_id = 1, i.rematch = 1 WHERE f.id = ?',
    [wrong],
  );
  await waitFor('the answer to be corrected', async () => !(await facesOf(db, 1)).has(wrong));

  await db.query(
    "UPDATE faces f JOIN images i ON i.id = f.image_id SET f.model = 'another', i.rematch = 1 WHERE i.id = ?",
    [image],
  );
  const elsewhere = stored.firstFaces.find((id) => stored.faces[id - 1]?.imageId !== image) ?? 0;
  const person = await nameFace(db, elsewhere, 'Cy');
  await waitFor('the others', async () => (await facesOf(db, person)).size > 0);
  await waitFor('a word about it', () => processors[0]?.log().includes('stored faces wait'));
  expect(await images.findImage(image)).toMatchObject({ status: 'unknown' });
});
