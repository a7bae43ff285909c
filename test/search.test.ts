import { createHash } from 'node:crypto';
import { copyFile, mkdir, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Database, openDatabase, type Row } from '../lib/database.ts';
import { type Json, readAnswer } from './ask.ts';
import { grpcError, startMisbehavingRecognizer, status } from './misbehaving-recognizer.ts';
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

const MAX_BYTES = 5_000_000;

let folder: string;
let database: TestDatabase;
let db: Database;
let services: RunningService[];
let url: string;
let shared: Record<string, string>;
let mirrored: Buffer;

// sample1 and sample4 have been looked at before; Raj is known by the largest face of sample1.
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'faceflow-search-'));
  await mkdir(join(folder, 'photos'));
  await copyFile(samplePhoto(1), join(folder, 'photos', 'first.jpg'));
  await copyFile(samplePhoto(4), join(folder, 'photos', 'other.jpg'));
  mirrored = (await VARIANTS.mirrored?.(sharp(samplePhoto(1))).toBuffer()) ?? Buffer.alloc(0);
  database = await createDatabase();
  db = openDatabase(database.url);
  shared = {
    ...{ MYSQL_URL: database.url, NATS_URL: natsUrl(), IMAGE_ROOTS: join(folder, 'photos') },
    ...{ IMAGES_STREAM: createStreamName(), EVENTS_STREAM: createStreamName(), MAX_IMAGE_BYTES: String(MAX_BYTES) },
  };
  const recognizer = await startService('recognizer', {
    ...{ MYSQL_URL: database.url, IMAGE_ROOTS: join(folder, 'photos') },
    ...{ RECOGNIZER_WORKERS: '1', MAX_IMAGE_BYTES: String(MAX_BYTES) },
  });
  const withRecognizer = { ...shared, RECOGNIZER_ADDRESS: `127.0.0.1:${recognizer.port}` };
  const receiver = await startService('receiver', withRecognizer);
  const processor = await startService('processor', withRecognizer);
  services = [receiver, processor, recognizer];
  url = `http://127.0.0.1:${receiver.port}`;
  for (const path of ['first.jpg', 'other.jpg']) {
    await fetch(`${url}/image/post`, { method: 'POST', body: JSON.stringify({ path }) });
  }
  await waitFor('the photos', async () => {
    const [[row]] = await db.query<Row[]>("SELECT COUNT(*) AS count FROM images WHERE status NOT IN ('pending')");
    return row?.count === 2;
  });
  const [[face]] = await db.query<Row[]>(
    'SELECT f.id FROM faces f JOIN images i ON i.id = f.image_id ORDER BY i.path, face_index',
  );
  const naming = { method: 'PUT', body: '{"name":"raj","force":true}' };
  expect(await answerOf(await fetch(`${url}/v1/faces/${face?.id}/person`, naming))).toMatchObject({ enrolled: true });
  await waitFor('him to be known', async () => (await upload(mirrored)).faces.some((one: Json) => one.person));
  await untilRematched(db);
});

afterAll(async () => {
  for (const service of services) await service.stop();
  await db.close();
  await database.drop();
  await rm(folder, { recursive: true });
});

async function answerOf(response: Response): Promise<Json> {
  const { status, headers, body } = await readAnswer(response);
  return { ...body, status, headers };
}

async function upload(file: Buffer | null, fields: Record<string, string> = {}, query = '', to = url): Promise<Json> {
  const form = new FormData();
  for (const [name, value] of Object.entries(fields)) form.append(name, value);
  if (file) form.append('photo', new Blob([new Uint8Array(file)]), 'photo.jpg');
  return answerOf(await fetch(`${to}/v1/search${query}`, { method: 'POST', body: form }));
}

async function searchPath(body: object, to = url): Promise<Json> {
  return answerOf(await fetch(`${to}/v1/search`, { method: 'POST', body: JSON.stringify(body) }));
}

/** Of jobs that come by on their own, at any time. */
const OF_JOBS = {
  // Also how things are, which every process reports every few seconds, and what is counted every minute.
  tables: ['jobs', 'clusters', 'cluster_splits', 'processors', 'replicas', 'image_minutes'],
  columns: ['cluster_id', 'cluster_state', 'rematch'],
};

/** Everything that is stored: every row of every table, and every file; but nothing that jobs write. */
async function takeStock(): Promise<Record<string, unknown>> {
  const [tables] = await db.query<Row[]>('SHOW TABLES');
  const stock: Record<string, unknown> = {};
  const names = tables.map((row) => String(Object.values(row)[0]));
  for (const table of names.filter((name) => !OF_JOBS.tables.includes(name))) {
    const [found] = await db.query<Row[]>(`SELECT * FROM ${table} ORDER BY 1`);
    const rows = found.map((row) => Object.entries(row).filter(([column]) => !OF_JOBS.columns.includes(column)));
    stock[table] = createHash('sha256').update(JSON.stringify(rows)).digest('hex');
  }
  stock.files = (await readdir(folder, { recursive: true })).sort();
  return stock;
}

