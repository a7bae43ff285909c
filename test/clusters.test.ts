import { copyFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pino } from 'pino';
import sharp from 'sharp';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { type Database, descriptorToBytes, type Row } from '../lib/database.ts';
import { openImageQueue } from '../lib/image-queue.ts';
import { openImages } from '../lib/images.ts';
import { claimJobs, listJobs, writeAsLeader } from '../lib/jobs.ts';
import { eraseOldStrangers } from '../processor/jobs/erase-strangers.ts';
import { ask as askAt } from './ask.ts';
import { type LoneReceiver, startLoneReceiver } from './lone-receiver.ts';
import { samplePhoto, VARIANTS } from './sample-photos.ts';
import { createStreamName, natsUrl, type RunningService, startService, type TestDatabase } from './servers.ts';
import { waitFor } from './wait-for.ts';

interface ClusterAnswer {
  id: number;
  size: number;
  cover: number;
  faces: number[];
  ignored: boolean;
}

const MODEL = 'made-up';
const GOOD = { pixels: 150, sharpness: 0.3, brightness: 0.5, yaw: 0, pitch: 0, roll: 0, reasons: [] };
const log = pino({ level: 'silent' });

let lone: LoneReceiver;
let folder: string;
let database: TestDatabase;
let db: Database;
let receiver: RunningService;
let names: { IMAGES_STREAM: string; EVENTS_STREAM: string };
let running: RunningService[];

beforeAll(async () => {
  lone = await startLoneReceiver('clusters');
  ({ folder, database, db, receiver } = lone);
});

afterAll(() => lone?.stop());

beforeEach(async () => {
  for (const table of ['person_images', 'face_rejections', 'faces', 'clusters', 'images', 'person', 'jobs']) {
    await db.write(`DELETE FROM ${table}`, []);
    await db.query(`ALTER TABLE ${table} AUTO_INCREMENT = 1`);
  }
  names = { IMAGES_STREAM: createStreamName(), EVENTS_STREAM: createStreamName() };
  running = [];
});

afterEach(async () => {
  await Promise.all(running.map((service) => service.stop()));
});

async function startProcessor(more: Record<string, string> = {}): Promise<RunningService> {
  const processor = await startService('processor', {
    ...{ MYSQL_URL: database.url, NATS_URL: natsUrl(), ...names, RECOGNIZER_ADDRESS: '127.0.0.1:1' },
    ...{ LOG_LEVEL: 'debug', LEADER_LEASE_MS: '1000', ...more },
  });
  running.push(processor);
  return processor;
}

/** A person is a direction; their photos lie 0.02 apart. */
function descriptorOf(person: number, photo: number): Buffer {
  return descriptorToBytes(
    Float32Array.from({ length: 128 }, (_, i) => (i === person ? 1 : i === 127 ? photo / 50 : 0)),
  );
}

/** Photos with one unknown face each, as the processor leaves them; ids of faces are those of photos. */
async function addFaces(person: number, from: number, count: number, quality: object = GOOD): Promise<void> {
  const ids = Array.from({ length: count }, (_, index) => from + index);
  await db.query('INSERT INTO images (id, path, status, finished_at) VALUES ?', [
    ids.map((id) => [id, `${id}.jpg`, 'unknown', new Date()]),
  ]);
  await db.query(
    'INSERT INTO faces (id, image_id, face_index, descriptor, model, quality, candidates, box_left, box_top, box_width, box_height) VALUES ?',
    [
      ids.map((id, index) => [
        ...[id, id, 0, descriptorOf(person, index), MODEL],
        ...[JSON.stringify({ ...quality, pixels: 100 + (id % 40) }), '[]', 0.1, 0.1, 0.2, 0.2],
      ]),
    ],
  );
}

const ask = <Body>(method: string, path: string, body?: unknown) =>
  askAt<Body>(method, `http://127.0.0.1:${receiver.port}${path}`, body);

const listClusters = async (query = '') =>
  (await ask<{ clusters: ClusterAnswer[] }>('GET', `/v1/clusters${query}`)).body.clusters;
const sizes = async (query = '') => (await listClusters(query)).map(({ id, size }) => [id, size]);
const untilSizes = (expected: number[][], query = '') =>
  waitFor(
    `clusters ${JSON.stringify(expected)}`,
    async () => JSON.stringify(await sizes(query)) === JSON.stringify(expected),
  );

