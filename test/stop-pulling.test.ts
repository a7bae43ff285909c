import { setTimeout as sleep } from 'node:timers/promises';
import { pino } from 'pino';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type ImageQueue, openImageQueue } from '../lib/image-queue.ts';
import { startWorker } from '../processor/worker.ts';
import { createStreamName, natsUrl } from './servers.ts';
import { waitFor } from './wait-for.ts';

const log = pino({ level: 'silent' });
let stopping: ImageQueue;
let staying: ImageQueue;

beforeEach(async () => {
  const stream = createStreamName();
  const open = () => openImageQueue({ url: natsUrl(), stream, consumer: 'processor', log });
  [stopping, staying] = [open(), open()];
  for (const queue of [stopping, staying]) {
    await waitFor('the queue', () => queue.enqueue([]).catch(() => null));
  }
});

afterEach(async () => {
  await stopping.close();
  await staying.close();
});

test('what is handed to a worker just as it stops is handed back at once, not when its lease runs out', async () => {
  const ROUNDS = 12;
  const taken = new Set<number>();
  for (let round = 0; round < ROUNDS; round++) {
    const worker = startWorker({
      ...{ queue: stopping, log, concurrency: 4, admit: async () => () => {}, pingDatabase: async () => {} },
      process: async (lease) => {
        taken.add(lease.id);
        lease.done();
        return true;
      },
    });
    // So that the pulls are there, and ids meet the end at every moment that it has, also just after its beginning.
    await sleep(20);
    const publish = () => staying.enqueue([1, 2, 3, 4].map((n) => 4 * round + n));
    const before = round % 2 === 0 ? publish() : null;
    for (let turn = 0; turn < round; turn++) await new Promise(setImmediate);
    const stopped = worker.stop();
    expect(await (before ?? publish())).toHaveLength(4);
    await stopped;
  }
  // Those of the last round came after the stop; the others went to the workers of the rounds after theirs, at the latest.
  expect(taken.size).toBeLessThanOrEqual(4 * (ROUNDS - 1));
  // Less than the 30 s of a lease.
  const enough = AbortSignal.timeout(25_000);
  while (taken.size < 4 * ROUNDS && !enough.aborted) {
    const lease = await staying.next(enough);
    if (lease !== null) taken.add(lease.id);
    lease?.done();
  }
  expect(taken.size).toBe(4 * ROUNDS);
});
