import { createHash } from 'node:crypto';
import { tmpdir } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { jetstream, jetstreamManager } from '@nats-io/jetstream';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Database, openDatabase, type Row } from '../lib/database.ts';
import type { IdentifyResponse } from '../proto/face.ts';
import { ask } from './ask.ts';
import { connectNats } from './connect-nats.ts';
import { grpcError, type MisbehavingRecognizer, startMisbehavingRecognizer, status } from './misbehaving-recognizer.ts';
import {
  createDatabase,
  createStreamName,
  natsUrl,
  type RunningService,
  startService,
  type TestDatabase,
} from './servers.ts';
import { waitFor } from './wait-for.ts';

let database: TestDatabase;
let db: Database;
let recognizer: MisbehavingRecognizer;
let receiver: RunningService;
let processor: RunningService;
const stream = createStreamName();

/** One face, unlike any other path's, but most of many photos show hills; the gallery has been seen as it is. */
function answerFor(path: string): IdentifyResponse {
  const hash = createHash('sha256').update(path).digest();
  const descriptor = Array.from({ length: 128 }, (_, n) => (hash[n % 32] ?? 0) / 255);
  const isHill = Number(/^bulk\/(\d+)/.exec(path)?.[1] ?? 0) >= 100;
  const face = {
    ...{ box: { left: 0.1, top: 0.1, width: 0.5, height: 0.5 }, confidence: 0.9, descriptor, match: undefined },
    ...{ nearestDistance: 2, quality: undefined, threshold: 0.55, candidates: [] },
  };
  const seen = { width: 100, height: 100, model: 'm', threshold: 0.55, galleryRevision: 1e9, contentHash: hash };
  return { imageName: 'not_found', recognition: { ...seen, faces: isHill ? [] : [face] } };
}

/** As a version made it that knew images only. */
async function makeOldConsumer(): Promise<void> {
  const nats = await connectNats(natsUrl());
  const manager = await jetstreamManager(nats);
  const subjects = ['identify', 'enrol'].map((kind) => `${stream.toLowerCase()}.${kind}`);
  await manager.streams.add({ name: stream, subjects, retention: 'workqueue' });
  await manager.consumers.add(stream, {
    ...{ durable_name: 'processor', ack_policy: 'explicit', max_deliver: -1, filter_subject: subjects[0] as string },
  });
  // One image has been done, and one enrolment waits that nobody would have handed out.
  const client = jetstream(nats);
  await client.publish(subjects[0] as string, '4711');
  const message = await (await client.consumers.get(stream, 'processor')).next();
  await message?.ackAck();
  await client.publish(subjects[1] as string, '4712');
  await client.publish(subjects[0] as string, '4713');
  await nats.close();
}

beforeAll(async () => {
  await makeOldConsumer();
  database = await createDatabase();
  db = openDatabase(database.url);
  recognizer = await startMisbehavingRecognizer(answerFor);
  const shared = { MYSQL_URL: database.url, NATS_URL: natsUrl(), IMAGES_STREAM: stream };
  receiver = await startService('receiver', { ...shared, IMAGE_ROOTS: tmpdir() });
  processor = await startService('processor', {
    ...{ ...shared, RECOGNIZER_ADDRESS: recognizer.address, PROCESSOR_CONCURRENCY: '16', MAX_DELIVERIES: '2' },
    LOG_LEVEL: 'debug',
  });
});

afterAll(async () => {
  await Promise.all([receiver.stop(), processor.stop()]);
  recognizer.stop();
  await db.close();
  await database.drop();
});

const call = (method: string, path: string, body?: unknown) =>
  ask(method, `http://127.0.0.1:${receiver.port}${path}`, body);

const finish = (id: number) =>
  waitFor(
    'the batch to end',
    async () => {
      const { body } = await call('GET', `/v1/enrolments/${id}`);
      return body.pending === 0 ? body : null;
    },
    120_000,
  );

test('a consumer of the version before hands out enrolments, too, from now on', async () => {
  const countOf = (part: string) => processor.log().split(part).length - 1;
  await waitFor('both to be handed out', () => countOf('"enrolment":4712') > 0 && countOf('"image":4713') > 0);
  expect(countOf('"image":4711')).toBe(0);
});

