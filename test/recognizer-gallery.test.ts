import { copyFile, mkdir, mkdtemp, readdir, readFile, rm, truncate, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Database, descriptorToBytes, openDatabase, type Row } from '../lib/database.ts';
import { type FaceQuality, faceQualityFromColumn } from '../lib/face-quality.ts';
import { bumpRevision } from '../lib/gallery.ts';
import { openPeople } from '../lib/people.ts';
import { connectRecognizer } from './recognizer-client.ts';
import { cropFace, samplePhoto } from './sample-photos.ts';
import { createDatabase, type RunningService, startService, type TestDatabase } from './servers.ts';
import { waitFor } from './wait-for.ts';

let folder: string;
let known: string;
let testDatabase: TestDatabase;
let db: Database;
let recognizer: RunningService;

async function startRecognizer(env: Record<string, string> = { ENROL_POOR_FACES: 'true' }): Promise<void> {
  recognizer = await startService('recognizer', {
    MYSQL_URL: testDatabase.url,
    IMAGE_ROOTS: folder,
    KNOWN_PEOPLE: known,
    RECOGNIZER_WORKERS: '1',
    GALLERY_POLL_MS: '100',
    GALLERY_SNAPSHOT: join(folder, 'snapshot'),
    LOG_LEVEL: 'debug',
    LOG_FORMAT: 'json',
    ...env,
  });
}

async function identify() {
  const client = connectRecognizer(recognizer.port);
  return client.identify('photo.jpg').finally(() => client.close());
}

interface Known {
  readonly person: string;
  readonly encoded: boolean;
  readonly failure: string | null;
  readonly quality: FaceQuality | null;
}

async function knownPhotos(): Promise<Record<string, Known>> {
  const [rows] = await db.query<Row[]>(
    `SELECT pi.image_name, p.name, pi.descriptor IS NOT NULL AS encoded, pi.failure, pi.quality
       FROM person_images pi JOIN person p ON p.id = pi.person_id`,
  );
  const toPhoto = (row: Row) => ({
    ...{ person: row.name, encoded: row.encoded === 1, failure: row.failure },
    quality: faceQualityFromColumn(row.quality),
  });
  return Object.fromEntries(rows.map((row) => [row.image_name, toPhoto(row)]));
}

const countRecorded = () => recognizer.log().match(/known photo recorded/g)?.length ?? 0;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'faceflow-gallery-'));
  known = join(folder, 'known');
  await mkdir(join(known, 'Bo'), { recursive: true });
  await copyFile(samplePhoto(1), join(folder, 'photo.jpg'));
  testDatabase = await createDatabase();
  db = openDatabase(testDatabase.url);

  await startRecognizer();
  const seen = await identify();
  await recognizer.stop();
  const [first, second] = seen.faces;
  if (!first?.box || !second?.box) throw new Error('The sample photo shows fewer people than it did.');
  await (await cropFace(samplePhoto(1), seen, first.box)).toFile(join(known, 'x_1.jpg'));
  await (await cropFace(samplePhoto(1), seen, second.box)).toFile(join(known, 'Bo', 'b.jpg'));
  await writeFile(join(known, 'text.png'), 'no picture');
  await writeFile(join(known, 'huge.jpg'), '');
  await truncate(join(known, 'huge.jpg'), 65 * 1024 * 1024);
  // As the reference system's own SQL does it: the row is there before anybody has looked at the photo.
  await db.query("INSERT INTO person (name) VALUES ('Ada Lovelace')");
  await db.query("INSERT INTO person_images (image_name, person_id) SELECT 'x_1.jpg', id FROM person");
  await startRecognizer({});
});

afterAll(async () => {
  await recognizer.stop();
  await db.close();
  await testDatabase.drop();
  await rm(folder, { recursive: true });
});

test('a face that leans too far is refused with the reason, and enrolled by a recognizer that is told to', async () => {
  const { 'x_1.jpg': leaning, 'Bo/b.jpg': upright } = await knownPhotos();
  expect(leaning).toMatchObject({ encoded: false, quality: { reasons: ['EXTREME_POSE'] } });
  expect(leaning?.failure).toMatch(/^The face is turned or leaning too far .*EXTREME_POSE.*ENROL_POOR_FACES=true/);
  expect(upright).toMatchObject({ encoded: true, quality: { reasons: [] } });
  expect((await identify()).faces.map(({ match }) => match?.personName ?? null)).toEqual([null, 'Bo', null]);

  await recognizer.stop();
  await startRecognizer();
  // What it prints arrives a moment after its answers.
  await waitFor('it to be recorded', () => countRecorded() > 0);
  expect(countRecorded()).toBe(1);
});

test('a row says whose photo a file is; without one the folder or the file name does', async () => {
  expect(await knownPhotos()).toEqual({
    'x_1.jpg': { person: 'Ada Lovelace', encoded: true, failure: null, quality: expect.anything() },
    'Bo/b.jpg': { person: 'Bo', encoded: true, failure: null, quality: expect.anything() },
    'text.png': { person: 'Text', encoded: false, failure: expect.stringContaining('cannot be read'), quality: null },
    'huge.jpg': { person: 'Huge', encoded: false, failure: expect.stringContaining('at most'), quality: null },
  });
  const { faces, galleryRevision } = await identify();
  expect(faces.map(({ match }) => match?.personName ?? null)).toEqual(['Ada Lovelace', 'Bo', null]);
  expect(galleryRevision).toBeGreaterThan(0);
  for (const { match } of faces.slice(0, 2)) {
    expect(match?.personId).toBeGreaterThan(0);
    expect(match?.personImageId).toBeGreaterThan(0);
  }
});

