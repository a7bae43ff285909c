import type { ResultSetHeader } from 'mysql2/promise';
import { pino } from 'pino';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Database, descriptorToBytes, type Row } from '../lib/database.ts';
import { openEnrolmentBatches } from '../lib/enrolment-batches.ts';
import { openEnrolments } from '../lib/enrolments.ts';
import { openPeople } from '../lib/people.ts';
import { eraseOldStrangers } from '../processor/jobs/erase-strangers.ts';
import { askWhole } from './ask.ts';
import { type LoneReceiver, startLoneReceiver } from './lone-receiver.ts';
import type { RunningService } from './servers.ts';

const MODEL = 'made-up';

let lone: LoneReceiver;
let db: Database;
let receiver: RunningService;

beforeAll(async () => {
  lone = await startLoneReceiver('audit');
  ({ db, receiver } = lone);
});

afterAll(() => lone?.stop());

interface Entry {
  readonly id: number;
  readonly at: string;
  readonly action: string;
  readonly caller: string;
  readonly requestId: string | null;
  readonly personId: number | null;
  readonly imageId: number | null;
  readonly faceId: number | null;
  readonly details: Record<string, unknown> | null;
}

async function call(method: string, path: string, body?: unknown) {
  const { headers, ...answer } = await askWhole(method, `http://127.0.0.1:${receiver.port}${path}`, body);
  return { ...answer, requestId: headers.get('x-request-id') };
}

async function readAudit(query = ''): Promise<Entry[]> {
  const { status, body } = await call('GET', `/v1/audit?limit=1000&${query}`);
  expect(status).toBe(200);
  return body.entries;
}

/** What one request has recorded, oldest first, without what all entries have. */
async function recordedBy(requestId: string | null) {
  const entries = (await readAudit()).filter((entry) => entry.requestId === requestId);
  expect(entries.every(({ caller }) => caller === 'local')).toBe(true);
  return entries.reverse().map(({ id: _, at: __, caller: ___, requestId: ____, ...rest }) => rest);
}

async function addFace(cluster: number | null = null): Promise<{ faceId: number; imageId: number }> {
  const [image] = await db.query<ResultSetHeader>(
    "INSERT INTO images (path, status, finished_at) VALUES (?, 'unknown', '2020-01-01')",
    [`${Math.random()}.jpg`],
  );
  const descriptor = descriptorToBytes(Float32Array.from({ length: 128 }, () => Math.random()));
  const [face] = await db.query<ResultSetHeader>(
    'INSERT INTO faces (image_id, face_index, descriptor, model, cluster_id, cluster_state) VALUES (?, 0, ?, ?, ?, 1)',
    [image.insertId, descriptor, MODEL, cluster],
  );
  return { faceId: face.insertId, imageId: image.insertId };
}

const nothing = { personId: null, imageId: null, faceId: null, details: null };

