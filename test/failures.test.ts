import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { pino } from 'pino';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type Database, openDatabase, type Row } from '../lib/database.ts';
import { openEvents } from '../lib/events.ts';
import { openImageQueue } from '../lib/image-queue.ts';
import { openImages } from '../lib/images.ts';
import { ask } from './ask.ts';
import {
  grpcError,
  type MisbehavingRecognizer,
  NOBODY,
  startMisbehavingRecognizer,
  status,
} from './misbehaving-recognizer.ts';
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
let folder: string;
let names: Record<string, string>;
let recognizer: MisbehavingRecognizer;
let receiver: RunningService;
let processors: RunningService[];

beforeAll(async () => {
  database = await createDatabase();
  db = openDatabase(database.url);
  folder = await mkdtemp(join(tmpdir(), 'faceflow-failures-'));
  names = { IMAGES_STREAM: createStreamName(), EVENTS_STREAM: createStreamName() };
  receiver = await startReceiver();
});

afterAll(async () => {
  await receiver.stop();
  await db.close();
  await database.drop();
  await rm(folder, { recursive: true });
});

beforeEach(async () => {
  processors = [];
  recognizer = await startMisbehavingRecognizer();
});

afterEach(async () => {
  await Promise.all(processors.map((processor) => processor.stop()));
  recognizer.stop();
  await db.query('DELETE FROM images');
  await db.query("DELETE FROM replicas WHERE service = 'processor'");
});

function startOne(name: 'receiver' | 'processor', env: Record<string, string>): Promise<RunningService> {
  return startService(name, { MYSQL_URL: database.url, NATS_URL: natsUrl(), ...names, LOG_LEVEL: 'debug', ...env });
}

const startReceiver = () => startOne('receiver', { IMAGE_ROOTS: folder });

async function startProcessor(env: Record<string, string> = {}): Promise<RunningService> {
  const processor = await startOne('processor', { RECOGNIZER_ADDRESS: recognizer.address, ...env });
  processors.push(processor);
  return processor;
}

const call = (method: string, path: string, body?: unknown) =>
  ask(method, `http://127.0.0.1:${receiver.port}${path}`, body);

async function submit(...paths: string[]): Promise<number[]> {
  const { body } = await call('POST', '/images/post', { paths: paths.map((path) => ({ path })) });
  return body.images.map((image: { id: number }) => image.id);
}

const find = async (id: number) => (await call('GET', `/v1/images/${id}`)).body;
const until = (what: string, id: number, check: (image: { status: string; retryAt: string | null }) => boolean) =>
  waitFor(what, async () => check(await find(id)), 60_000);
const untilStatus = (id: number, wanted: string) => until(`status ${wanted}`, id, (image) => image.status === wanted);
const stats = async () => (await call('GET', '/v1/stats')).body;
const untilQueueIsEmpty = () =>
  waitFor('an empty queue', async () => {
    const { queue } = await stats();
    return queue !== null && queue.pending + queue.inFlight === 0;
  });
const callsOf = (path: string) => recognizer.calls.filter((one) => one === path).length;

function breakDown(): never {
  throw grpcError(status.INTERNAL, 'the worker died');
}

async function readMetric(port: number, line: RegExp): Promise<number> {
  const text = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
  return Number(line.exec(text)?.[1] ?? Number.NaN);
}

