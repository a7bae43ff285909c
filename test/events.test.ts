import { mkdtemp, rm } from 'node:fs/promises';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { jetstreamManager } from '@nats-io/jetstream';
import { pino } from 'pino';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { type Database, openDatabase } from '../lib/database.ts';
import { type Events, openEvents } from '../lib/events.ts';
import { claimJobs } from '../lib/jobs.ts';
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

let database: TestDatabase;
let db: Database;
let folder: string;
let stream: string;
let events: Events;
let receiver: RunningService;
let running: RunningService[];
let clients: AbortController[];

beforeAll(async () => {
  database = await createDatabase();
  db = openDatabase(database.url);
  folder = await mkdtemp(join(tmpdir(), 'faceflow-events-'));
});

afterAll(async () => {
  await db.close();
  await database.drop();
  await rm(folder, { recursive: true });
});

beforeEach(async () => {
  stream = createStreamName();
  running = [];
  clients = [];
  events = openEvents({ url: natsUrl(), stream, log: pino({ level: 'silent' }) });
  receiver = await startReceiver(natsUrl());
});

afterEach(async () => {
  for (const client of clients) client.abort();
  await events.close();
  await Promise.all(running.map((service) => service.stop()));
});

async function startReceiver(nats: string): Promise<RunningService> {
  const service = await startService('receiver', {
    ...{ MYSQL_URL: database.url, NATS_URL: nats, IMAGES_STREAM: createStreamName(), EVENTS_STREAM: stream },
    ...{ IMAGE_ROOTS: folder, LOG_LEVEL: 'debug' },
  });
  running.push(service);
  return service;
}

interface Client {
  readonly blocks: { id?: string; event?: string; data?: string }[];
  readonly headers: Headers;
  /** The id to go on after. */
  lastId(): string;
  close(): void;
  readonly ended: Promise<void>;
}

/** Reads `GET /v1/events` as a browser does. */
async function listen(port: number, headers: Record<string, string> = {}): Promise<Client> {
  const ending = new AbortController();
  clients.push(ending);
  const response = await fetch(`http://127.0.0.1:${port}/v1/events`, { headers, signal: ending.signal });
  expect(response.status).toBe(200);
  const blocks: Client['blocks'] = [];
  const read = async () => {
    let text = '';
    for await (const chunk of response.body ?? []) {
      const parts = (text + Buffer.from(chunk).toString()).split('\n\n');
      text = parts.pop() ?? '';
      for (const part of parts.filter((one) => !one.startsWith(':'))) {
        blocks.push(Object.fromEntries(part.split('\n').map((line) => line.split(/: (.*)/, 2))));
      }
    }
  };
  const client: Client = {
    blocks,
    headers: response.headers,
    lastId: () => blocks.at(-1)?.id ?? '',
    close: () => ending.abort(),
    ended: read().catch(() => undefined),
  };
  await waitFor('the place where reading begins', () => blocks.length > 0);
  return client;
}

const toldOf = (client: Client) => client.blocks.flatMap((block) => (block.data ? JSON.parse(block.data).imageId : []));
const publish = (...ids: number[]) => {
  for (const imageId of ids) events.publish({ kind: 'image.accepted', imageId });
};
const until = (client: Client, imageId: number) => waitFor('an event', () => toldOf(client).includes(imageId));
/** What is told while there is no connection is lost; the tests want all of theirs. */
async function untilConnected(told = events): Promise<void> {
  const enough = new AbortController();
  for await (const _ of told.read({ signal: enough.signal })) enough.abort();
}

test('an event is told as it happens, and the stream goes on after any id without gap or repeat', async () => {
  await untilConnected();
  const first = await listen(receiver.port);
  expect(first.headers.get('content-type')).toBe('text/event-stream; charset=utf-8');
  publish(1, 2, 3);
  await until(first, 3);
  const [start, one] = first.blocks;
  expect(start).toEqual({ id: expect.any(String) });
  expect(one).toMatchObject({ event: 'image.accepted' });
  expect(JSON.parse(one?.data ?? '')).toEqual({ imageId: 1, at: expect.stringMatching(/^2.*Z$/) });
  first.close();

  publish(4, 5);
  const second = await listen(receiver.port, { 'last-event-id': first.lastId() });
  publish(6);
  await until(second, 6);
  expect(toldOf(second)).toEqual([4, 5, 6]);
  const third = await listen(receiver.port, { 'last-event-id': start?.id ?? '' });
  await until(third, 6);
  expect(toldOf(third)).toEqual([1, 2, 3, 4, 5, 6]);
  expect(third.blocks.map((block) => block.event)).not.toContain('reset');
});

