import { existsSync } from 'node:fs';
import { copyFile, mkdir, mkdtemp, open, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import mysql from 'mysql2/promise';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { restoreBackup } from '../cli/backup/restore-backup.ts';
import { writeBackup } from '../cli/backup/write-backup.ts';
import type { Progress } from '../cli/progress.ts';
import { openApiKeys } from '../lib/api-keys.ts';
import { systemActor } from '../lib/audit.ts';
import { openDatabase } from '../lib/database.ts';
import { listKnownTables } from '../sql/known-tables.ts';
import { openLoader } from '../sql/load-rows.ts';
import { migrate } from '../sql/migrate.ts';
import { type PeopleServices, startPeopleServices } from './people-services.ts';
import { samplePhoto } from './sample-photos.ts';
import { createDatabase, createStreamName, natsUrl, startMysqlServer, startService } from './servers.ts';
import { startFaceflow } from './start-faceflow.ts';
import { untilRematched } from './until-rematched.ts';
import { waitFor } from './wait-for.ts';

let services: PeopleServices;
/** Where everything of these tests lies. */
let folder: string;
/** A backup that was made under load, and one that was made when everything had stopped. */
let busy: string;
let quiet: string;

/** Photos that are looked at while the backup is made. */
const COPIES = 20;

/** A name that no line of a backup may be split at, nor a quote end. */
const ADA = "Ada O'Łovelace \u2028 😀 \\";

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'faceflow-backup-'));
  [busy, quiet] = [join(folder, 'busy'), join(folder, 'quiet')];
  services = await startPeopleServices();
  const ada = await services.call('POST', '/v1/people', { name: ADA });
  const photo = await readFile(join(services.photos, 'a.jpg'));
  await services.finish(await services.upload(`/v1/people/${ada.body.id}/faces`, { 'a.jpg': photo }));
  await services.process('sample4.jpg');
  await openApiKeys(services.db).addKey({
    ...{ name: 'camera', roles: ['ingest'], expiresAt: null, actor: systemActor('command-line') },
  });
});

afterAll(async () => {
  await services?.stop();
  await rm(folder, { recursive: true, force: true });
});

const back = (url: string, photos: string) => ({ MYSQL_URL: url, IMAGE_ROOTS: photos });
const faceflow = (args: readonly string[], url: string, photos: string) => startFaceflow(args, back(url, photos)).ended;

async function newDatabase(server?: string): Promise<string> {
  const database = await createDatabase({ migrated: false, ...(server === undefined ? {} : { server }) });
  onTestFinished(() => database.drop());
  return database.url;
}

async function newFolder(): Promise<string> {
  return mkdtemp(join(folder, 'photos-'));
}

/** Every row of every table, as both kinds of server say it. */
async function readAll(url: string): Promise<Record<string, unknown[]>> {
  const connection = await mysql.createConnection({ uri: url, dateStrings: true, timezone: 'Z' });
  try {
    const all: Record<string, unknown[]> = {};
    for (const table of [...(await listKnownTables()), 'schema_migrations']) {
      const [rows] = await connection.query<mysql.RowDataPacket[]>('SELECT * FROM ??', [table]);
      all[table] = rows.map(({ applied_at: _, ...row }) => JSON.stringify(Object.entries(row).map(comparable))).sort();
    }
    return all;
  } finally {
    await connection.end();
  }
}

/** JSON is text on MariaDB, and on MySQL an object whose keys have another order. */
function comparable([column, value]: [string, unknown]): unknown {
  if (Buffer.isBuffer(value)) return [column, value.toString('hex')];
  if (typeof value !== 'string' || !/^[[{]/.test(value)) return [column, sortKeys(value)];
  return [column, sortKeys(JSON.parse(value))];
}

function sortKeys(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sortKeys);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, one]) => [key, sortKeys(one)]),
  );
}

