import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { PrivateServers } from '../cli/servers/private-servers.ts';
import { type ImageQueue, openImageQueue } from '../lib/image-queue.ts';
import { startNatsServer } from './servers.ts';
import { waitFor } from './wait-for.ts';

let folder: string;
let nats: PrivateServers;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'faceflow-queue-'));
  nats = await startNatsServer(folder);
});

afterEach(async () => {
  await nats.stop();
  await rm(folder, { recursive: true });
});

async function openQueue(): Promise<ImageQueue> {
  const queue = openImageQueue({
    ...{ url: nats.natsUrl, stream: 'IMAGES', consumer: 'processor', log: pino({ level: 'silent' }) },
  });
  await waitFor('the queue', () =>
    queue.enqueue([]).then(
      () => true,
      () => false,
    ),
  );
  return queue;
}

async function takeAll(queue: ImageQueue, count: number): Promise<number[]> {
  const taken: number[] = [];
  await waitFor(`${count} ids`, async () => {
    const lease = await queue.next(AbortSignal.timeout(1_000));
    if (lease !== null) taken.push(lease.id);
    lease?.done();
    return taken.length === count;
  });
  return taken;
}

test('a server that comes back with a stream whose numbers start again hands out what is new', async () => {
  const before = await openQueue();
  expect(await before.enqueue([1, 2, 3, 4, 5])).toHaveLength(5);
  expect(await takeAll(before, 5)).toEqual([1, 2, 3, 4, 5]);
  await before.close();
  await nats.stop();
  // What a full disk leaves of it: the consumer knows that five were handed out, the stream of no message at all.
  const streams = join(folder, 'nats/jetstream/jetstream/$G/streams/IMAGES');
  expect(await readdir(streams)).toEqual(expect.arrayContaining(['msgs', 'obs']));
  await rm(join(streams, 'msgs'), { recursive: true });

  nats = await startNatsServer(folder);
  const after = await openQueue();
  expect(await after.enqueue([6, 7])).toHaveLength(2);
  expect(await takeAll(after, 2)).toEqual([6, 7]);
  await after.close();
});
