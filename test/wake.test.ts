import { setTimeout as sleep } from 'node:timers/promises';
import { pino } from 'pino';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type Database, openDatabase } from '../lib/database.ts';
import { type ImageQueue, openImageQueue } from '../lib/image-queue.ts';
import { createWakeJob } from '../receiver/jobs/wake-processors.ts';
import { createDatabase, createStreamName, natsUrl, type TestDatabase } from './servers.ts';
import { waitFor } from './wait-for.ts';

const log = pino({ level: 'silent' });
const EVERY_MS = 40;
let database: TestDatabase;
let db: Database;
let queue: ImageQueue;
let stopping: AbortController;
let job: Promise<void>;

beforeEach(async () => {
  database = await createDatabase();
  db = openDatabase(database.url);
  queue = openImageQueue({ url: natsUrl(), stream: createStreamName(), consumer: 'processor', log });
  await waitFor('the queue', () => queue.enqueue([]).catch(() => null));
  stopping = new AbortController();
  const context = { db, log, signal: stopping.signal, write: () => Promise.reject(new Error('It writes nothing.')) };
  job = createWakeJob({ queue, everyMs: EVERY_MS }).run(context);
});

afterEach(async () => {
  stopping.abort();
  await job;
  await queue.close();
  await db.close();
  await database.drop();
});

const backlog = async () => (await queue.backlog()).pending;
/** Long enough for it to have looked several times. */
const someLooks = () => sleep(20 * EVERY_MS);
const looksDone = (revision: number) =>
  db.query('REPLACE INTO jobs (name, state) VALUES (?, ?)', ['rematch', JSON.stringify({ doneRevision: revision })]);
const change = () => db.query('UPDATE gallery SET revision = revision + 1');

test('when stored faces wait for a processor and there is none, one is called for, once', async () => {
  await someLooks();
  // Nobody has ever looked: there is nothing that they would have to do.
  expect(await backlog()).toBe(0);
  await looksDone(1);
  await someLooks();
  expect(await backlog()).toBe(0);

  await change();
  await waitFor('a call', async () => (await backlog()) === 1);
  await someLooks();
  expect(await backlog()).toBe(1);
  const lease = await queue.next(AbortSignal.timeout(60_000));
  expect(lease).toMatchObject({ kind: 'identify', id: 0 });
  lease?.done();
});

test('so it is when a model waits', async () => {
  await db.query("INSERT INTO models (name, activated_at, prepared_at) VALUES ('one', NOW(), NOW())");
  await someLooks();
  expect(await backlog()).toBe(0);
  await db.query("INSERT INTO models (name) VALUES ('another')");
  await waitFor('a call', async () => (await backlog()) === 1);
});

test('a processor that is there need not be called', async () => {
  await db.query(
    "INSERT INTO replicas (id, service, name, seen_at) VALUES ('somebody', 'processor', 'host/1', CURRENT_TIMESTAMP(3))",
  );
  await looksDone(1);
  await change();
  await someLooks();
  expect(await backlog()).toBe(0);
  await db.query('DELETE FROM replicas');
  await waitFor('a call', async () => (await backlog()) === 1);
});