async function clusterOf(faceId: number): Promise<number | null> {
  const [rows] = await db.query<Row[]>('SELECT cluster_id FROM faces WHERE id = ?', [faceId]);
  return rows[0]?.cluster_id;
}

const untilLookedAt = () =>
  waitFor('every face to be looked at', async () => {
    const [rows] = await db.query<Row[]>(
      'SELECT COUNT(*) AS count FROM faces WHERE cluster_state = 0 AND person_id IS NULL AND erased_at IS NULL',
    );
    return rows[0]?.count === 0;
  });

test('clusters grow, keep their ids under a new leader, and are named at once', async () => {
  await addFaces(1, 1, 6);
  await addFaces(2, 101, 4);
  await addFaces(3, 201, 2);
  const first = await startProcessor();
  await untilSizes([
    [1, 6],
    [2, 4],
  ]);
  const [largest] = await listClusters();
  expect(largest).toMatchObject({ cover: 6, faces: [1, 2, 3, 4, 5], ignored: false });
  await expect
    .poll(() => listJobs(db))
    .toContainEqual(expect.objectContaining({ name: 'clusters', done: 12, total: 12 }));
  const run = (await listJobs(db)).find(({ name }) => name === 'clusters');
  // It was written when it was over; what it says is how long it took.
  expect(run?.finishedAt?.getTime()).toBeGreaterThan(run?.startedAt?.getTime() ?? Number.POSITIVE_INFINITY);

  const second = await startProcessor();
  first.kill('SIGKILL');
  await addFaces(2, 111, 5);
  await addFaces(3, 211, 2);
  await waitFor('the new leader', () => second.log().includes('unknown faces read'));
  await untilSizes([
    [2, 9],
    [1, 6],
    [3, 4],
  ]);

  const page = await ask<{ clusters: ClusterAnswer[]; nextCursor: string }>('GET', '/v1/clusters?limit=2');
  expect(page.body.clusters.map(({ id }) => id)).toEqual([2, 1]);
  expect(await sizes(`?cursor=${page.body.nextCursor}`)).toEqual([[3, 4]]);
  const faces = await ask<{ faces: { id: number; imageId: number }[]; nextCursor: string }>(
    'GET',
    '/v1/clusters/1/faces?limit=4',
  );
  expect(faces.body.faces.map(({ imageId }) => imageId)).toEqual([1, 2, 3, 4]);
  const rest = await ask<typeof faces.body>('GET', `/v1/clusters/1/faces?limit=4&cursor=${faces.body.nextCursor}`);
  expect(rest.body).toMatchObject({ faces: [{ id: 5 }, { id: 6 }], nextCursor: null });

  const named = await ask('POST', '/v1/clusters/2/name', { name: 'Ada' });
  // The descriptors of all nine are within 0.2: one picture, for the gallery.
  expect(named.body).toEqual({ person: { id: 1, name: 'Ada' }, faces: 9, images: 9, enrolled: 1 });
  expect(await sizes()).toEqual([
    [1, 6],
    [3, 4],
  ]);
  const [images] = await db.query<Row[]>(
    'SELECT status, COUNT(*) AS count FROM images WHERE person = 1 GROUP BY status',
  );
  expect(images).toEqual([{ status: 'matched', count: 9 }]);
  const [references] = await db.query<Row[]>(
    'SELECT image_name, source, face_id, revision > 1 AS stamped FROM person_images',
  );
  expect(references).toEqual([{ image_name: 'face/115', source: 'face', face_id: 115, stamped: 1 }]);
  await waitFor('them to leave', async () => (await clusterOf(101)) === null);
  await waitFor('the cluster to go', async () => (await ask('GET', '/v1/clusters/2')).status === 404);
  expect((await ask('POST', '/v1/clusters/2/name', { name: 'Eve' })).status).toBe(404);
  expect((await ask('POST', '/v1/clusters/1/name', { personId: 99 })).body).toMatchObject({
    error: { code: 'person_not_found' },
  });
  expect((await ask('POST', '/v1/clusters/1/name', {})).status).toBe(400);
});