/** What was seen in each photo. */
async function readAnswers(url: string): Promise<Map<string, unknown>> {
  const connection = await mysql.createConnection({ uri: url });
  try {
    const [images] = await connection.query<mysql.RowDataPacket[]>('SELECT id, path, status FROM images');
    const [faces] = await connection.query<mysql.RowDataPacket[]>(
      `SELECT image_id, face_index, box_left, box_top, HEX(descriptor) AS descriptor, distance, person.name AS name
         FROM faces LEFT JOIN person ON person.id = person_id ORDER BY image_id, face_index`,
    );
    return new Map(
      images.map(({ id, path, status }) => [path, { id, status, faces: faces.filter((face) => face.image_id === id) }]),
    );
  } finally {
    await connection.end();
  }
}

const countPending = async (url: string) =>
  [...(await readAnswers(url)).values()].filter((image) => (image as { status: string }).status === 'pending').length;

describe('faceflow backup, while photos are accepted, looked at and uploaded', () => {
  /** Answers of the running system, before anything else was asked of it. */
  let searched: unknown;

  const search = async (address: string) => {
    const form = new FormData();
    form.set('photo', new Blob([new Uint8Array(await readFile(samplePhoto(4)))]), 'who.jpg');
    const { faces } = (await (await fetch(`${address}/v1/search`, { method: 'POST', body: form })).json()) as {
      faces: { people?: unknown; matches?: unknown }[];
    };
    return faces;
  };

  test('it is one moment, whole, and readable by its owner alone', async () => {
    const paths = await Promise.all(
      Array.from({ length: COPIES }, async (_, index) => {
        const path = `copy-${index}.jpg`;
        await copyFile(join(services.photos, `${'abcde'[index % 5]}.jpg`), join(services.photos, path));
        return { path };
      }),
    );
    // In no queue, though one has taken it: as after the loss of a queue.
    await copyFile(join(services.photos, 'a.jpg'), join(services.photos, 'lost.jpg'));
    await services.db.query("INSERT INTO images (path, enqueued_at) VALUES ('lost.jpg', '2099-01-01')");
    await services.call('POST', '/images/post', { paths });
    const uploads = (async () => {
      for (const name of ['b.jpg', 'c.jpg', 'd.jpg']) {
        await services.upload('/v1/images', { [name]: await readFile(join(services.photos, name)) });
      }
    })();
    await waitFor('some to be done', async () => (await countPending(services.databaseUrl)) < COPIES);
    const made = await faceflow(['backup', busy, '--json'], services.databaseUrl, services.photos);
    await uploads;
    expect(made).toMatchObject({ code: 0, stderr: expect.stringMatching(/rows of \d+ tables read/) });
    const told = JSON.parse(made.stdout);
    expect(told).toMatchObject({ missingUploads: 0, leftOut: [], rows: { person: 1, api_keys: 1, sessions: 0 } });
    expect(told.rows.images).toBeGreaterThan(COPIES);
    expect(existsSync(`${busy}.unfinished`)).toBe(false);
    const handle = await open(join(busy, 'manifest.json'));
    expect((await handle.stat().finally(() => handle.close())).mode & 0o077).toBe(0);
    expect(made.stdout + (await readFile(join(busy, 'manifest.json'), 'utf8'))).not.toContain('mysql://');
  });

  test('restored elsewhere, what waited is looked at, and every photo has the answer that it has here', async () => {
    await services.db.query('UPDATE images SET enqueued_at = NULL WHERE path = ?', ['lost.jpg']);
    await waitFor('everything to be done', async () => (await countPending(services.databaseUrl)) === 0, 120_000);
    await untilRematched(services.db);
    searched = await search(services.url);
    const [url, photos] = [await newDatabase(), await newFolder()];
    const restored = await faceflow(['restore', busy], url, photos);
    expect(restored).toMatchObject({ code: 0, stdout: expect.stringContaining('are restored') });
    expect(await countPending(url)).toBeGreaterThan(0);

    // The photos that were posted by their path are where they were; uploads are those of the backup.
    const env = { MYSQL_URL: url, IMAGE_ROOTS: `${photos}:${services.photos}`, RECOGNIZER_WORKERS: '1' };
    const queue = { NATS_URL: natsUrl(), IMAGES_STREAM: createStreamName(), EVENTS_STREAM: createStreamName() };
    const recognizer = await startService('recognizer', env);
    onTestFinished(async () => void (await recognizer.stop()));
    const asking = { ...env, ...queue, RECOGNIZER_ADDRESS: `127.0.0.1:${recognizer.port}` };
    const [receiver, processor] = await Promise.all([
      startService('receiver', asking),
      startService('processor', asking),
    ]);
    onTestFinished(async () => void (await Promise.all([receiver.stop(), processor.stop()])));
    await waitFor('what waited', async () => (await countPending(url)) === 0, 120_000);
    const restoredDb = openDatabase(url);
    onTestFinished(() => restoredDb.close());
    await untilRematched(restoredDb);

    const [here, there] = [await readAnswers(services.databaseUrl), await readAnswers(url)];
    expect(there.size).toBeGreaterThan(COPIES);
    for (const [path, answer] of there) expect([path, answer]).toEqual([path, here.get(path)]);
    expect([...there.values()].some((image) => (image as { status: string }).status === 'matched')).toBe(true);
    for (const path of [...there.keys()].filter((one) => one.startsWith('uploads/'))) {
      expect(await readFile(join(photos, path))).toEqual(await readFile(join(services.photos, path)));
    }
    expect(await search(`http://127.0.0.1:${receiver.port}`)).toEqual(searched);
    expect(JSON.stringify(searched)).toContain('Ada');
  }, 600_000);
});