test('receivers are killed and stopped, and clients go on at the next one: no gap, no repeat, while events go on', async () => {
  await untilConnected();
  let told = 0;
  const telling = setInterval(() => publish(++told), 5);
  const heard: number[] = [];
  const goOn = async (port: number, lastId: string | undefined): Promise<Client> => {
    const client = await listen(port, lastId === undefined ? {} : { 'last-event-id': lastId });
    const enough = toldOf(client).length;
    await waitFor('some events', () => toldOf(client).length > enough + 5);
    return client;
  };
  let client = await goOn(receiver.port, undefined);
  for (const ending of ['SIGKILL', 'SIGTERM'] as const) {
    receiver.kill(ending);
    await Promise.all([receiver.exited, client.ended]);
    heard.push(...toldOf(client));
    receiver = await startReceiver(natsUrl());
    client = await goOn(receiver.port, client.lastId());
    expect(client.blocks.map((block) => block.event)).not.toContain('reset');
  }
  clearInterval(telling);
  await until(client, told);
  heard.push(...toldOf(client));
  const first = heard[0] ?? 0;
  expect(heard).toEqual(Array.from({ length: told - first + 1 }, (_, n) => first + n));
});

test('an id that the stream has no more of is answered with reset first, and so is one of another stream', async () => {
  await untilConnected();
  const first = await listen(receiver.port);
  publish(1, 2, 3, 4);
  await until(first, 4);
  const [start] = first.blocks;
  const connection = await connectNats(natsUrl());
  const manager = await jetstreamManager(connection);
  await manager.streams.purge(stream, { keep: 1 });
  await connection.close();
  for (const lastId of [start?.id ?? '', '1', String(Number(first.lastId()) + 999)]) {
    const late = await listen(receiver.port, { 'last-event-id': lastId });
    publish(5);
    await until(late, 5);
    expect(late.blocks[0]).toMatchObject({ event: 'reset', id: expect.any(String) });
    expect(toldOf(late).filter((id) => id !== undefined)).toEqual([5]);
    late.close();
  }
  const bad = await fetch(`http://127.0.0.1:${receiver.port}/v1/events`, { headers: { 'last-event-id': 'x' } });
  expect(bad.status).toBe(400);
});

test('an id of a stream that was lost is answered with reset, however many events there are in the new one', async () => {
  await untilConnected();
  const first = await listen(receiver.port);
  publish(1, 2);
  await until(first, 2);
  first.close();
  const connection = await connectNats(natsUrl());
  await (await jetstreamManager(connection)).streams.delete(stream);
  await connection.close();
  // Whoever connects makes it anew.
  const anew = openEvents({ url: natsUrl(), stream, log: pino({ level: 'silent' }) });
  await untilConnected(anew);
  publish(3, 4, 5, 6, 7);
  const late = await listen(receiver.port, { 'last-event-id': first.lastId() });
  publish(8);
  await until(late, 8);
  expect(late.blocks[0]).toMatchObject({ event: 'reset' });
  await anew.close();
});

test('a posted photo is told; many listen at once, each by itself', async () => {
  const all = await Promise.all(Array.from({ length: 40 }, () => listen(receiver.port)));
  const answer = await fetch(`http://127.0.0.1:${receiver.port}/image/post`, {
    method: 'POST',
    body: JSON.stringify({ path: `${stream}.jpg` }),
  });
  const { id } = (await answer.json()) as { id: number };
  for (const client of all) await until(client, id);
  expect(all.map(toldOf)).toEqual(all.map(() => [id]));
});

