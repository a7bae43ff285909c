import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createConnection, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { jetstream } from '@nats-io/jetstream';
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { chooseFreePort } from '../cli/free-port.ts';
import { startPrivateServers } from '../cli/servers/private-servers.ts';
import { type Database, openDatabase } from '../lib/database.ts';
import { type ImageQueue, openImageQueue } from '../lib/image-queue.ts';
import { type Images, openImages } from '../lib/images.ts';
import { migrate } from '../sql/migrate.ts';
import { connectNats } from './connect-nats.ts';
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
  startNatsServer,
  startService,
  type TestDatabase,
  testCacheFolder,
} from './servers.ts';
import { waitFor } from './wait-for.ts';

let database: TestDatabase;
let db: Database;
let images: Images;
let stream: string;
let queue: ImageQueue;
let recognizer: MisbehavingRecognizer;
let running: RunningService[];

beforeEach(async () => {
  database = await createDatabase();
  db = openDatabase(database.url);
  images = openImages(db);
  stream = createStreamName();
  queue = await openQueue(natsUrl());
  recognizer = await startMisbehavingRecognizer();
  running = [];
});

afterEach(async () => {
  await Promise.all(running.map((service) => service.stop()));
  await queue.close();
  recognizer.stop();
  await db.close();
  await database.drop();
});

async function openQueue(url: string): Promise<ImageQueue> {
  const opened = openImageQueue({ url, stream, consumer: 'processor', log: pino({ level: 'silent' }) });
  await waitFor('the queue', () =>
    opened.ping().then(
      () => true,
      () => false,
    ),
  );
  return opened;
}

async function startProcessor(env: Record<string, string> = {}): Promise<RunningService> {
  const service = await startService('processor', {
    ...{ MYSQL_URL: database.url, NATS_URL: natsUrl(), IMAGES_STREAM: stream, RECOGNIZER_ADDRESS: recognizer.address },
    // The recognizer is this process, which may get no turn for a while.
    ...{ LOG_LEVEL: 'debug', RECOGNIZER_TIMEOUT_MS: '20000', ...env },
  });
  running.push(service);
  return service;
}

async function submit(...paths: string[]): Promise<number[]> {
  const ids = (await images.addImages(paths)).map((image) => image.id);
  expect(await queue.enqueue(ids)).toHaveLength(ids.length);
  await images.markEnqueued(ids);
  return ids;
}

const countPending = async () => (await images.countByStatus()).pending;
const allDone = () => waitFor('every image to end', async () => (await countPending()) === 0, 120_000);
const queueEmpty = () =>
  waitFor('an empty queue', async () => {
    const { pending, inFlight } = await queue.backlog();
    return pending + inFlight === 0;
  });

