import { setTimeout as sleep } from 'node:timers/promises';
import { messageOf } from '../lib/errors.ts';
import type { ImageQueue } from '../lib/image-queue.ts';
import { WORK_KINDS, type WorkKind } from '../lib/image-stream.ts';
import type { Log } from '../lib/log.ts';
import type { Outbox } from '../lib/outbox.ts';
import { publish } from './submit-paths.ts';

export interface PublishOptions {
  readonly outboxes: Readonly<Record<WorkKind, Outbox>>;
  readonly queue: Pick<ImageQueue, 'enqueue' | 'oldestWaiting'>;
  readonly log: Log;
  readonly signal: AbortSignal;
}

const EVERY_MS = 2_000;
/** Younger rows are most likely being published by the request that made them. */
const MIN_AGE_MS = 5_000;
const BATCH = 1_000;
const LOOK_FOR_LOST_EVERY_MS = 15_000;
/** Longer than any image is in flight: eight tries with a minute's delay. It also forgives clocks that disagree. */
const LOST_AFTER_MS = 15 * 60_000;

/**
 * Publishes what was accepted but never taken by the queue (NATS was away, or the receiver died in between), and what
 * the queue took and lost (its disk is new, a server was killed). Runs until `signal` is aborted. Several receivers may do
 * so at once: publishing an id twice is harmless.
 */
export async function publishPending(options: PublishOptions): Promise<void> {
  const { log, signal } = options;
  let failing = false;
  let lookedForLostAt = Date.now();
  while (!signal.aborted) {
    try {
      if (Date.now() - lookedForLostAt > LOOK_FOR_LOST_EVERY_MS) {
        await releaseLost(options);
        lookedForLostAt = Date.now();
      }
      const published = [await publishBatch('identify', options), await publishBatch('enrol', options)];
      if (published.includes(BATCH)) continue;
      failing = false;
    } catch (error) {
      if (!failing) log.warn({ err: error }, `what waits cannot be published: ${messageOf(error)}`);
      failing = true;
    }
    await sleep(EVERY_MS, undefined, { signal }).catch(() => undefined);
  }
}

const KIND_NAMES = { identify: 'images', enrol: 'enrolments' } as const;

async function publishBatch(kind: WorkKind, { outboxes, queue, log }: PublishOptions): Promise<number> {
  const outbox = outboxes[kind];
  const waiting = await outbox.listNotEnqueued({ minAgeMs: MIN_AGE_MS, limit: BATCH });
  const published = await publish(waiting, { outbox, kind, queue, log });
  if (published > 0) log.info({ published }, `published ${KIND_NAMES[kind]} that had been waiting for the queue`);
  return published;
}

/** The queue hands out in order: what is pending and much older than the next one to be handed out is not in it. */
async function releaseLost({ outboxes, queue, log }: PublishOptions): Promise<void> {
  const oldest = await queue.oldestWaiting();
  for (const kind of WORK_KINDS) {
    const released = await outboxes[kind].releaseEnqueued(new Date(oldest.getTime() - LOST_AFTER_MS));
    if (released > 0) log.warn({ released }, `the queue has lost ${KIND_NAMES[kind]}: they are published again`);
  }
}