describe('what has failed', () => {
  test('is tried again on schedule, each step once, also within two minutes of the first time', async () => {
    // Never five failures in a row: those would open the breaker.
    recognizer.answer = (path) => {
      const ends = path === 'well.jpg' || (path === 'third.jpg' && callsOf(path) === 3);
      return ends ? NOBODY : breakDown();
    };
    await startProcessor({ MAX_DELIVERIES: '1', RETRY_SCHEDULE: '1s,2s' });
    const [third = 0, always = 0, well = 0] = await submit('third.jpg', 'always.jpg', 'well.jpg');
    await untilStatus(well, 'unknown');
    await untilStatus(third, 'unknown');
    expect(callsOf('third.jpg')).toBe(3);
    expect(await find(third)).toMatchObject({ reason: null, retryAt: null });
    await waitFor('the last try', () => callsOf('always.jpg') === 3, 60_000);
    // Without a time it is not tried again.
    await until('its end', always, (image) => image.status === 'failed' && image.retryAt === null);
    expect(await find(always)).toMatchObject({ status: 'failed', reason: { code: 'too_many_tries' } });
    expect(callsOf('always.jpg')).toBe(3);
    await untilQueueIsEmpty();
    expect(await readMetric(receiver.port, /^faceflow_scheduled_retries_total{table="images"} (\d+)$/m)).toBe(4);
  });

  test('is tried again by hand: one, by id, by filter; what is not in such a state is left alone', async () => {
    let isBroken = true;
    recognizer.answer = (path) => {
      if (path.startsWith('gone/')) throw grpcError(status.NOT_FOUND, 'There is no such file.', 'file_not_found');
      return isBroken && path.startsWith('bad/') ? breakDown() : NOBODY;
    };
    // One failure at a time, so that the breaker stays closed: answers in between are answers.
    await startProcessor({ MAX_DELIVERIES: '1', RETRY_SCHEDULE: '1h', PROCESSOR_CONCURRENCY: '1' });
    const [well = 0] = await submit('well.jpg');
    const [one = 0, two = 0, three = 0] = await submit('bad/one.jpg', 'bad/two.jpg', 'bad/three.jpg');
    const [gone = 0] = await submit('gone/a.jpg');
    for (const id of [one, two, three]) await untilStatus(id, 'failed');
    await untilStatus(gone, 'unreadable');
    await untilStatus(well, 'unknown');
    const { retryAt } = await find(one);
    expect(Date.parse(retryAt)).toBeGreaterThan(Date.now() + 45 * 60_000);

    expect(await call('POST', '/v1/images/999999999/retry')).toMatchObject({
      status: 404,
      body: { error: { code: 'image_not_found' } },
    });
    expect(await call('POST', `/v1/images/${well}/retry`)).toMatchObject({
      status: 409,
      body: { error: { code: 'not_retryable', retryable: false } },
    });
    isBroken = false;
    expect(await call('POST', `/v1/images/${one}/retry`)).toEqual({
      status: 202,
      body: { id: one, path: 'bad/one.jpg', status: 'pending' },
    });
    await untilStatus(one, 'unknown');

    const retry = async (filter: object) => (await call('POST', '/v1/images/retry', filter)).body;
    expect(await retry({ reason: 'worker_died' })).toEqual({ retried: 0, nextCursor: null });
    expect(await retry({ q: 'three' })).toEqual({ retried: 1, nextCursor: null });
    await untilStatus(three, 'unknown');
    expect((await find(two)).status).toBe('failed');
    expect(await retry({ ids: [two, well, 999_999_999] })).toEqual({ retried: 1, nextCursor: null });
    await untilStatus(two, 'unknown');
    const before = callsOf('gone/a.jpg');
    expect(await retry({ status: 'unreadable', reason: 'file_not_found' })).toEqual({ retried: 1, nextCursor: null });
    await waitFor('another look', () => callsOf('gone/a.jpg') === before + 1);
    await untilStatus(gone, 'unreadable');
    expect((await call('POST', '/v1/images/retry', { status: 'matched' })).status).toBe(400);
    expect((await call('POST', '/v1/images/retry', { ids: [one], q: 'bad' })).status).toBe(400);
    await untilQueueIsEmpty();
  });

  test('a great many are put back page by page, and published', async () => {
    const added = await openImages(db).addImages(Array.from({ length: 1_300 }, (_, n) => `many/${n}.jpg`));
    await db.query(`UPDATE images SET status = 'failed', reason_code = 'too_many_tries', enqueued_at = NOW(3)`);
    const answer = await call('POST', '/v1/images/retry', { q: 'many', reason: 'too_many_tries' });
    expect(answer).toEqual({ status: 202, body: { retried: added.length, nextCursor: null } });
    await expect.poll(async () => (await stats()).queue?.pending).toBe(added.length);
    // On a busy machine counting takes long, and then the last count is told while the next is made.
    await expect.poll(async () => (await stats()).images).toMatchObject({ pending: added.length, failed: 0 });
  });

  test('is tried again also where it is an enrolment', async () => {
    let isBroken = true;
    recognizer.answer = () => (isBroken ? breakDown() : NOBODY);
    await startProcessor({ MAX_DELIVERIES: '1', RETRY_SCHEDULE: '2s' });
    const person = (await call('POST', '/v1/people', { name: 'Ada' })).body.id;
    const { batch } = (await call('POST', `/v1/people/${person}/faces`, { paths: [{ path: 'ada.jpg' }] })).body;
    const read = async () => (await call('GET', `/v1/enrolments/${batch.id}`)).body;
    await waitFor('both tries', () => callsOf('ada.jpg') === 2, 60_000);
    await waitFor('the failure', async () => (await read()).failed === 1);
    isBroken = false;
    expect(await call('POST', '/v1/enrolments/99/retry')).toMatchObject({ status: 404 });
    expect(await call('POST', `/v1/enrolments/${batch.id}/retry`)).toEqual({ status: 202, body: { retried: 1 } });
    // This recognizer tells no descriptors.
    await waitFor('the refusal', async () => (await read()).refused === 1);
    await untilQueueIsEmpty();
  });
});

