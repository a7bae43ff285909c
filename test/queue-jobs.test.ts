import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type JetStreamManager, jetstream, jetstreamManager } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/transport-node';
import { pino } from 'pino';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type Database, openDatabase, type Row } from '../lib/database.ts';
import { type ImageQueue, openImageQueue } from '../lib/image-queue.ts';
import { openImages } from '../lib/images.ts';
import { connectNats } from './connect-nats.ts';
import {
  createDatabase,
  createStreamName,
  natsUrl,
  type RunningService,
  startNatsServer,
  startService,
  type TestDatabase,
} from './servers.ts';
import { waitFor } from './wait-for.ts';

// The jobs of the leader among the receivers: sweep, retries, tidying up.

let database: TestDatabase;
let db: Database;
let folder: string;
let stream: string;
let running: RunningService[];

beforeEach(async () => {
  database = await createDatabase();
  db = openDatabase(database.url);
  folder = await mkdtemp(join(tmpdir(), 'faceflow-jobs-'));
  stream = createStreamName();
  running = [];
});

afterEach(async () => {
  await Promise.all(running.map((service) => service.stop()));
  await db.close();
  await database.drop();
  await rm(folder, { recursive: true });
});

async function startReceiver(env: Record<string, string> = {}): Promise<RunningService> {
  const service = await startService('receiver', {
    ...{ MYSQL_URL: database.url, NATS_URL: natsUrl(), IMAGES_STREAM: stream, EVENTS_STREAM: `${stream}_EVENTS` },
    ...{ IMAGE_ROOTS: folder, LOG_LEVEL: 'debug', LEADER_LEASE_MS: '2000', ...env },
  });
  running.push(service);
  return service;
}

const countLed = (service: RunningService) => service.log().split('"msg":"leading"').length - 1;

async function leads(service: RunningService): Promise<boolean> {
  const text = await (await fetch(`http://127.0.0.1:${service.port}/metrics`)).text();
  return text.includes('faceflow_leader{jobs="queue"} 1\n');
}

/** Two receivers: the one that leads, and the other. */
async function startTwo(): Promise<{ leader: RunningService; other: RunningService }> {
  const [first, second] = [await startReceiver(), await startReceiver()];
  return waitFor('one of them to lead', async () => {
    const [one, two] = [await leads(first), await leads(second)];
    if (one === two) return null;
    return one ? { leader: first, other: second } : { leader: second, other: first };
  });
}

/** Rows that a receiver has added and could not publish, long enough ago for the sweep. */
async function addWaiting(...paths: string[]): Promise<number[]> {
  const added = await openImages(db).addImages(paths);
  await db.query('UPDATE images SET created_at = created_at - INTERVAL 1 MINUTE');
  return added.map((image) => image.id);
}

async function countEnqueued(): Promise<number> {
  const [rows] = await db.query<Row[]>('SELECT COUNT(enqueued_at) AS count FROM images');
  return rows[0]?.count;
}

async function readFences(): Promise<number[]> {
  const [rows] = await db.query<Row[]>("SELECT fence FROM jobs WHERE name IN ('sweep', 'retry', 'tidy') ORDER BY name");
  return rows.map((row) => row.fence);
}

async function waiting(service: RunningService): Promise<number> {
  const response = await fetch(`http://127.0.0.1:${service.port}/v1/stats`);
  const { queue } = (await response.json()) as { queue: { pending: number } | null };
  return queue?.pending ?? -1;
}

describe('one receiver leads', () => {
  test('killed, another one sweeps and retries within ten seconds', async () => {
    const { leader, other } = await startTwo();
    await addWaiting('first.jpg');
    await waitFor('the sweep', async () => (await countEnqueued()) === 1);
    const [, failed = 0] = await addWaiting('first.jpg', 'failed.jpg', 'second.jpg');
    await db.query("UPDATE images SET status = 'failed', retry_at = NOW(3) + INTERVAL 1 SECOND WHERE id = ?", [failed]);
    leader.kill('SIGKILL');
    const killedAt = performance.now();
    await waitFor('the other to lead', () => leads(other));
    expect(performance.now() - killedAt).toBeLessThan(10_000);
    await waitFor('what waited, and what had failed', async () => (await countEnqueued()) === 3);
    await waitFor('all to be in the queue', async () => (await waiting(other)) === 3);
  });

  test('paused and overtaken, the old one writes nothing when it wakes up', async () => {
    const { leader, other } = await startTwo();
    await waitFor('the jobs to be claimed', async () => (await readFences()).length === 3);
    const before = await readFences();
    const led = countLed(leader);
    leader.kill('SIGSTOP');
    await waitFor('the other to lead', () => leads(other));
    await waitFor('its claim', async () => (await readFences()).every((fence, n) => fence > (before[n] ?? 0)));
    const claimed = await readFences();
    await addWaiting('a.jpg', 'b.jpg');
    await waitFor('the sweep', async () => (await countEnqueued()) === 2);
    const marks = async () => (await db.query<Row[]>('SELECT enqueued_at FROM images ORDER BY id'))[0];
    const swept = await marks();

    leader.kill('SIGCONT');
    await waitFor('the old one to notice', async () => leader.log().includes('not leading any more'));
    await addWaiting('a.jpg', 'b.jpg', 'c.jpg');
    await waitFor('the next sweep', async () => (await countEnqueued()) === 3);
    expect((await readFences()).every((fence, n) => fence >= (claimed[n] ?? 0))).toBe(true);
    expect((await marks()).slice(0, 2)).toEqual(swept);
    // Unless it has come to lead again, in good order: the machine may be too busy for leases of two seconds.
    const hasPublished = leader.log().includes('published images');
    expect(hasPublished && countLed(leader) === led).toBe(false);
    await waitFor('all to be in the queue', async () => (await waiting(other)) === 3);
  });
});