describe('when nothing runs', () => {
  /** What there is to be backed up, and the backup of its restored copy. */
  let all: Record<string, unknown[]>;
  let again: string;

  beforeAll(async () => {
    again = join(folder, 'again');
    // An image that was deleted: nobody gets its id again.
    const { id } = await services.process('e.jpg');
    await services.call('DELETE', `/v1/images/${id}`);
    await Promise.all([services.receiver.stop(), services.processor().stop()]);
    await services.recognizer.stop();
    all = await readAll(services.databaseUrl);
    const made = await faceflow(['backup', quiet], services.databaseUrl, services.photos);
    expect(made).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/\d+ images, \d+ faces, 1 people and \d+ uploads/),
    });
  });

  test('from MariaDB to MySQL every row of every table is the same', async () => {
    expect(all.faces?.length).toBeGreaterThan(COPIES);
    const server = await startMysqlServer();
    if ('skip' in server) console.warn(`NOT checked on MySQL: ${server.skip}`);
    else onTestFinished(() => server.stop());
    const photos = await newFolder();
    const there = await newDatabase('skip' in server ? undefined : server.url);
    expect(await faceflow(['restore', quiet], there, photos)).toMatchObject({ code: 0 });
    expect(await readAll(there)).toEqual(all);
    expect(await faceflow(['backup', again], there, photos)).toMatchObject({ code: 0 });
    expect(await listFiles(again)).toEqual(await listFiles(quiet));
  });

  test('and back, into a database with data; that, or one in use, is left alone until somebody says so', async () => {
    const [url, photos] = [await newDatabase(), await newFolder()];
    await migrate(url);
    const connection = await mysql.createConnection({ uri: url });
    onTestFinished(() => connection.end());
    const select = async (sql: string) => (await connection.query<mysql.RowDataPacket[]>(sql))[0];
    const seenAt = 'UTC_TIMESTAMP(3) - INTERVAL 1 MINUTE';
    await connection.query(
      `INSERT INTO replicas (id, service, name, seen_at) VALUES ('r', 'receiver', 'host/1', ${seenAt})`,
    );
    await connection.query(
      `INSERT INTO image_minutes (minute, seconds, matched, unknown, no_face, unreadable, failed)
       VALUES (UTC_TIMESTAMP(), 60, 0, 0, 0, 0, 0)`,
    );
    // What a system writes by itself is nobody's data.
    const loader = await openLoader(url);
    onTestFinished(() => loader.close());
    expect(await loader.isEmpty()).toBe(true);
    await connection.query("INSERT INTO person (name) VALUES ('Grace')");
    expect(await faceflow(['restore', again], url, photos)).toMatchObject({
      ...{ code: 1, stderr: expect.stringContaining('There is data in the database already') },
    });
    await connection.query('UPDATE replicas SET seen_at = UTC_TIMESTAMP(3) + INTERVAL 1 HOUR');
    expect(await faceflow(['restore', again, '--replace'], url, photos)).toMatchObject({
      ...{ code: 1, stderr: expect.stringContaining('stop all its services first') },
    });
    expect(await select('SELECT name FROM person')).toEqual([{ name: 'Grace' }]);
    await connection.query('DELETE FROM replicas');
    expect(await faceflow(['restore', again, '--replace', '--no-uploads'], url, photos)).toMatchObject({ code: 0 });
    expect(await readAll(url)).toEqual(all);
    expect(await migrate(url)).toEqual([]);
    const [deleted] = await select("SELECT MAX(image_id) AS id FROM audit WHERE action = 'image.deleted'");
    const [added] = await connection.query<mysql.ResultSetHeader>("INSERT INTO images (path) VALUES ('next.jpg')");
    expect(deleted?.id).toBeGreaterThan(0);
    expect(added.insertId).toBeGreaterThan(deleted?.id);
    // Cut off in the middle, it leaves nothing that anybody could start on, and nothing that would be missed.
    await loader.begin();
    expect(await loader.isEmpty()).toBe(true);
    await expect(migrate(url)).rejects.toThrow('run faceflow restore again');
  });

  test('into a data folder of its own, whose private server is started for it; what a queue held there goes', async () => {
    const env = { DATA_DIR: join(folder, 'data') };
    await mkdir(join(env.DATA_DIR, 'nats'), { recursive: true });
    expect(await startFaceflow(['restore', quiet], env).ended).toMatchObject({ code: 0 });
    expect(existsSync(join(env.DATA_DIR, 'nats'))).toBe(false);
    const made = await startFaceflow(['backup', join(folder, 'private')], env).ended;
    expect(made).toMatchObject({ code: 0 });
    expect(await listFiles(join(folder, 'private'))).toEqual(await listFiles(quiet));
  });

  test('a backup that is cut off leaves nothing that could be taken for one', async () => {
    const reader = await mysql.createConnection({ uri: services.databaseUrl });
    onTestFinished(() => reader.end());
    const target = join(folder, 'cut-off');
    const begin = async () => {
      await reader.query('LOCK TABLES faces WRITE');
      const child = startFaceflow(['backup', target], back(services.databaseUrl, services.photos));
      await waitFor('it to reach the table', () => existsSync(`${target}.unfinished/database/images.jsonl.gz`));
      return child;
    };
    const killed = await begin();
    killed.kill('SIGKILL');
    await killed.ended;
    await reader.query('UNLOCK TABLES');
    expect(existsSync(target)).toBe(false);
    expect(await faceflow(['restore', `${target}.unfinished`], await newDatabase(), folder)).toMatchObject({
      ...{ code: 1, stderr: expect.stringContaining('is no whole backup') },
    });
    expect(await faceflow(['backup', target], services.databaseUrl, services.photos)).toMatchObject({
      ...{ code: 1, stderr: expect.stringContaining('delete it') },
    });
    await rm(`${target}.unfinished`, { recursive: true });
    const interrupted = await begin();
    interrupted.kill('SIGINT');
    await reader.query('UNLOCK TABLES');
    expect(await interrupted.ended).toMatchObject({ code: 130 });
    expect([existsSync(target), existsSync(`${target}.unfinished`)]).toEqual([false, false]);
  });

  test.each([
    ['a row', 'database/faces.jsonl.gz', 'database/faces.jsonl.gz is missing, or is not as it was written'],
    ['an upload', 'uploads', 'uploads/'],
    ['the list of uploads', 'uploads.jsonl.gz', 'uploads.jsonl.gz'],
    ['the manifest', 'manifest.json', 'its manifest.json is not as it was written'],
  ])('a backup with damage to %s is refused before anything changes', async (_, what, message) => {
    const file = join(
      quiet,
      what === 'uploads' ? ((await listFiles(quiet)).find((it) => it.startsWith('uploads/')) ?? '') : what,
    );
    const whole = await readFile(file);
    onTestFinished(() => writeFile(file, whole));
    const bytes = Buffer.from(whole);
    const middle = Math.floor(bytes.length / 2);
    bytes[middle] = (bytes[middle] ?? 0) ^ 1;
    await writeFile(file, bytes);
    const [url, photos] = [await newDatabase(), await newFolder()];
    const restored = restoreBackup({
      ...inProcess(url, photos),
      folder: quiet,
      replace: true,
      onBegin: async () => {},
    });
    await expect(restored).rejects.toThrow(message);
    const connection = await mysql.createConnection({ uri: url });
    expect((await connection.query('SHOW TABLES').finally(() => connection.end()))[0]).toEqual([]);
    expect(await readdir(photos)).toEqual([]);
  });

  test('what is written while it is made is not in it, also where it has not read yet', async () => {
    const [reader, writer] = await Promise.all([1, 2].map(() => mysql.createConnection({ uri: services.databaseUrl })));
    onTestFinished(async () => void (await Promise.all([reader?.end(), writer?.end()])));
    await reader?.query('LOCK TABLES images WRITE');
    const target = join(folder, 'moment');
    const options = { ...inProcess(services.databaseUrl, services.photos), version: '1' };
    const made = writeBackup({ ...options, folder: target });
    await waitFor('it to have begun', () => existsSync(`${target}.unfinished/database/images.jsonl.gz`));
    await writer?.query("INSERT INTO models (name) VALUES ('later')");
    await reader?.query('UNLOCK TABLES');
    const { database } = await made;
    await writer?.query("DELETE FROM models WHERE name = 'later'");
    expect(database.tables.find(({ name }) => name === 'models')?.rows).toBe(0);
  });

  test('a backup of nothing, or to nowhere, says what is wrong', async () => {
    expect(
      await startFaceflow(['backup', join(folder, 'nothing')], { DATA_DIR: join(folder, 'no-data') }).ended,
    ).toMatchObject({
      ...{ code: 1, stderr: expect.stringContaining('There is no database in') },
    });
    await writeFile(join(folder, 'file'), '');
    const options = { ...inProcess(services.databaseUrl, services.photos), version: '1' };
    await expect(writeBackup({ ...options, folder: join(folder, 'file', 'backup') })).rejects.toThrow(
      'The backup cannot be written',
    );
    // Before uploads are copied, and before a backup is checked: both may take hours.
    const steps: string[] = [];
    const progress: Progress = {
      say: () => {},
      step(title, work) {
        steps.push(title);
        return work(() => {});
      },
    };
    const away = { ...options, progress, database: { ...options.database, url: 'mysql://nobody:x@127.0.0.1:1/none' } };
    await expect(writeBackup({ ...away, folder: join(folder, 'away') })).rejects.toThrow('ECONNREFUSED');
    const restoring = { folder: quiet, replace: false, onBegin: async () => {} };
    await expect(restoreBackup({ ...away, ...restoring })).rejects.toThrow('ECONNREFUSED');
    await expect(restoreBackup({ ...options, ...restoring, progress })).rejects.toThrow(/There is data|Faceflow runs/);
    expect(steps).toEqual([]);
  });

  test('uploads that are not where IMAGE_ROOTS says are no backup; without them it is one', async () => {
    const nowhere = await newFolder();
    const target = join(folder, 'no-uploads');
    const options = { ...inProcess(services.databaseUrl, nowhere), folder: target, version: '1' };
    await expect(writeBackup(options)).rejects.toThrow('give IMAGE_ROOTS as the receiver has it, or --no-uploads');
    await writeBackup({ ...options, photos: null });
    expect(await listFiles(target)).not.toContain('uploads.jsonl.gz');
  });
});

function inProcess(url: string, photos: string) {
  const progress: Progress = { say: () => {}, step: (_, work) => work(() => {}) };
  return { database: { url, tls: null, isPrivate: false }, photos, progress, signal: new AbortController().signal };
}

async function listFiles(backup: string): Promise<string[]> {
  const entries = await readdir(backup, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(backup.length + 1))
    .sort();
}