test('every change says who made it, to whom, and by which request; and nobody can be read in it who was erased', async () => {
  const added = await call('POST', '/v1/people', { name: 'Ada Lovelace', threshold: 0.5 });
  const ada: number = added.body.id;
  expect(await recordedBy(added.requestId)).toEqual([
    { ...nothing, action: 'person.added', personId: ada, details: { threshold: 0.5 } },
  ]);
  const bea: number = (await call('POST', '/v1/people', { name: 'Bea' })).body.id;
  const changed = await call('PATCH', `/v1/people/${ada}`, { name: 'Ada King', threshold: null });
  expect(await recordedBy(changed.requestId)).toEqual([
    { ...nothing, action: 'person.renamed', personId: ada },
    { ...nothing, action: 'person.threshold_set', personId: ada, details: { threshold: null } },
  ]);
  // What fails changes nothing, and nothing is told of it.
  const refused = await call('PATCH', `/v1/people/${ada}`, { name: 'Bea', threshold: 0.4 });
  expect(refused.status).toBe(409);
  expect(await recordedBy(refused.requestId)).toEqual([]);

  const seen = await addFace();
  const named = await call('PUT', `/v1/faces/${seen.faceId}/person`, { name: 'Cleo' });
  const cleo: number = named.body.person.id;
  const [added2, of, enrolled] = await recordedBy(named.requestId);
  expect(added2).toEqual({ ...nothing, action: 'person.added', personId: cleo });
  expect(of).toEqual({ ...nothing, ...seen, action: 'face.named', personId: cleo });
  expect(enrolled).toMatchObject({ ...seen, action: 'reference.added', personId: cleo, details: { source: 'face' } });
  const reference = enrolled?.details?.reference;
  const removed = await call('DELETE', `/v1/people/${cleo}/faces/${reference}`);
  expect(await recordedBy(removed.requestId)).toEqual([
    { ...nothing, action: 'reference.removed', personId: cleo, details: { reference } },
  ]);
  const rejected = await call('DELETE', `/v1/faces/${seen.faceId}/person`);
  expect(await recordedBy(rejected.requestId)).toEqual([
    { ...nothing, ...seen, action: 'face.rejected', personId: cleo },
  ]);

  const merged = await call('POST', `/v1/people/${ada}/merge`, { people: [bea, cleo] });
  expect(await recordedBy(merged.requestId)).toEqual([
    { ...nothing, action: 'person.merged', personId: ada, details: { people: [bea, cleo] } },
    { ...nothing, action: 'person.merged', personId: bea, details: { into: ada } },
    { ...nothing, action: 'person.merged', personId: cleo, details: { into: ada } },
  ]);
  const threshold = await call('PUT', '/v1/calibration', { threshold: 0.45 });
  expect(await recordedBy(threshold.requestId)).toEqual([
    { ...nothing, action: 'threshold.set', details: { threshold: 0.45 } },
  ]);

  const [made] = await db.query<ResultSetHeader>('INSERT INTO clusters (model, size) VALUES (?, 3)', [MODEL]);
  const cluster = made.insertId;
  const faces = [await addFace(cluster), await addFace(cluster), await addFace(cluster)].map(({ faceId }) => faceId);
  const split = await call('POST', `/v1/clusters/${cluster}/split`, { faces: [faces[0]] });
  expect(await recordedBy(split.requestId)).toEqual([
    { ...nothing, action: 'cluster.split', details: { cluster, own: split.body.id, faces: 1 } },
  ]);
  const ignored = await call('PATCH', `/v1/clusters/${split.body.id}`, { ignored: true });
  expect(await recordedBy(ignored.requestId)).toEqual([
    { ...nothing, action: 'cluster.ignored', details: { cluster: split.body.id, ignored: true } },
  ]);
  const clusterNamed = await call('POST', `/v1/clusters/${cluster}/name`, { personId: ada });
  expect(await recordedBy(clusterNamed.requestId)).toEqual([
    { ...nothing, action: 'cluster.named', personId: ada, details: { cluster, faces: 2, enrolled: 2 } },
  ]);

  const [alone, strange, known] = [await addFace(), await addFace(), await addFace()];
  await db.query(
    'INSERT INTO faces (image_id, face_index, descriptor, model) SELECT image_id, 1, descriptor, model FROM faces WHERE id = ?',
    [strange.faceId],
  );
  await call('PUT', `/v1/faces/${known.faceId}/person`, { personId: ada, enrol: false });
  const ids = [alone.imageId, strange.imageId, known.imageId, 999_999];
  const imagesNamed = await call('POST', '/v1/images/name', { ids, personId: ada });
  expect(imagesNamed.body).toEqual({
    person: { id: ada, name: 'Ada King' },
    named: [alone.imageId],
    skipped: [
      { id: strange.imageId, reason: 'several_unknown_faces' },
      { id: known.imageId, reason: 'shows_person' },
      { id: 999_999, reason: 'image_not_found' },
    ],
    enrolled: 1,
  });
  expect(await recordedBy(imagesNamed.requestId)).toEqual([
    { ...nothing, action: 'images.named', personId: ada, details: { images: 1, faces: 1, enrolled: 1 } },
  ]);
  // Nobody is made for whom there is no face.
  const nobody = await call('POST', '/v1/images/name', { ids: [alone.imageId], name: 'Bobby' });
  expect(nobody.body).toMatchObject({ person: null, named: [], skipped: [{ reason: 'no_unknown_face' }] });
  expect(await recordedBy(nobody.requestId)).toEqual([]);

  const erased = await call('DELETE', `/v1/people/${ada}`);
  const { personId: _, folderPhotos: __, ...receipt } = erased.body;
  expect(await recordedBy(erased.requestId)).toEqual([
    { ...nothing, action: 'person.erasure_begun', personId: ada },
    { ...nothing, action: 'person.erased', personId: ada, details: receipt },
  ]);
  const [rows] = await db.query<Row[]>('SELECT * FROM audit');
  expect(JSON.stringify(rows)).not.toMatch(/Ada|Lovelace|King|Bea|Cleo|\.jpg/);
});