test('what was in the queue when its disk was lost is published again, at once', async () => {
  const servers = join(folder, 'servers');
  let nats = await startNatsServer(servers);
  const receiver = await startReceiver({ NATS_URL: nats.natsUrl });
  await waitFor('the stream to be known', async () => {
    const [rows] = await db.query<Row[]>("SELECT state FROM jobs WHERE name = 'sweep' AND state IS NOT NULL");
    return rows.length === 1;
  });
  const paths = ['a.jpg', 'b.jpg', 'c.jpg'].map((path) => ({ path }));
  await fetch(`http://127.0.0.1:${receiver.port}/images/post`, { method: 'POST', body: JSON.stringify({ paths }) });
  await waitFor('them to be enqueued', async () => (await countEnqueued()) === 3);
  expect(await waiting(receiver)).toBe(3);

  await nats.stop();
  await rm(join(servers, 'nats', 'jetstream'), { recursive: true });
  nats = await startNatsServer(servers);
  await waitFor('them to be published again', async () => (await waiting(receiver)) === 3, 60_000);
  await waitFor('the log to say so', () => receiver.log().includes('the queue has lost images'));
  await running.pop()?.stop();
  await nats.stop();
});

describe('tidying up', () => {
  let nats: NatsConnection;
  let manager: JetStreamManager;
  beforeAll(async () => {
    nats = await connectNats(natsUrl());
    manager = await jetstreamManager(nats);
  });
  afterAll(() => nats.close());

  const open = (consumer: string): ImageQueue =>
    openImageQueue({ url: natsUrl(), stream, consumer, log: pino({ level: 'silent' }) });
  const works = (queue: ImageQueue) =>
    queue.ping().then(
      () => true,
      () => false,
    );

  test('a consumer of an earlier name, which keeps ours from being made, goes when nobody uses it; no message does', async () => {
    const old = open('old');
    await waitFor('the queue', () => works(old));
    expect(await old.enqueue([1, 2, 3])).toEqual([1, 2, 3]);
    const renamed = open('renamed');
    const tidy = (idleMs: number) => renamed.tidy({ idleMs }).catch(() => null);
    // It has been there for less than an hour.
    expect(await waitFor('an answer', () => tidy(3_600_000))).toEqual({ consumers: [], messages: 0 });
    // Somebody waits for work.
    const stopping = new AbortController();
    for (let held = 0; held < 3; held++) expect(await old.next(stopping.signal)).not.toBeNull();
    const pulling = old.next(stopping.signal);
    await waitFor('one who waits', async () => (await manager.consumers.info(stream, 'old')).num_waiting === 1);
    expect(await tidy(0)).toMatchObject({ consumers: [] });
    expect(await works(renamed)).toBe(false);
    stopping.abort();
    await pulling;
    await old.close();
    await waitFor('it to be removed', async () => (await tidy(0))?.consumers.join() === 'old');
    await waitFor('the queue under its new name', () => works(renamed));
    expect(await renamed.backlog()).toEqual({ pending: 3, inFlight: 0 });
    await renamed.close();
  });

  test('acknowledged messages that a server has kept go, and nothing else', async () => {
    const queue = open('processor');
    await waitFor('the queue', () => works(queue));
    const signal = new AbortController().signal;
    await queue.enqueue([1, 2, 3]);
    const held = [await queue.next(signal), await queue.next(signal)];
    held[0]?.done();
    await waitFor('the acknowledgement', async () => (await queue.backlog()).inFlight === 1);
    expect(await queue.tidy({ idleMs: 3_600_000 })).toEqual({ consumers: [], messages: 0 });
    expect((await manager.streams.info(stream)).state.messages).toBe(2);
    held[1]?.done();
    await waitFor('the acknowledgement', async () => (await queue.backlog()).inFlight === 0);
    expect(await queue.backlog()).toEqual({ pending: 1, inFlight: 0 });
    await queue.close();
  });

  test('an id that was put back is no repeat; the same id twice is', async () => {
    const queue = open('processor');
    await waitFor('the queue', () => works(queue));
    await queue.enqueue([7]);
    await queue.enqueue([7], 'identify', new Map([[7, 0]]));
    expect((await queue.backlog()).pending).toBe(1);
    await queue.enqueue([7], 'identify', new Map([[7, 1]]));
    await queue.enqueue([7], 'identify', new Map([[7, 1]]));
    expect((await queue.backlog()).pending).toBe(2);
    // As the version before publishes it.
    const { duplicate } = await jetstream(nats).publish(`${stream.toLowerCase()}.identify`, '7', { msgID: 'image-7' });
    expect(duplicate).toBe(true);
    await queue.close();
  });
});