test('through the frontend nothing is held back, and who leaves the page leaves the receiver', async () => {
  const frontend = await startService('frontend', { RECEIVER_URL: `http://127.0.0.1:${receiver.port}` });
  running.push(frontend);
  await untilConnected();
  const client = await listen(frontend.port);
  expect(client.headers.get('x-content-type-options')).toBe('nosniff');
  publish(7);
  await until(client, 7);
  const consumers = async () => {
    const connection = await connectNats(natsUrl());
    const info = await (await jetstreamManager(connection)).streams.info(stream);
    await connection.close();
    return info.state.consumer_count;
  };
  expect(await consumers()).toBe(1);
  client.close();
  await waitFor('the consumer to be gone', async () => (await consumers()) === 0);
});

test('a receiver that stops ends the streams; NATS that goes and comes back does not', async () => {
  const data = await mkdtemp(join(tmpdir(), 'faceflow-events-nats-'));
  let nats = await startNatsServer(data);
  const own = await startReceiver(nats.natsUrl);
  const teller = openEvents({ url: nats.natsUrl, stream, log: pino({ level: 'silent' }) });
  const tell = (imageId: number) => teller.publish({ kind: 'image.deleted', imageId });
  await untilConnected(teller);
  const client = await listen(own.port);
  tell(1);
  await until(client, 1);
  await nats.stop();
  tell(2);
  nats = await startNatsServer(data);
  await untilConnected(teller);
  tell(3);
  await until(client, 3);
  expect(toldOf(client)).toEqual([1, 3]);

  expect(await own.stop()).toMatchObject({ code: 0 });
  await client.ended;
  await teller.close();
  await nats.stop();
  await rm(data, { recursive: true });
});

test('a client that takes nothing is dropped; the others go on', async () => {
  await untilConnected();
  const slow: Socket = connect(receiver.port, '127.0.0.1');
  slow.pause();
  slow.write('GET /v1/events?lastEventId=0 HTTP/1.1\r\nhost: x\r\n\r\n');
  let dropped = false;
  slow.on('close', () => {
    dropped = true;
  });
  slow.on('error', () => {});
  const quick = await listen(receiver.port);
  // More than the sockets of both sides hold.
  const connection = await connectNats(natsUrl());
  for (let imageId = 0; imageId < 400; imageId++) {
    const event = { kind: 'image.accepted', imageId, padding: 'x'.repeat(50_000) };
    connection.publish(`${stream.toLowerCase()}.image.accepted`, JSON.stringify(event));
    if (imageId % 50 === 49) await until(quick, imageId);
  }
  await connection.close();
  await waitFor('the receiver to drop it', async () => receiver.log().includes('takes nothing'));
  slow.resume();
  await waitFor('its end', () => dropped);
  publish(1_000_000);
  await until(quick, 1_000_000);
});

test('a stream that a version before has made takes what is told since', async () => {
  const connection = await connectNats(natsUrl());
  const manager = await jetstreamManager(connection);
  const older = createStreamName();
  const prefix = older.toLowerCase();
  await manager.streams.add({ name: older, subjects: [`${prefix}.image.*`, `${prefix}.later.*`] });
  const upgraded = openEvents({ url: natsUrl(), stream: older, log: pino({ level: 'silent' }) });
  await untilConnected(upgraded);
  upgraded.publish({ kind: 'processor.breaker', state: 'open', nextAttemptAt: null });
  await waitFor('the event', async () => (await manager.streams.info(older)).state.messages === 1);
  // What a version after this one tells goes on.
  expect((await manager.streams.info(older)).config.subjects).toContain(`${prefix}.later.*`);
  await upgraded.close();
  await manager.streams.delete(older);
  await connection.close();
});

test('GET /v1/jobs shows how far each job is', async () => {
  await claimJobs(db, 1, ['rematch']);
  const answer = await fetch(`http://127.0.0.1:${receiver.port}/v1/jobs`);
  // The receiver has jobs of its own.
  const { jobs } = (await answer.json()) as { jobs: { name: string }[] };
  expect(jobs.filter((job) => job.name === 'rematch')).toEqual([
    { name: 'rematch', done: 0, total: 0, startedAt: null, finishedAt: null, updatedAt: expect.stringMatching(/Z$/) },
  ]);
});