describe('answers', () => {
  test('a server that only answers image_name is resolved as in the reference system', async () => {
    await db.query("insert into person (name) values ('Hannibal')");
    await db.query("insert into person_images (image_name, person_id) values ('hannibal_1.jpg', 1)");
    recognizer.answer = (path) => ({ ...NOBODY, imageName: path === 'unknown.jpg' ? 'hannibal_1.jpg' : 'not_found' });
    await startProcessor();
    const [known = 0, stranger = 0] = await submit('unknown.jpg', 'stranger.jpg');
    await allDone();
    expect(await images.findImage(known)).toMatchObject({ status: 'matched', person: { name: 'Hannibal' } });
    expect(await images.findImage(stranger)).toMatchObject({ status: 'unknown', person: null });
    await queueEmpty();
  });

  test('an error about the picture is its outcome, at once, and no fault of the recognizer', async () => {
    const paths = Array.from({ length: 12 }, (_, n) => `broken-${n}.jpg`);
    recognizer.answer = () => {
      throw grpcError(status.INVALID_ARGUMENT, 'The file is no picture.', 'image_unreadable');
    };
    const processor = await startProcessor();
    const [id = 0] = await submit(...paths);
    await allDone();
    expect(await images.findImage(id)).toMatchObject({
      status: 'unreadable',
      reason: { code: 'image_unreadable', message: 'The file is no picture.' },
    });
    expect(recognizer.calls).toHaveLength(paths.length);
    expect(processor.log()).not.toContain('unavailable');
  });

  test('what goes wrong for a moment is tried again; what goes on, ends failed with the reason', async () => {
    recognizer.answer = (path, call) => {
      if (path === 'moment.jpg' && call > 2) return NOBODY;
      throw grpcError(status.INTERNAL, 'the worker died');
    };
    await startProcessor({ MAX_DELIVERIES: '3', PROCESSOR_CONCURRENCY: '1' });
    const [moment = 0] = await submit('moment.jpg');
    await allDone();
    expect(await images.findImage(moment)).toMatchObject({ status: 'unknown' });
    expect(recognizer.calls).toEqual(['moment.jpg', 'moment.jpg', 'moment.jpg']);

    const [always = 0] = await submit('always.jpg');
    await allDone();
    const failed = await images.findImage(always);
    expect(failed).toMatchObject({ status: 'failed', reason: { code: 'too_many_tries' } });
    expect(failed?.reason?.message).toContain('the worker died');
    expect(recognizer.calls.filter((path) => path === 'always.jpg')).toHaveLength(3);
    await queueEmpty();
  });

  test('a recognizer that hangs is given up at the deadline', async () => {
    recognizer.answer = (_path, call) => (call === 1 ? new Promise(() => {}) : NOBODY);
    await startProcessor({ RECOGNIZER_TIMEOUT_MS: '2000' });
    await submit('hangs.jpg');
    await allDone();
    expect(recognizer.calls).toHaveLength(2);
  });

  test('a recognizer without room is waited for, and that uses up no try', async () => {
    recognizer.answer = (_path, call) => {
      if (call <= 6) throw grpcError(status.RESOURCE_EXHAUSTED, 'full');
      return NOBODY;
    };
    const processor = await startProcessor({ MAX_DELIVERIES: '1', PROCESSOR_CONCURRENCY: '1' });
    const [id = 0] = await submit('patient.jpg');
    await allDone();
    expect(await images.findImage(id)).toMatchObject({ status: 'unknown' });
    expect(processor.log()).not.toContain('unavailable');
  });
});

describe('messages', () => {
  test('a message that comes twice, or whose row is gone, or that is no id, harms nothing', async () => {
    const [kept = 0, gone = 0] = await submit('kept.jpg', 'gone.jpg');
    await db.query('DELETE FROM images WHERE id = ?', [gone]);
    const connection = await connectNats(natsUrl());
    const client = jetstream(connection);
    for (const body of [String(kept), String(kept), 'nonsense', '']) {
      await client.publish(`${stream.toLowerCase()}.identify`, body);
    }
    const processor = await startProcessor();
    await allDone();
    await queueEmpty();
    expect(new Set(recognizer.calls)).toEqual(new Set(['kept.jpg']));
    await processor.stop();
    // All of its log has come by now.
    expect(processor.log().split('"msg":"done"')).toHaveLength(2);
    await connection.close();
  });

  test('an id enqueued twice is handed out once', async () => {
    const [id = 0] = await submit('twice.jpg');
    await queue.enqueue([id, id]);
    expect(await queue.backlog()).toEqual({ pending: 1, inFlight: 0 });
  });

  test('somebody who opens the queue meanwhile takes nothing away from those at work', async () => {
    await submit(...Array.from({ length: 10 }, (_, n) => `held-${n}.jpg`));
    const never = new AbortController().signal;
    const leases = [await queue.next(never), await queue.next(never), await queue.next(never)];
    leases[0]?.done();
    const other = await openQueue(natsUrl());
    await expect.poll(() => other.backlog()).toEqual({ pending: 7, inFlight: 2 });
    leases[1]?.retryIn(0);
    leases[2]?.retryIn(0);
    await other.close();
    await startProcessor();
    await queueEmpty();
    expect(recognizer.calls).toHaveLength(9);
  });

  test('work that outlasts the lease is not given to somebody else', async () => {
    recognizer.answer = async () => {
      await sleep(33_000);
      return NOBODY;
    };
    await startProcessor({ RECOGNIZER_TIMEOUT_MS: '60000' });
    await startProcessor({ RECOGNIZER_TIMEOUT_MS: '60000' });
    await submit('long.jpg');
    await waitFor('the image to end', async () => (await countPending()) === 0, 180_000);
    expect(recognizer.calls).toEqual(['long.jpg']);
  });

  test('several processors share the work, also one that joins half-way; none is done twice', async () => {
    let arrive = () => {};
    const arrived = new Promise<void>((resolve) => {
      arrive = resolve;
    });
    recognizer.answer = async (_path, call) => {
      // However long the late one takes to start, it finds something to do.
      await (call > 240 ? arrived : sleep(100));
      await sleep(20);
      return NOBODY;
    };
    const slow = { PROCESSOR_CONCURRENCY: '4', RECOGNIZER_TIMEOUT_MS: '120000' };
    const first = [await startProcessor(slow), await startProcessor(slow)];
    await submit(...Array.from({ length: 600 }, (_, n) => `shared-${n}.jpg`));
    await waitFor('half of it', () => recognizer.calls.length > 200);
    const late = await startProcessor(slow);
    arrive();
    await allDone();
    expect(recognizer.calls).toHaveLength(600);
    const shares = () => [...first, late].map((service) => service.log().split('"msg":"done"').length - 1);
    await expect.poll(() => shares().reduce((sum, share) => sum + share)).toBe(600);
    for (const share of shares()) expect(share).toBeGreaterThan(40);
  });
});