describe('work that harms', () => {
  test('what nobody has ever brought to an end is failed without another look, and others go on', async () => {
    const { IMAGES_STREAM: stream = '' } = names;
    const queue = openImageQueue({ url: natsUrl(), stream, consumer: 'processor', log: pino({ level: 'silent' }) });
    const never = new AbortController().signal;
    const [deadly = 0] = await submit('deadly.jpg');
    // Whoever takes it dies: it is handed out once more than twice as often as an error would be tolerated.
    for (let delivery = 1; delivery <= 2; delivery++) {
      const lease = await waitFor('it to be handed out', () => queue.next(never).catch(() => null));
      expect(lease).toMatchObject({ id: deadly, deliveries: delivery });
      lease.retryIn(0);
    }
    await queue.close();
    const [well = 0] = await submit('well.jpg');
    await startProcessor({ MAX_DELIVERIES: '1', RETRY_SCHEDULE: 'never' });
    await untilStatus(deadly, 'failed');
    await untilStatus(well, 'unknown');
    expect(recognizer.calls).toEqual(['well.jpg']);
    const { reason, retryAt } = await find(deadly);
    expect(reason.code).toBe('too_many_tries');
    expect(reason.message).toContain('has died');
    expect(retryAt).toBeNull();
    await untilQueueIsEmpty();
  });

  test('an image that is deleted while somebody looks at it stays deleted', async () => {
    let answer = () => {};
    recognizer.answer = () =>
      new Promise((resolve) => {
        answer = () => resolve(NOBODY);
      });
    const processor = await startProcessor();
    const [id = 0] = await submit('going.jpg');
    await waitFor('the call', () => recognizer.calls.length === 1);
    expect(await call('DELETE', `/v1/images/${id}`)).toEqual({ status: 204, body: null });
    answer();
    await waitFor('the end of the work', () => processor.log().includes('nothing to do'));
    await untilQueueIsEmpty();
    expect((await call('GET', `/v1/images/${id}`)).status).toBe(404);
    expect(await call('DELETE', `/v1/images/${id}`)).toMatchObject({
      status: 404,
      body: { error: { code: 'image_not_found' } },
    });
  });
});

