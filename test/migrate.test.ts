import { cp, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import mysql from 'mysql2/promise';
import { pino } from 'pino';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { systemActor } from '../lib/audit.ts';
import { type Database, openDatabase } from '../lib/database.ts';
import type { FaceQuality } from '../lib/face-quality.ts';
import { openStoredGallery } from '../lib/gallery.ts';
import { openImages, type SeenFace } from '../lib/images.ts';
import { openPeople } from '../lib/people.ts';
import { openPersons } from '../lib/persons.ts';
import { summariseProcessors } from '../lib/processors.ts';
import { type ReplicaDetails, reportReplica } from '../lib/replicas.ts';
import { listDue, putBack } from '../lib/retry.ts';
import { createGallerySearch } from '../recognizer/gallery-search.ts';
import { migrate } from '../sql/migrate.ts';
import { waitForMigrations } from '../sql/wait.ts';
import { startBothServers } from './both-servers.ts';
import { createDatabase, type TestDatabase } from './servers.ts';
import { waitFor } from './wait-for.ts';

// Plain SQL that means the same on both: everything runs on each server.
const servers = await startBothServers('the server of the run (MariaDB, unless told otherwise)');

const QUALITY: FaceQuality = {
  ...{ pixels: 31, sharpness: 0.041, brightness: 0.5, yaw: -1.5, pitch: 2, roll: 40 },
  reasons: ['SMALL_BOUNDING_BOX', 'EXTREME_POSE'],
};

async function listMigrations(): Promise<string[]> {
  const names = await readdir(new URL('../sql/', import.meta.url));
  return names.filter((name) => name.endsWith('.sql')).sort();
}

describe.each(servers)('on $name', ({ url }) => {
  let empty: TestDatabase;
  let migrated: TestDatabase;
  let db: Database;

  beforeAll(async () => {
    empty = await createDatabase({ migrated: false, server: url() });
    migrated = await createDatabase({ server: url() });
    db = openDatabase(migrated.url);
  });
  afterAll(async () => {
    await db.close();
    await Promise.all([empty.drop(), migrated.drop()]);
  });

  test('several starters at once apply each migration once', async () => {
    const applied = await Promise.all(Array.from({ length: 6 }, () => migrate(empty.url)));
    expect(applied.flat().sort()).toEqual(await listMigrations());
    expect(await migrate(empty.url)).toEqual([]);
  });

  test('a lock whose holder has died is taken over', async () => {
    const fresh = await createDatabase({ server: url() });
    const connection = await mysql.createConnection({ uri: fresh.url });
    const startedAt = Date.now();
    await connection.query(
      "UPDATE schema_lock SET holder = 'dead', expires_at = CURRENT_TIMESTAMP(3) + INTERVAL 1 SECOND WHERE id = 1",
    );
    expect(await migrate(fresh.url)).toEqual([]);
    expect(Date.now() - startedAt).toBeGreaterThan(500);
    await connection.end();
    await fresh.drop();
  });

  test('whoever waits for the migrations waits for all of them, and for the grants', async () => {
    const fresh = await createDatabase({ migrated: false, server: url() });
    const told: string[] = [];
    let ended = false;
    const waiting = waitForMigrations(fresh.url, { log: (message) => told.push(message), everyMs: 20 }).then(() => {
      ended = true;
    });
    await waitFor('it to find no tables', () => told.some((line) => line.includes('schema_migrations')));
    let endedBeforeTheGrants: boolean | undefined;
    const whileLocked = async () => {
      await waitFor('it to see the lock', () => told.some((line) => line.includes('is not done')));
      endedBeforeTheGrants = ended;
    };
    await migrate(fresh.url, { whileLocked });
    await waiting;
    expect(endedBeforeTheGrants).toBe(false);

    // The version before finds a database that is ahead of it, and goes on.
    const folder = await mkdtemp(join(tmpdir(), 'faceflow-sql-'));
    await cp(new URL('../sql/0001_people.sql', import.meta.url), join(folder, '0001_people.sql'));
    await waitForMigrations(fresh.url, { folder: pathToFileURL(`${folder}/`) });
    await rm(folder, { recursive: true });
    await fresh.drop();
  });

  test('a migration that was cut off half-way is finished by the next starter', async () => {
    const fresh = await createDatabase({ migrated: false, server: url() });
    const folder = await mkdtemp(join(tmpdir(), 'faceflow-sql-'));
    await cp(new URL('../sql/', import.meta.url), folder, { recursive: true });
    const files = pathToFileURL(`${folder}/`);
    await writeFile(
      join(folder, '9001_more.sql'),
      'CREATE TABLE IF NOT EXISTS more (id INT);\nINSERT INTO none VALUES (1);\n',
    );
    await expect(migrate(fresh.url, { folder: files })).rejects.toThrow(/none/);
    await writeFile(
      join(folder, '9001_more.sql'),
      'CREATE TABLE IF NOT EXISTS more (id INT);\nINSERT INTO more VALUES (1);\n',
    );
    expect(await migrate(fresh.url, { folder: files })).toEqual(['9001_more.sql']);
    await writeFile(join(folder, '9001_more.sql'), 'CREATE TABLE IF NOT EXISTS more (id BIGINT);\n');
    await expect(migrate(fresh.url, { folder: files })).rejects.toThrow(/edited/);
    await rm(folder, { recursive: true });
    await fresh.drop();
  });

  test('columns and indexes that were made before a crash are skipped, and the rest is made', async () => {
    const fresh = await createDatabase({ migrated: false, server: url() });
    const connection = await mysql.createConnection({ uri: fresh.url });
    const folder = await mkdtemp(join(tmpdir(), 'faceflow-sql-'));
    for (const name of ['0001_people.sql', '0002_images.sql', '0003_faces.sql']) {
      await cp(new URL(`../sql/${name}`, import.meta.url), join(folder, name));
    }
    await migrate(fresh.url, { folder: pathToFileURL(`${folder}/`) });
    // As the version before leaves it, and the first half of the migration with it.
    await connection.query("INSERT INTO images (path, status) VALUES ('old.jpg', 'unknown')");
    await connection.query('INSERT INTO faces (image_id, face_index) SELECT id, 0 FROM images');
    await connection.query('ALTER TABLE faces ADD COLUMN quality JSON NULL');
    expect(await migrate(fresh.url)).toEqual((await listMigrations()).slice(3));
    const old = openDatabase(fresh.url);
    expect((await openImages(old).listImages({ limit: 1 })).images[0]?.faces).toMatchObject([{ quality: null }]);
    expect(await openPeople(old).listKnownPhotos()).toEqual([]);
    await old.close();

    await writeFile(
      join(folder, '9001_indexes.sql'),
      'ALTER TABLE faces ADD KEY faces_model (model);\nALTER TABLE faces DROP KEY faces_model;\nINSERT INTO none VALUES (1);\n',
    );
    const files = pathToFileURL(`${folder}/`);
    for (let tries = 0; tries < 2; tries++) await expect(migrate(fresh.url, { folder: files })).rejects.toThrow(/none/);
    await connection.query('ALTER TABLE faces ADD KEY faces_model (model)');
    await expect(migrate(fresh.url, { folder: files })).rejects.toThrow(/none/);
    await connection.end();
    await rm(folder, { recursive: true });
    await fresh.drop();
  });

  test("the reference system's own statements work as written", async () => {
    await db.query("insert into person (name) values('Gergely'), ('Hannibal')");
    await db.query(
      `insert into person_images (image_name, person_id) values ('hannibal_1.jpg', (select id from person where name = 'Hannibal'))`,
    );
    await db.query("insert into images (path) values ('/unknown_people/raw.jpg')");
    expect(await openPeople(db).findPersonByImage('hannibal_1.jpg')).toMatchObject({ name: 'Hannibal' });
    expect(await openPeople(db).findPersonByImage('nobody.jpg')).toBeNull();
    const [raw] = await openImages(db).addImages(['/unknown_people/raw.jpg']);
    expect(raw).toMatchObject({ status: 'pending', enqueued: false });
  });

  test('a known photo is recorded once, for the person of its row or a new one, and the revision grows', async () => {
    const people = openPeople(db);
    const gallery = openStoredGallery(db);
    const photo = {
      ...{ imageName: 'ada/1.jpg', personName: 'ada', fileSize: 10, fileMtimeMs: 1_700_000_000_000.5 },
      ...{
        contentHash: 'ab'.repeat(32),
        model: 'm1',
        descriptor: Float32Array.from({ length: 128 }, Math.sin),
        failure: null,
        quality: QUALITY,
      },
    };
    const before = await gallery.galleryRevision();
    await Promise.all(
      Array.from({ length: 8 }, (_, n) => people.recordKnownPhoto({ ...photo, imageName: `ada/${n}.jpg` })),
    );
    expect(await gallery.galleryRevision()).toBe(before + 8);
    const everything = { after: -1, limit: 100 };
    const entries = await gallery.loadGalleryPage('m1', everything);
    expect(entries).toHaveLength(8);
    expect(new Set(entries.map((entry) => entry.personId)).size).toBe(1);
    expect(entries[0]).toMatchObject({ personName: 'ada', descriptor: photo.descriptor });
    expect(await gallery.loadGalleryPage('other-model', everything)).toEqual([]);
    expect(await gallery.loadGalleryPage('m1', { after: entries[5]?.personImageId ?? 0, limit: 1 })).toEqual([
      entries[6],
    ]);
    const changes = await gallery.loadGalleryChanges('m1', before + 5);
    expect(changes).toMatchObject({ revision: before + 8, removedIds: [], complete: true });
    expect(changes.changed).toHaveLength(3);

    await people.recordKnownPhoto({ ...photo, descriptor: null, failure: 'no face' });
    const known = (await people.listKnownPhotos()).find((one) => one.imageName === 'ada/1.jpg');
    expect(known).toMatchObject({ fileSize: 10, contentHash: photo.contentHash, models: ['m1'], failure: 'no face' });
    expect(known?.quality).toEqual(QUALITY);
    expect(await gallery.loadGalleryPage('m1', everything)).toHaveLength(7);
    expect(await gallery.loadGalleryChanges('m1', before + 8)).toMatchObject({
      changed: [],
      removedIds: [expect.any(Number)],
    });

    await db.query("UPDATE person SET name = 'Ödön Ő' WHERE name = 'ada'");
    const search = createGallerySearch();
    const compare = () =>
      gallery.compareGallery('m1', async (read) => {
        expect(await read(before + 9)).toMatchObject({ complete: true });
        return search;
      });
    expect(await compare()).toBe(false);
    search.replace(await gallery.loadGalleryPage('m1', everything), before + 9);
    expect(await compare()).toBe(true);
    await db.query("UPDATE person SET name = 'ada' WHERE name = 'Ödön Ő'");
    expect(await compare()).toBe(false);

    // Somebody counted the revision up and marked nothing: there is more to see than these changes.
    await db.query('UPDATE gallery SET revision = revision + 1');
    expect(await gallery.loadGalleryChanges('m1', before + 8)).toMatchObject({ complete: false });
    // Nor does somebody who does mark, later, hide it.
    await people.recordKnownPhoto({ ...photo, descriptor: null, failure: 'no face' });
    expect(await gallery.loadGalleryChanges('m1', before + 8)).toMatchObject({ complete: false });
    expect(await gallery.loadGalleryChanges('m1', before + 10)).toMatchObject({ complete: true });

    const persons = openPersons(db);
    await persons.changePerson(entries[0]?.personId ?? 0, { name: 'Ada L.' }, systemActor('test'));
    const renamed = await gallery.loadGalleryChanges('m1', before + 11);
    expect(renamed.complete).toBe(true);
    expect(renamed.changed.map((entry) => entry.personName)).toEqual(Array(7).fill('Ada L.'));
    await persons.changePerson(entries[0]?.personId ?? 0, { name: 'ada' }, systemActor('test'));

    // The same photo by another model: both know it. Another photo: the one that was not asked knows nobody by it.
    const second = {
      ...photo,
      imageName: 'ada/2.jpg',
      model: 'm2',
      descriptor: photo.descriptor.map((value) => -value),
    };
    await people.recordKnownPhoto(second);
    const namesIn = async (model: string) =>
      (await gallery.loadGalleryPage(model, everything)).map((one) => one.imageName);
    expect(await namesIn('m2')).toEqual(['ada/2.jpg']);
    expect(await namesIn('m1')).toContain('ada/2.jpg');
    expect((await people.listKnownPhotos()).find((one) => one.imageName === 'ada/2.jpg')?.models).toEqual(['m2', 'm1']);
    search.replace(await gallery.loadGalleryPage('m1', everything), await gallery.galleryRevision());
    expect(await gallery.compareGallery('m1', async () => search)).toBe(true);
    const revision = await gallery.galleryRevision();
    await people.recordKnownPhoto({ ...second, contentHash: 'cd'.repeat(32), descriptor: photo.descriptor });
    expect(await namesIn('m1')).not.toContain('ada/2.jpg');
    expect(await gallery.loadGalleryChanges('m1', revision)).toMatchObject({
      changed: [],
      removedIds: [expect.any(Number)],
    });
    expect(await gallery.loadGalleryChanges('m2', revision)).toMatchObject({ removedIds: [] });
  });

  test('an outcome is written once, with its faces; a second one changes nothing', async () => {
    const images = openImages(db);
    const gallery = openStoredGallery(db);
    const [entry] = await gallery.loadGalleryPage('m1', { after: -1, limit: 1 });
    if (entry === undefined) throw new Error('the test before enrolled somebody');
    const [first, same] = await images.addImages(['outcome.jpg', 'other.jpg']);
    if (first === undefined || same === undefined) throw new Error('two images');
    const face: SeenFace = {
      ...{ box: { left: 0.1, top: 0.2, width: 0.3, height: 0.4 }, confidence: 0.9, descriptor: Array(128).fill(0.25) },
      ...{ model: 'm1', personId: entry.personId, personImageId: entry.personImageId, distance: 0.3, threshold: 0.55 },
      galleryRevision: await gallery.galleryRevision(),
      quality: QUALITY,
      candidates: [
        { personId: entry.personId, personImageId: entry.personImageId, distance: 0.3 },
        { personId: 987_654, personImageId: 1, distance: 0.6 },
      ],
    };
    const outcome = {
      status: 'matched',
      personId: entry.personId,
      width: 640,
      height: 480,
      faces: [face, { ...face, personId: null, quality: null }],
    } as const;
    expect(await images.recordOutcome(first.id, outcome)).toBe(true);
    expect(await images.recordOutcome(first.id, { status: 'failed', code: 'x', message: 'late' })).toBe(false);
    expect(await images.recordOutcome(987_654, outcome)).toBe(false);
    const image = await images.findImage(first.id);
    expect(image).toMatchObject({ status: 'matched', person: { name: 'ada' }, width: 640, reason: null });
    // Of the candidates one is nobody's id.
    const candidates = [{ person: { id: entry.personId, name: 'ada' }, distance: 0.3, similarity: image?.similarity }];
    expect(image?.faces).toMatchObject([
      { box: face.box, person: { name: 'ada' }, referenceImage: entry.imageName, quality: QUALITY, candidates },
      { person: null, quality: null },
    ]);
    expect(image?.faces[0]).toMatchObject({ decidedBy: 'gallery', model: 'm1', threshold: 0.55 });
    expect(image?.similarity).toBeGreaterThan(0.9);
    expect(Date.now() - (image?.finishedAt?.getTime() ?? 0)).toBeLessThan(60_000);
  });

  test('pages go from newest to oldest without a gap; counts add up; the outbox is in order', async () => {
    const images = openImages(db);
    const paths = Array.from({ length: 1_200 }, (_, n) => `page/ü${n}.jpg`);
    const added = await images.addImages(paths);
    expect(added.map((image) => image.path)).toEqual(paths);
    expect(await images.addImages(paths)).toEqual(added);
    await images.markEnqueued(added.slice(0, 700).map((image) => image.id));
    const waiting = (await images.listNotEnqueued({ minAgeMs: 0, limit: 10_000 })).map((row) => row.id);
    expect(waiting.filter((id) => id >= (added[0]?.id ?? 0))).toEqual(added.slice(700).map((image) => image.id));
    expect(await images.listNotEnqueued({ minAgeMs: 3_600_000, limit: 10 })).toEqual([]);

    const seen: number[] = [];
    for (let past: number | null | undefined; past !== null; ) {
      const page = await images.listImages({ status: 'pending', limit: 500, ...(past ? { past } : {}) });
      seen.push(...page.images.map((image) => image.id));
      past = page.next;
    }
    expect(seen).toEqual([...new Set(seen)].sort((a, b) => b - a));
    expect((await images.countByStatus()).pending).toBe(seen.length);
  });

  test('what has failed is due when its step of the schedule says so, and is put back with that step used', async () => {
    const images = openImages(db, { retryScheduleMs: [60_000, 7_200_000] });
    const [image] = await images.addImages(['retry/one.jpg']);
    const id = image?.id ?? 0;
    const failure = { status: 'failed', code: 'too_many_tries', message: 'away' } as const;
    const fail = async () => {
      expect(await images.recordOutcome(id, failure)).toBe(true);
      return (await images.findImage(id))?.retryAt ?? null;
    };
    const due = async () => (await listDue(db, 'images', 10)).includes(id);
    const back = (scheduled: boolean) =>
      db.transact((connection) => putBack(connection, 'images', [id, id + 1], { statuses: ['failed'], scheduled }));
    const ms = (at: Date | null) => (at?.getTime() ?? 0) - Date.now();

    expect(Math.abs(ms(await fail()) - 60_000)).toBeLessThan(30_000);
    expect(await due()).toBe(false);
    await db.query('UPDATE images SET retry_at = retry_at - INTERVAL 2 MINUTE WHERE id = ?', [id]);
    expect(await due()).toBe(true);
    expect(await back(true)).toEqual([{ id, attempt: 1 }]);
    expect(await back(true)).toEqual([]);
    expect(await due()).toBe(false);
    expect(Math.abs(ms(await fail()) - 7_200_000)).toBeLessThan(1_000_000);
    await back(true);
    expect(await fail()).toBeNull();
    expect(await back(false)).toEqual([{ id, attempt: 3 }]);
    expect(Math.abs(ms(await fail()) - 60_000)).toBeLessThan(30_000);
    expect(await openImages(db).listNotEnqueued({ minAgeMs: 0, limit: 10_000 })).not.toContainEqual({ id, attempt: 3 });
  });

  test('processors are summed up by what they say of themselves; the version before finds the same in its table', async () => {
    /** As its receivers ask. */
    const summariseAsBefore = async () => {
      const [rows] = await db.query<mysql.RowDataPacket[]>(
        `SELECT COUNT(*) AS processors, COUNT(CASE WHEN breaker = 'open' THEN 1 END) AS paused,
                MIN(unavailable_since) AS since,
                TIMESTAMPDIFF(MICROSECOND, CURRENT_TIMESTAMP(3), MIN(next_attempt_at)) AS next_in
           FROM processors WHERE seen_at > CURRENT_TIMESTAMP(3) - INTERVAL 35 SECOND`,
      );
      // An aggregate without groups is one row.
      const { processors, paused, since, next_in } = rows[0] as mysql.RowDataPacket;
      return {
        processors,
        paused,
        unavailableSince: since,
        nextAttemptInMs: next_in === null ? null : next_in / 1_000,
      };
    };
    const stopping = new AbortController();
    const { signal } = stopping;
    const log = pino({ level: 'silent' });
    const start = (breaker: NonNullable<ReplicaDetails['breaker']>) =>
      reportReplica({ db, service: 'processor', look: () => ({ breaker }), log, signal });
    const both = async () => [await summariseProcessors(db), await summariseAsBefore()];
    const untilBoth = (expected: { readonly processors: number; readonly paused: number }) =>
      waitFor(JSON.stringify(expected), async () => {
        const found = await both();
        return found.every((it) => it.processors === expected.processors && it.paused === expected.paused) && found;
      });
    const well = { state: 'closed', unavailableForMs: null, nextAttemptInMs: null } as const;

    expect(await both()).toMatchObject([{ state: 'stopped', processors: 0 }, { processors: 0 }]);
    const receiver = reportReplica({ db, service: 'receiver', log, signal });
    const first = start({ state: 'open', unavailableForMs: 60_000, nextAttemptInMs: 30_000 });
    for (const paused of await untilBoth({ processors: 1, paused: 1 })) {
      expect(Date.now() - (paused.unavailableSince?.getTime() ?? 0)).toBeGreaterThan(50_000);
      expect(paused.nextAttemptInMs).toBeGreaterThan(0);
      expect(paused.nextAttemptInMs).toBeLessThanOrEqual(30_000);
    }
    expect(await summariseProcessors(db)).toMatchObject({ state: 'paused' });
    const second = start(well);
    await untilBoth({ processors: 2, paused: 1 });
    expect(await summariseProcessors(db)).toMatchObject({ state: 'running' });
    first.tell({ breaker: well });
    for (const one of await untilBoth({ processors: 2, paused: 0 })) {
      expect(one).toMatchObject({ unavailableSince: null, nextAttemptInMs: null });
    }
    stopping.abort();
    await Promise.all([first.ended, second.ended, receiver.ended]);
    expect(await both()).toMatchObject([{ state: 'stopped', processors: 0 }, { processors: 0 }]);
  });

  test('a transaction that loses a deadlock is run again', async () => {
    await db.query('CREATE TABLE tally (id INT PRIMARY KEY, n INT NOT NULL)');
    await db.query('INSERT INTO tally VALUES (1, 0), (2, 0)');
    const add = (first: number, second: number) =>
      db.transact(async (connection) => {
        await connection.query('UPDATE tally SET n = n + 1 WHERE id = ?', [first]);
        await new Promise((resolve) => setTimeout(resolve, 20));
        await connection.query('UPDATE tally SET n = n + 1 WHERE id = ?', [second]);
      });
    await Promise.all([add(1, 2), add(2, 1), add(1, 2), add(2, 1)]);
    const [rows] = await db.query<mysql.RowDataPacket[]>('SELECT n FROM tally');
    expect(rows.map((row) => row.n)).toEqual([4, 4]);
  });

  test('a single statement that loses a deadlock is run again', async () => {
    await db.query('CREATE TABLE score (id INT PRIMARY KEY, n INT NOT NULL)');
    await db.query('INSERT INTO score VALUES ?', [Array.from({ length: 50 }, (_, index) => [index + 1, 0])]);
    let writing: Promise<unknown> = Promise.resolve();
    await db.transact(async (connection) => {
      // The server lets the one with the most changes win.
      await connection.query('UPDATE score SET n = n + 1 WHERE id > 1');
      writing = db.write('UPDATE score SET n = n + 1 WHERE id <= 2', []);
      await new Promise((resolve) => setTimeout(resolve, 200));
      await connection.query('UPDATE score SET n = n + 1 WHERE id = 1');
    });
    await writing;
    const [rows] = await db.query<mysql.RowDataPacket[]>('SELECT n FROM score WHERE id <= 3 ORDER BY id');
    expect(rows.map((row) => row.n)).toEqual([2, 2, 1]);
  });
});