describe('when something dies', () => {
  test('the recognizer: the breaker opens, nothing more is pulled, nothing fails, and all is done when it is back', async () => {
    const port = Number(recognizer.address.split(':')[1]);
    const processor = await startProcessor({ MAX_DELIVERIES: '2', PROCESSOR_CONCURRENCY: '2' });
    recognizer.stop();
    await submit(...Array.from({ length: 30 }, (_, n) => `outage-${n}.jpg`));
    await waitFor('the breaker to open', () => processor.log().includes('nothing is pulled until it answers again'));
    const waiting = async () => (await queue.backlog()).pending;
    const before = await waiting();
    expect(before).toBeGreaterThan(15);
    await sleep(12_000);
    expect(await waiting()).toBeGreaterThanOrEqual(before);
    expect(await images.countByStatus()).toMatchObject({ pending: 30, failed: 0 });
    recognizer = await startMisbehavingRecognizer(() => NOBODY, port);
    await allDone();
    expect(await images.countByStatus()).toMatchObject({ unknown: 30, failed: 0 });
    await waitFor('the breaker to close', () => processor.log().includes('the recognizer answers again'));
  });

  test('the processor, killed: somebody else finishes its work', async () => {
    recognizer.answer = () => new Promise(() => {});
    const victim = await startProcessor({ RECOGNIZER_TIMEOUT_MS: '60000' });
    await submit('orphan.jpg');
    await waitFor('the call', () => recognizer.calls.length === 1);
    victim.kill('SIGKILL');
    recognizer.answer = () => NOBODY;
    await startProcessor();
    await waitFor('the lease to run out', async () => (await countPending()) === 0, 180_000);
  });

  test('the processor, asked to stop: it finishes what is in hand, takes nothing more, and exits with 0', async () => {
    recognizer.answer = async () => {
      await sleep(1_000);
      return NOBODY;
    };
    const processor = await startProcessor({ PROCESSOR_CONCURRENCY: '2' });
    await submit('a.jpg', 'b.jpg', 'c.jpg', 'd.jpg');
    await waitFor('two calls', () => recognizer.calls.length === 2);
    expect(await processor.stop()).toMatchObject({ code: 0 });
    expect(await images.countByStatus()).toMatchObject({ unknown: 2, pending: 2 });
    expect(await queue.backlog()).toEqual({ pending: 2, inFlight: 0 });
  });

  test('NATS and the database, killed: what was accepted is done when they are back', async () => {
    const dataFolder = await mkdtemp(join(tmpdir(), 'faceflow-killed-'));
    const servers = await startPrivateServers({
      ...{ dataFolder, cacheFolder: testCacheFolder(), mysqlUrl: undefined, natsUrl: undefined },
      ...{ report: () => {}, watch: () => ({ onLine: () => {}, onEvent: () => {} }) },
    });
    await migrate(servers.mysqlUrl);
    const own = { db: openDatabase(servers.mysqlUrl), queue: await openQueue(servers.natsUrl) };
    const ownImages = openImages(own.db);
    recognizer.answer = async () => {
      await sleep(50);
      return NOBODY;
    };
    await startProcessor({ MYSQL_URL: servers.mysqlUrl, NATS_URL: servers.natsUrl });
    const ids = (await ownImages.addImages(Array.from({ length: 150 }, (_, n) => `k-${n}.jpg`))).map(
      (image) => image.id,
    );
    expect(await own.queue.enqueue(ids)).toHaveLength(150);
    for (const server of servers.started) {
      const before = recognizer.calls.length;
      await waitFor('some work', () => recognizer.calls.length > before + 20);
      // supervise() starts it again, as the launcher does.
      if (server.pid !== null) process.kill(server.pid, 'SIGKILL');
    }
    const unfinished = async () => (await ownImages.countByStatus().catch(() => ({ pending: -1 }))).pending;
    await waitFor('every image to end', async () => (await unfinished()) === 0, 90_000);
    expect(await ownImages.countByStatus()).toMatchObject({ unknown: 150, failed: 0 });
    await running.pop()?.stop();
    await own.queue.close();
    await own.db.close();
    await servers.stop();
    await rm(dataFolder, { recursive: true });
  });
});