describe('while the recognizer is away', () => {
  test('every receiver says so, also one that has just started; then one photo tries, and the others follow', async () => {
    const port = Number(recognizer.address.split(':')[1]);
    const listener = await listen();
    const processor = await startProcessor({ PROCESSOR_CONCURRENCY: '4' });
    await waitFor('the processor to be known', async () => (await stats()).processing.processors === 1);
    expect((await stats()).processing).toMatchObject({ state: 'running', paused: 0, message: null });
    recognizer.stop();
    await submit(...Array.from({ length: 20 }, (_, n) => `${n}.jpg`));
    const isPaused = async () => (await stats()).processing.state === 'paused';
    await waitFor('the pause to be told', isPaused, 60_000);
    // Now and then it is half open, for one try.
    await expect.poll(() => readMetric(processor.port, /^faceflow_breaker_state{state="open"} (\d)$/m)).toBe(1);
    const nextAttempt = await readMetric(
      processor.port,
      /^faceflow_breaker_next_attempt_timestamp_seconds ([\d.e+]+)$/m,
    );
    expect(nextAttempt * 1_000).toBeGreaterThan(Date.now() - 30_000);

    await receiver.stop();
    receiver = await startReceiver();
    const { processing, images } = await waitFor('the pause to be told', async () => {
      const told = await stats();
      return told.processing.state === 'paused' && told;
    });
    expect(processing).toMatchObject({ state: 'paused', processors: 1, paused: 1 });
    expect(processing.message).toMatch(/^paused: recognizer unavailable since 20\S+Z, next try in \d+ s$/);
    expect(Math.abs(Date.parse(processing.nextAttemptAt) - nextAttempt * 1_000)).toBeLessThan(60_000);
    expect(images).toMatchObject({ pending: 20, failed: 0 });

    let atOnce = 0;
    let mostAtOnce = 0;
    recognizer = await startMisbehavingRecognizer(async (_path, number) => {
      atOnce += 1;
      mostAtOnce = Math.max(mostAtOnce, atOnce);
      if (number === 1) {
        await sleep(1_500);
        expect(mostAtOnce).toBe(1);
      }
      atOnce -= 1;
      return NOBODY;
    }, port);
    await waitFor('all to be done', async () => (await stats()).images.unknown === 20, 150_000);
    await expect.poll(async () => (await stats()).images.failed).toBe(0);
    await waitFor('the end of the pause', async () => (await stats()).processing.state === 'running');
    await waitFor('the last event', () => listener.told.at(-1)?.state === 'closed');
    expect(listener.told.map((event) => event.state)).toEqual(expect.arrayContaining(['open', 'half_open', 'closed']));
    expect(listener.told[0]).toMatchObject({ state: 'open', nextAttemptAt: expect.stringMatching(/^20.+Z$/) });
    expect(listener.told.at(-1)).toMatchObject({ nextAttemptAt: null });
    await listener.close();
    expect(await readMetric(processor.port, /^faceflow_breaker_transitions_total{state="closed"} (\d)$/m)).toBe(1);
    await processor.stop();
    expect((await stats()).processing).toMatchObject({ state: 'stopped', processors: 0 });
  });
});

/** What is told of breakers from now on. */
async function listen(): Promise<{
  told: { state: string; nextAttemptAt: string | null }[];
  close: () => Promise<void>;
}> {
  const ending = new AbortController();
  const events = openEvents({ url: natsUrl(), stream: names.EVENTS_STREAM ?? '', log: pino({ level: 'silent' }) });
  const told: { state: string; nextAttemptAt: string | null }[] = [];
  let hasBegun = false;
  const reading = (async () => {
    for await (const { event } of events.read({ signal: ending.signal })) {
      hasBegun = true;
      if (event.kind === 'processor.breaker') told.push(event);
    }
  })();
  await waitFor('the place where reading begins', () => hasBegun);
  const close = async () => {
    ending.abort();
    await reading;
    await events.close();
  };
  return { told, close };
}

test('rows of processors that have died are not counted, and removed in the end', async () => {
  const insert = (id: string, age: number, state = 'open') => {
    const times =
      state === 'open'
        ? { unavailableForMs: 0, nextAttemptInMs: 0 }
        : { unavailableForMs: null, nextAttemptInMs: null };
    return db.query(
      `INSERT INTO replicas (id, service, name, details, seen_at)
       VALUES (?, 'processor', 'host/1', ?, NOW(3) - INTERVAL ? SECOND)`,
      [id, JSON.stringify({ breaker: { state, ...times } }), age],
    );
  };
  await insert('silent', 40);
  await insert('dead', 4_000);
  await db.query(
    "INSERT INTO processors (id, breaker, seen_at) VALUES ('dead before', 'closed', NOW(3) - INTERVAL 2 HOUR)",
  );
  expect((await stats()).processing).toEqual({
    ...{ state: 'stopped', processors: 0, paused: 0, unavailableSince: null, nextAttemptAt: null },
    ...{ nextAttemptInSeconds: null, message: 'No processor is running.' },
  });
  await insert('open', 0);
  expect((await stats()).processing).toMatchObject({ state: 'paused', processors: 1, paused: 1 });
  await insert('other', 0, 'closed');
  const { processing } = await stats();
  expect(processing).toMatchObject({ state: 'running', processors: 2, paused: 1 });
  expect(processing.message).toMatch(/^1 of 2 processors paused: recognizer unavailable since/);
  // The job that tidies up runs when somebody begins to lead.
  await receiver.stop();
  receiver = await startReceiver();
  await waitFor('the dead one to be removed', async () => {
    const [rows] = await db.query<Row[]>(
      "SELECT id FROM replicas WHERE service = 'processor' UNION ALL SELECT id FROM processors ORDER BY id",
    );
    return rows.map((row) => row.id).join() === 'open,other,silent';
  });
});