test('faces that are named, erased or deleted leave; too few are no cluster; un-named ones come back', async () => {
  await addFaces(1, 1, 7);
  await startProcessor();
  await untilSizes([[1, 7]]);
  await db.query("INSERT INTO person (id, name) VALUES (1, 'Ada')");
  await db.query('UPDATE faces SET person_id = 1 WHERE id IN (1, 2)');
  await db.query('UPDATE faces SET descriptor = NULL, erased_at = CURRENT_TIMESTAMP(3) WHERE id = 3');
  await untilSizes([[1, 4]]);
  expect([await clusterOf(1), await clusterOf(3), await clusterOf(4)]).toEqual([null, null, 1]);

  await db.query('UPDATE faces SET person_id = NULL WHERE id = 1');
  await untilSizes([[1, 5]]);
  expect(await clusterOf(1)).toBe(1);

  await db.query('DELETE FROM images WHERE id IN (1, 4, 5)');
  await waitFor('the cluster to dissolve', async () => (await clusterOf(6)) === null);
  expect(await sizes()).toEqual([]);
  const [left] = await db.query<Row[]>('SELECT id FROM clusters');
  expect(left).toEqual([]);
});

test('a split holds, also for those who come later and under a new leader; ignored clusters go on growing', async () => {
  await addFaces(1, 1, 9);
  const first = await startProcessor();
  await untilSizes([[1, 9]]);

  expect((await ask('POST', '/v1/clusters/1/split', { faces: [1, 77] })).body).toMatchObject({
    error: { code: 'face_not_in_cluster' },
  });
  const all = Array.from({ length: 9 }, (_, index) => index + 1);
  expect((await ask('POST', '/v1/clusters/1/split', { faces: all })).body).toMatchObject({
    error: { code: 'nothing_left' },
  });
  const split = await ask<ClusterAnswer>('POST', '/v1/clusters/1/split', { faces: [1, 2] });
  expect(split).toMatchObject({ status: 201, body: { id: 2, size: 2, faces: [1, 2] } });
  expect(await sizes()).toEqual([
    [1, 7],
    [2, 2],
  ]);
  await waitFor('the job to see it', async () => {
    const [rows] = await db.query<Row[]>('SELECT id FROM clusters WHERE reshaped = 1');
    return rows.length === 0;
  });

  // Nearer to the first two than to the others.
  await addFaces(1, 101, 1);
  await untilLookedAt();
  expect([await clusterOf(101), await clusterOf(1), await clusterOf(9)]).toEqual([2, 2, 1]);
  first.kill('SIGKILL');
  await startProcessor();
  await addFaces(1, 201, 4);
  await untilLookedAt();
  expect([await clusterOf(1), await clusterOf(9)]).toEqual([2, 1]);
  const [[clusters]] = await db.query<Row[]>('SELECT COUNT(*) AS count, SUM(size) AS faces FROM clusters');
  expect(clusters).toEqual({ count: 2, faces: '14' });

  expect((await ask('PATCH', '/v1/clusters/2', { ignored: true })).body).toMatchObject({ ignored: true });
  const before = (await sizes('?ignored=true'))[0]?.[1] ?? 0;
  expect(await sizes()).toEqual([[1, 14 - before]]);
  await addFaces(1, 301, 1);
  await untilSizes([[2, before + 1]], '?ignored=true');
  await ask('PATCH', '/v1/clusters/2', { ignored: false });
  expect(await sizes()).toHaveLength(2);
});