describe('a photo is searched', () => {
  test('uploaded: its faces, who they are, and the photos they are in; nothing of it is stored', async () => {
    const before = await takeStock();
    const found = await upload(mirrored, { images: 'true', limit: '3' });
    expect(found.status).toBe(200);
    expect(found).toMatchObject({ width: 1920, model: expect.any(String), scan: { complete: true } });
    const [stored] = await db.query<Row[]>('SELECT COUNT(*) AS count FROM faces');
    expect(found.scan.faces).toBe(stored[0]?.count);
    const raj = found.faces.find((face: Json) => face.person !== null);
    expect(raj).toMatchObject({ person: { name: 'raj' }, quality: { reasons: expect.any(Array) } });
    expect(raj.matches[0]).toMatchObject({ person: { name: 'raj' }, matched: true });
    // The face is a poor one.
    expect(raj.matches[0].threshold).toBeCloseTo(0.495, 9);
    expect(found.faces.filter((face: Json) => face.person !== null)).toHaveLength(1);
    expect(raj.matches[0].similarity).toBeGreaterThan(0.5);
    expect(raj.images[0]).toMatchObject({ path: 'first.jpg', person: { name: 'raj' } });
    expect(raj.images[0].distance).toBeLessThan(0.495);
    expect(await takeStock()).toEqual(before);
  });

  test('by its path; a stranger has no match, and is found in the photo that shows them', async () => {
    const found = await searchPath({ path: 'other.jpg', images: true, maxDistance: 0.2 });
    expect(found.status).toBe(200);
    expect(found.faces.length).toBeGreaterThan(0);
    for (const face of found.faces) {
      expect(face.images[0]).toMatchObject({ path: 'other.jpg' });
      expect(face.images[0].distance).toBeLessThan(1e-3);
    }
    const plain = await searchPath({ path: 'other.jpg' });
    expect(plain.scan).toBeUndefined();
    expect(plain.faces[0].images).toBeUndefined();
  });

  test('photos with the name of the person are among them, however far the face is', async () => {
    const [[face]] = await db.query<Row[]>(
      "SELECT f.id, f.image_id FROM faces f JOIN images i ON i.id = f.image_id WHERE i.path = 'other.jpg' AND face_index = 0",
    );
    const [[raj]] = await db.query<Row[]>("SELECT id FROM person WHERE name = 'raj'");
    await db.query("UPDATE faces SET person_id = ?, decided_by = 'user' WHERE id = ?", [raj?.id, face?.id]);
    const found = await upload(mirrored, {}, '?images=true');
    const { images } = found.faces.find((one: Json) => one.person !== null);
    expect(images).toMatchObject([
      { path: 'first.jpg' },
      { path: 'other.jpg', faceId: face?.id, person: { name: 'raj' } },
    ]);
    expect(images[1].distance).toBeGreaterThan(0.55);
    const one = await upload(mirrored, { imagesLimit: '1' }, '?images=true');
    expect(one.faces.find((some: Json) => some.person !== null).images).toMatchObject([{ path: 'first.jpg' }]);
  });

  test('what cannot be searched is refused, and says why', async () => {
    const before = await takeStock();
    const refusals: [Promise<Json>, number, string][] = [
      [upload(Buffer.from('no photo at all')), 422, 'image_unreadable'],
      [upload(Buffer.alloc(0)), 400, 'image_empty'],
      [upload(Buffer.from('<svg xmlns="http://www.w3.org/2000/svg"/>')), 422, 'image_format_unsupported'],
      [upload(Buffer.alloc(MAX_BYTES + 1)), 413, 'image_too_large'],
      [upload(null, { images: 'true' }), 400, 'no_photo'],
    ];
    for (const [answer, code, error] of refusals) {
      expect(await answer).toMatchObject({ status: code, error: { code: error, retryable: false } });
    }
    expect(await upload(await readFile(samplePhoto(4)), { limit: '99' })).toMatchObject({
      ...{ status: 400, error: { code: 'invalid_request', message: expect.stringContaining('limit') } },
    });
    expect(await searchPath({ path: 'missing.jpg' })).toMatchObject({ status: 404, error: { code: 'file_not_found' } });
    expect(await searchPath({ path: '../elsewhere.jpg' })).toMatchObject({ status: 403 });
    expect(await searchPath({})).toMatchObject({ status: 400, error: { code: 'invalid_request' } });
    expect(await takeStock()).toEqual(before);
  });
});

test('a recognizer that is away, full or slow is told as such, at once', async () => {
  const recognizer = await startMisbehavingRecognizer();
  const receiver = await startService('receiver', {
    ...{ ...shared, IMAGES_STREAM: createStreamName() },
    ...{ RECOGNIZER_ADDRESS: recognizer.address, RECOGNIZER_TIMEOUT_MS: '3000' },
  });
  const to = `http://127.0.0.1:${receiver.port}`;
  try {
    recognizer.answer = () => {
      throw grpcError(status.RESOURCE_EXHAUSTED, 'full');
    };
    const busy = await searchPath({ path: 'first.jpg' }, to);
    expect(busy).toMatchObject({ status: 503, error: { code: 'recognizer_busy', retryable: true } });
    expect(busy.headers.get('retry-after')).toBe('1');

    let asked = 0;
    recognizer.answer = () => {
      asked += 1;
      return new Promise(() => undefined);
    };
    const slow = { status: 504, error: { code: 'recognizer_timeout', retryable: true } };
    const many = await Promise.all(Array.from({ length: 6 }, () => searchPath({ path: 'first.jpg' }, to)));
    // Photos are in memory while they are looked at: not of everybody at once.
    expect(many.filter((answer) => answer.error.code === 'search_busy')).toHaveLength(2);
    expect(many.find((answer) => answer.status === 504)).toMatchObject(slow);
    expect(asked).toBe(4);
    recognizer.stop();
    const away = await searchPath({ path: 'first.jpg' }, to);
    expect(away).toMatchObject({ status: 503, error: { code: 'recognizer_unavailable', retryable: true } });
  } finally {
    recognizer.stop();
    await receiver.stop();
  }
});