test('who asked for an enrolment has made the references that a worker makes of it', async () => {
  const asked = await call('POST', '/v1/enrolments', {
    enrolments: [
      { person: 'Dora', path: 'd1.jpg' },
      { person: 'Dora', path: 'd2.jpg' },
      { person: 'Eva', path: 'e.jpg' },
    ],
  });
  const batch: number = asked.body.batch.id;
  const [dora, eva] = (await recordedBy(asked.requestId)).map(({ personId }) => personId);
  expect(await recordedBy(asked.requestId)).toEqual([
    { ...nothing, action: 'person.added', personId: dora },
    { ...nothing, action: 'person.added', personId: eva },
    { ...nothing, action: 'enrolment.requested', personId: dora, details: { batch, photos: 2 } },
    { ...nothing, action: 'enrolment.requested', personId: eva, details: { batch, photos: 1 } },
  ]);
  const enrolments = openEnrolments(db);
  const [photo] = await openEnrolmentBatches(db).listPhotos(batch, { limit: 1 });
  const face = { imageName: 'photo/x#0', descriptor: new Float32Array(128), model: MODEL, contentHash: null };
  const enrol = () =>
    enrolments.recordEnrolled(
      photo?.id ?? 0,
      { ...face, path: 'd1.jpg', box: null, quality: null, galleryRevision: 1 },
      () => {},
    );
  expect([await enrol(), await enrol()]).toEqual([true, false]);
  const last = (await recordedBy(asked.requestId)).slice(4);
  expect(last).toEqual([
    {
      ...nothing,
      action: 'reference.added',
      personId: dora,
      details: expect.objectContaining({ source: 'photo', batch }),
    },
  ]);
});

test('what the system does by itself is told as its own', async () => {
  const photo = { personName: 'Fay', fileSize: 1, fileMtimeMs: 1, contentHash: null, model: MODEL, quality: null };
  const people = openPeople(db);
  await people.recordKnownPhoto({ ...photo, imageName: 'fay/1.jpg', descriptor: new Float32Array(128), failure: null });
  await people.recordKnownPhoto({ ...photo, imageName: 'fay/2.jpg', descriptor: null, failure: 'no face' });
  expect((await readAudit('caller=system:folder')).map(({ action }) => action)).toEqual([
    'reference.added',
    'person.added',
  ]);

  await addFace();
  await db.query("INSERT IGNORE INTO jobs (name) VALUES ('retention')");
  const context = { db, write: db.transact, signal: new AbortController().signal, log: pino({ level: 'silent' }) };
  const faces = await eraseOldStrangers({ days: 1 }, context);
  expect(faces).toBeGreaterThan(0);
  expect(await readAudit('action=faces.erased')).toEqual([
    expect.objectContaining({ caller: 'system:retention', requestId: null, details: { faces } }),
  ]);
});

test('it is found by action, person, caller and time, page by page', async () => {
  const gus = (await call('POST', '/v1/people', { name: 'Gus' })).body.id;
  for (const threshold of [0.1, 0.2, 0.3]) await call('PATCH', `/v1/people/${gus}`, { threshold });
  const all = await readAudit(`person=${gus}`);
  expect(all.map(({ details }) => details?.threshold)).toEqual([0.3, 0.2, 0.1, undefined]);
  expect(await readAudit(`person=${gus}&action=person.added`)).toEqual([all[3]]);
  expect(await readAudit(`person=${gus}&caller=nobody`)).toEqual([]);
  expect(await readAudit(`person=${gus}&from=${all[1]?.at}`)).toContainEqual(all[1]);
  expect(await readAudit(`person=${gus}&to=${all[3]?.at}`)).toEqual([]);
  const { body: first } = await call('GET', `/v1/audit?person=${gus}&limit=3`);
  expect(first.entries).toEqual(all.slice(0, 3));
  const { body: second } = await call('GET', `/v1/audit?person=${gus}&limit=3&cursor=${first.nextCursor}`);
  expect(second).toEqual({ entries: all.slice(3), nextCursor: null });
  for (const bad of ['action=person.seen', 'from=yesterday', 'cursor=x', 'limit=0']) {
    expect((await call('GET', `/v1/audit?${bad}`)).status).toBe(400);
  }
});