test('faces of strangers are erased when their time has come, by the clock that is given; their photos stay', async () => {
  await addFaces(1, 1, 4);
  await addFaces(2, 11, 3);
  await db.query('UPDATE images SET finished_at = ? WHERE id < 10', [new Date('2026-01-01T00:00:00Z')]);
  await db.query('UPDATE images SET finished_at = ? WHERE id > 10', [new Date('2026-01-02T00:00:00Z')]);
  await db.query("INSERT INTO person (id, name) VALUES (1, 'Ada')");
  await db.query('UPDATE faces SET person_id = 1 WHERE id = 1');
  await db.query('INSERT INTO face_rejections (person_id, face_id) VALUES (1, 2)');
  const writer = { job: 'retention', fence: 1 };
  await claimJobs(db, writer.fence, [writer.job]);
  const context = {
    ...{ db, log, signal: new AbortController().signal },
    write: <Result>(work: Parameters<typeof writeAsLeader<Result>>[2]) => writeAsLeader(db, writer, work),
  };
  const eraseAt = (time: string) => eraseOldStrangers({ days: 30, now: () => new Date(time) }, context);

  expect(await eraseAt('2026-01-30T23:59:00Z')).toBe(0);
  expect(await eraseAt('2026-01-31T00:01:00Z')).toBe(3);
  expect(await eraseAt('2026-01-31T00:01:00Z')).toBe(0);
  const [faces] = await db.query<Row[]>(
    'SELECT id, descriptor IS NULL AND candidates IS NULL AND erased_at IS NOT NULL AS erased FROM faces ORDER BY id',
  );
  expect(faces.filter((face) => face.erased === 1).map((face) => face.id)).toEqual([2, 3, 4]);
  const [[kept]] = await db.query<Row[]>(
    `SELECT (SELECT COUNT(*) FROM images) AS images, (SELECT COUNT(*) FROM face_rejections) AS rejections,
            (SELECT revision > 1 FROM person) AS told`,
  );
  expect(kept).toEqual({ images: 7, rejections: 0, told: 1 });

  // The real job, by the real clock: everything is older than that.
  await db.query('UPDATE faces SET cluster_state = 0');
  await startProcessor({ UNKNOWN_RETENTION_DAYS: '30' });
  await waitFor('the others', async () => {
    const [rows] = await db.query<Row[]>('SELECT 1 FROM faces WHERE descriptor IS NOT NULL');
    return rows.length === 1;
  });
  await untilSizes([]);
  expect((await openImages(db).findImage(11))?.faces[0]?.box).not.toBeNull();
});

test('the best few become references: no poor face, no picture twice; who was said not to be Ada is', async () => {
  await db.query("INSERT INTO person (id, name) VALUES (7, 'Ada')");
  await db.query('INSERT INTO clusters (id, model, size) VALUES (1, ?, 10)', [MODEL]);
  await addFaces(1, 1, 10);
  // Far enough from each other, but for the last two; two of them are poor, one is somebody's already.
  for (let id = 1; id <= 10; id++) {
    const descriptor = descriptorToBytes(Float32Array.from({ length: 128 }, (_, i) => (i === id % 9 ? 0.3 : 0)));
    await db.query('UPDATE faces SET cluster_id = 1, descriptor = ? WHERE id = ?', [descriptor, id]);
  }
  const poor = JSON.stringify({ ...GOOD, reasons: ['LOW_SHARPNESS'] });
  await db.query('UPDATE faces SET quality = ? WHERE id IN (7, 8)', [poor]);
  await db.query('UPDATE faces SET person_id = 7 WHERE id = 6');
  await db.query('INSERT INTO face_rejections (person_id, face_id) VALUES (7, 2)');

  const named = await ask('POST', '/v1/clusters/1/name', { personId: 7 });
  expect(named.body).toEqual({ person: { id: 7, name: 'Ada' }, faces: 9, images: 9, enrolled: 5 });
  const [references] = await db.query<Row[]>('SELECT face_id FROM person_images ORDER BY face_id DESC');
  expect(references.map((row) => row.face_id)).toEqual([10, 9, 5, 4, 3]);
  const [[rest]] = await db.query<Row[]>(
    `SELECT (SELECT COUNT(*) FROM face_rejections) AS rejections, (SELECT COUNT(*) FROM images WHERE rematch = 2) AS marked,
            (SELECT revision FROM person) = (SELECT revision FROM gallery) AS stamped`,
  );
  expect(rest).toEqual({ rejections: 0, marked: 9, stamped: 1 });
});