test('without NATS from the start it says so, once, and works as soon as NATS is there', async () => {
  const url = new URL(natsUrl());
  const real = Number(url.port);
  url.port = String(await chooseFreePort());
  const env = { NATS_URL: url.href, MYSQL_URL: database.url, RECOGNIZER_ADDRESS: recognizer.address };
  const processor = await startService('processor', { ...env, PROCESSOR_CONCURRENCY: '40' }, { ready: '/healthz' });
  running.push(processor);
  await waitFor('it to say so', () => processor.log().includes('no connection to NATS'));
  await sleep(3_500);
  expect(processor.log().split('no connection to NATS')).toHaveLength(2);
  // Many loops that wait are no leak, and nobody should be told so.
  expect(processor.log()).not.toContain('MaxListenersExceededWarning');
  const relay = createServer((socket) => {
    const onward = createConnection(real, '127.0.0.1');
    socket.pipe(onward).pipe(socket);
    for (const end of [socket, onward]) end.on('error', () => end.destroy());
  });
  await once(relay.listen(Number(url.port), '127.0.0.1'), 'listening');
  await waitFor('NATS to be noticed', () => processor.log().includes('NATS is there'));
  await waitFor('it to be ready', async () => (await fetch(`http://127.0.0.1:${processor.port}/readyz`)).ok);
  relay.close();
});

test('without NATS it stops as quickly as with it', async () => {
  const dataFolder = await mkdtemp(join(tmpdir(), 'faceflow-no-nats-'));
  const nats = await startNatsServer(dataFolder);
  const processor = await startProcessor({ NATS_URL: nats.natsUrl });
  await nats.stop();
  await waitFor('the loss to be noticed', () => processor.log().includes('NATS is gone'));
  const startedAt = Date.now();
  expect(await processor.stop()).toMatchObject({ code: 0 });
  expect(Date.now() - startedAt).toBeLessThan(5_000);
  await rm(dataFolder, { recursive: true });
});

test('its health says what is missing', async () => {
  const processor = await startProcessor();
  const ready = async () => (await fetch(`http://127.0.0.1:${processor.port}/readyz`)).status;
  expect(await ready()).toBe(200);
  await db.query('RENAME TABLE images TO images_gone');
  expect(await ready()).toBe(503);
  await db.query('RENAME TABLE images_gone TO images');
  expect(await ready()).toBe(200);
});