test('no photo is looked at twice, also after a restart, also when only its time has changed', async () => {
  await recognizer.stop();
  await utimes(join(known, 'x_1.jpg'), new Date(), new Date('2020-01-01'));
  await startRecognizer();
  const year = async () => {
    const [rows] = await db.query<Row[]>("SELECT file_mtime_ms FROM person_images WHERE image_name = 'x_1.jpg'");
    return new Date(Number(rows[0]?.file_mtime_ms)).getUTCFullYear();
  };
  expect(await year()).toBe(2020);
  expect(countRecorded()).toBe(0);
});

test('what another replica or a person changes in the database is seen', async () => {
  await db.query("UPDATE person SET name = 'Augusta Ada King' WHERE name = 'Ada Lovelace'");
  await db.query('UPDATE gallery SET revision = revision + 1');
  await waitFor('the new name', async () => (await identify()).faces[0]?.match?.personName === 'Augusta Ada King');
});

const nameOf = async (face: number) => (await identify()).faces[face]?.match?.personName ?? null;
/** Whether any file of the snapshot holds these bytes. */
async function isInSnapshot(bytes: Buffer): Promise<boolean> {
  const files = await readdir(join(folder, 'snapshot'));
  const contents = await Promise.all(files.map((name) => readFile(join(folder, 'snapshot', name)).catch(() => null)));
  return contents.some((content) => content?.includes(bytes));
}

test('a face that another process enrols is known, and forgotten, without a restart, and leaves the disk', async () => {
  const descriptor = Float32Array.from((await identify()).faces[2]?.descriptor ?? []);
  const people = openPeople(db);
  await people.recordKnownPhoto({
    ...{ imageName: 'elsewhere.jpg', personName: 'Zoë', fileSize: 1, fileMtimeMs: 1, contentHash: null },
    ...{ model: 'face-api-1', descriptor, failure: null, quality: null },
  });
  await waitFor('the new face', async () => (await nameOf(2)) === 'Zoë');

  // A snapshot that holds her is on disk when the recognizer starts from one.
  await recognizer.stop();
  await rm(join(folder, 'snapshot'), { recursive: true });
  await startRecognizer();
  await waitFor('the snapshot', () => isInSnapshot(descriptorToBytes(descriptor)));

  await db.transact(async (connection) => {
    const revision = await bumpRevision(connection);
    const row = "FROM person_images WHERE image_name = 'elsewhere.jpg'";
    await connection.query(`INSERT INTO gallery_removals (person_image_id, revision) SELECT id, ? ${row}`, [revision]);
    await connection.query(`DELETE ${row}`);
  });
  await waitFor('the removal', async () => (await nameOf(2)) === null);
  await waitFor('a snapshot without her', async () => !(await isInSnapshot(descriptorToBytes(descriptor))));
  expect(await isInSnapshot(Buffer.from('elsewhere.jpg'))).toBe(false);
  expect(await isInSnapshot(Buffer.from('Bo/b.jpg'))).toBe(true);
});

test('a restart takes the gallery from its snapshot, and reads what has changed meanwhile', async () => {
  await recognizer.stop();
  await db.transact(async (connection) => {
    const revision = await bumpRevision(connection);
    await connection.query("UPDATE person SET name = 'Countess Lovelace' WHERE name = 'Augusta Ada King'");
    await connection.query("UPDATE person_images SET revision = ? WHERE image_name = 'x_1.jpg'", [revision]);
  });
  await startRecognizer();
  await waitFor('the log to say so', () => recognizer.log().includes('gallery restored from its snapshot'));
  expect(recognizer.log()).not.toContain('gallery loaded');
  expect(await nameOf(0)).toBe('Countess Lovelace');
  expect(await nameOf(1)).toBe('Bo');
});

test('what plain SQL removes without a word is seen too, by comparing', async () => {
  const row = "FROM person_images WHERE image_name = 'Bo/b.jpg'";
  await rm(join(known, 'Bo'), { recursive: true });
  await db.query(`DELETE ${row}`);
  await waitFor('the removal', async () => (await nameOf(1)) === null);
  await waitFor('the log to say so', () => recognizer.log().includes('changed by hand'));
});

test('while the database is away the gallery stays, and the outage is logged once', async () => {
  await db.query('RENAME TABLE gallery TO gallery_away');
  await waitFor('the outage', () => recognizer.log().includes('the gallery cannot be read'));
  expect(await nameOf(0)).toBe('Countess Lovelace');
  await db.query('RENAME TABLE gallery_away TO gallery');
  await waitFor('its end', () => recognizer.log().includes('back to normal'));
  expect(recognizer.log().match(/the gallery cannot be read/g)).toHaveLength(1);
});