test('while clusters grow, faces are named, split off, erased and deleted: what is stored stays true', async () => {
  for (let person = 0; person < 40; person++) await addFaces(person, person * 100 + 1, 40);
  await db.query("INSERT INTO person (id, name) VALUES (1, 'Ada')");
  const first = await startProcessor();
  await waitFor('the first clusters', async () => (await listClusters()).length > 5);
  for (let round = 0; round < 30; round++) {
    const face = 1 + round * 100 + (round % 40);
    await db.query('UPDATE faces SET person_id = 1 WHERE id = ?', [face]);
    await db.query('UPDATE faces SET descriptor = NULL, erased_at = CURRENT_TIMESTAMP(3) WHERE id = ?', [
      face + 3000 - round * 90,
    ]);
    await db.query('DELETE FROM images WHERE id = ?', [face + 7]);
    const [some] = await listClusters(`?limit=${1 + (round % 5)}`);
    if (some !== undefined) {
      const how =
        round % 3 === 0 ? ['name', { name: `person ${round}` }] : ['split', { faces: some.faces.slice(0, 3) }];
      const { status } = await ask('POST', `/v1/clusters/${some.id}/${how[0]}`, how[1]);
      expect([200, 201, 404, 409]).toContain(status);
    }
    if (round === 15) {
      first.kill('SIGKILL');
      await startProcessor();
    }
  }
  await waitFor(
    'everything to be counted',
    async () => {
      const [wrong] = await db.query<Row[]>(
        `SELECT c.id, c.size, COUNT(f.id) AS count FROM clusters c
           LEFT JOIN faces f ON f.cluster_id = c.id AND f.person_id IS NULL AND f.erased_at IS NULL
          GROUP BY c.id, c.size, c.shaped HAVING c.size <> COUNT(f.id) OR COUNT(f.id) < IF(c.shaped = 1, 1, 3)
         UNION ALL SELECT id, 0, 0 FROM faces WHERE cluster_id IS NOT NULL AND (person_id > 0 OR erased_at IS NOT NULL)
         UNION ALL SELECT id, 0, 0 FROM faces WHERE cluster_state = 0 AND person_id IS NULL AND erased_at IS NULL`,
      );
      return wrong.length === 0;
    },
    60_000,
  );
  const [mixed] = await db.query<Row[]>(
    'SELECT cluster_id FROM faces WHERE cluster_id > 0 GROUP BY cluster_id HAVING COUNT(DISTINCT id DIV 100) > 1',
  );
  expect(mixed).toEqual([]);
  const [[alone]] = await db.query<Row[]>(
    'SELECT COUNT(*) AS count FROM faces WHERE cluster_id IS NULL AND person_id IS NULL AND erased_at IS NULL',
  );
  expect(alone?.count).toBe(0);
});

test('real photos: whoever is in three of them is one cluster, of nobody else', async () => {
  await copyFile(samplePhoto(3), join(folder, 'one.jpg'));
  await VARIANTS.greyscale?.(sharp(samplePhoto(3))).toFile(join(folder, 'grey.jpg'));
  await VARIANTS['turned by EXIF']?.(sharp(samplePhoto(3))).toFile(join(folder, 'turned.jpg'));
  await copyFile(samplePhoto(5), join(folder, 'other.jpg'));
  const recognizer = await startService('recognizer', {
    ...{ MYSQL_URL: database.url, IMAGE_ROOTS: folder, RECOGNIZER_WORKERS: '1' },
  });
  running.push(recognizer);
  await startProcessor({ RECOGNIZER_ADDRESS: `127.0.0.1:${recognizer.port}` });
  const images = openImages(db);
  const ids = (await images.addImages(['one.jpg', 'grey.jpg', 'turned.jpg', 'other.jpg'])).map(({ id }) => id);
  const queue = openImageQueue({ url: natsUrl(), stream: names.IMAGES_STREAM, consumer: 'processor', log });
  await waitFor('the queue', async () => (await queue.enqueue(ids).catch(() => [])).length === ids.length);
  await queue.close();
  await waitFor('every photo to end', async () => (await images.countByStatus()).pending === 0, 90_000);
  await untilLookedAt();

  const [rows] = await db.query<Row[]>(
    `SELECT cluster_id, COUNT(*) AS faces, COUNT(DISTINCT image_id) AS images, MAX(box_left) - MIN(box_left) < 0.03 AS same_place
       FROM faces WHERE cluster_id IS NOT NULL GROUP BY cluster_id`,
  );
  // One of the three faces is another in grey, by a little.
  expect(rows.length).toBeGreaterThanOrEqual(2);
  for (const row of rows) expect(row).toMatchObject({ faces: 3, images: 3, same_place: 1 });
});