test('each of many photos in one call ends once', async () => {
  const enrolments = Array.from({ length: 1_000 }, (_, n) => ({
    person: `Person ${n % 500}`,
    path: n === 7 ? '../outside.jpg' : `bulk/${n % 990}.jpg`,
  }));
  const { status: answered, body } = await call('POST', '/v1/enrolments', { enrolments });
  expect(answered).toBe(202);
  const ended = await finish(body.batch.id);
  // The last ten paths are those of the first ten, of other people; one of those was refused before.
  expect(ended).toMatchObject({ total: 1_000, enrolled: 100, refused: 900, failed: 0 });
  const [counts] = await db.query<Row[]>(
    'SELECT COUNT(*) AS n, COUNT(DISTINCT person_id) AS people, COUNT(DISTINCT revision) AS revisions FROM person_images',
  );
  expect(counts).toEqual([{ n: 100, people: 100, revisions: 100 }]);
  const { body: page } = await call('GET', `/v1/enrolments/${body.batch.id}/photos?status=refused&limit=4`);
  expect(page.photos[0]).toMatchObject({ path: '../outside.jpg', reason: { code: 'path_outside_roots' } });
  expect(page.photos[1].reason.code).toBe('no_face');
  const { body: next } = await call(
    'GET',
    `/v1/enrolments/${body.batch.id}/photos?status=refused&limit=500&cursor=${page.nextCursor}`,
  );
  expect(next.photos).toHaveLength(500);
  expect(next.photos[0].id).toBeGreaterThan(page.photos[3].id);
  const [reasons] = await db.query<Row[]>('SELECT reason_code, COUNT(*) AS n FROM enrolments GROUP BY reason_code');
  expect(Object.fromEntries(reasons.map((row) => [row.reason_code, row.n]))).toEqual({
    ...{ null: 100, no_face: 890, belongs_to_other: 9, path_outside_roots: 1 },
  });
});

test('what may pass is tried again and ends failed; a message that comes twice changes nothing', async () => {
  recognizer.answer = (path) => {
    if (path === 'poor.jpg') {
      const response = answerFor(path);
      const quality = {
        pixels: 9,
        sharpness: 1,
        brightness: 0,
        yaw: 0,
        pitch: 0,
        roll: 0,
        reasons: ['LOW_BRIGHTNESS', 'LOW_SHARPNESS'],
      };
      for (const face of response.recognition?.faces ?? []) face.quality = quality;
      return response;
    }
    if (path === 'names-only.jpg') return { imageName: 'not_found', recognition: undefined };
    if (path === 'fine.jpg') return answerFor(path);
    throw grpcError(status.INTERNAL, 'the worker died');
  };
  const { body: person } = await call('POST', '/v1/people', { name: 'Retry' });
  const paths = ['dies.jpg', 'fine.jpg', 'poor.jpg', 'names-only.jpg'].map((path) => ({ path }));
  const { body } = await call('POST', `/v1/people/${person.id}/faces`, { paths });
  await finish(body.batch.id);
  const { body: ended } = await call('GET', `/v1/enrolments/${body.batch.id}/photos`);
  expect(ended.photos).toMatchObject([
    { path: 'dies.jpg', status: 'failed', reason: { code: 'too_many_tries' } },
    { path: 'fine.jpg', status: 'enrolled', reason: null, referenceId: expect.any(Number) },
    { path: 'poor.jpg', status: 'refused', reason: { code: 'poor_quality' } },
    { path: 'names-only.jpg', status: 'refused', reason: { code: 'no_descriptor' } },
  ]);
  const nats = await connectNats(natsUrl());
  for (const { id } of ended.photos) await jetstream(nats).publish(`${stream.toLowerCase()}.enrol`, String(id));
  await nats.close();
  await waitFor('the repeats to be dropped', () => processor.log().split('nothing to do').length > 4);
  await sleep(200);
  expect((await call('GET', `/v1/people/${person.id}`)).body.faces).toBe(1);
});

// The last one: it leaves the queue full.
test('10,000 photos in one call are accepted and in the queue within seconds, and not one more', async () => {
  recognizer.answer = answerFor;
  const enrolments = Array.from({ length: 10_001 }, (_, n) => ({
    person: `Person ${n % 1_000}`,
    path: `bulk/${1_000 + n}.jpg`,
  }));
  const tooMany = await call('POST', '/v1/enrolments', { enrolments });
  expect(tooMany).toMatchObject({ status: 413, body: { error: { code: 'too_many_paths' } } });

  const begun = performance.now();
  const { status: answered, body } = await call('POST', '/v1/enrolments', { enrolments: enrolments.slice(1) });
  const ms = performance.now() - begun;
  console.info(`accepted in ${Math.round(ms)} ms`);
  expect(answered).toBe(202);
  expect(body.batch.total).toBe(10_000);
  expect(ms).toBeLessThan(15_000);
  const waiting = async () => {
    const sql = 'SELECT COUNT(*) AS n, COUNT(enqueued_at) AS enqueued FROM enrolments WHERE batch_id = ?';
    return (await db.query<Row[]>(sql, [body.batch.id]))[0];
  };
  await expect.poll(waiting).toEqual([{ n: 10_000, enqueued: 10_000 }]);
});
