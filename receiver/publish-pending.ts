import { setTimeout as sleep } from 'node:timers/promises';
import { messageOf } from '../lib/errors.ts';
import type { ImageQueue } from '../lib/image-queue.ts';
import type { Images } from '../lib/images.ts';
import type { Log } from '../lib/log.ts';
import { enqueue } from './submit-paths.ts';

export interface PublishOptions {
  readonly images: Pick<Images, 'listNotEnqueued' | 'markEnqueued' | 'releaseEnqueued'>;
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
      if ((await publishBatch(options)) === BATCH) continue;
      failing = false;
    } catch (error) {
      if (!failing) log.warn({ err: error }, `waiting images cannot be published: ${messageOf(error)}`);
      failing = true;
    }
    await sleep(EVERY_MS, undefined, { signal }).catch(() => undefined);
  }
}

async function publishBatch(options: PublishOptions): Promise<number> {
  const ids = await options.images.listNotEnqueued({ minAgeMs: MIN_AGE_MS, limit: BATCH });
  const waiting = ids.map((id) => ({ id, status: 'pending' as const, enqueued: false }));
  const published = await enqueue(waiting, options);
  if (published > 0) options.log.info({ published }, 'published images that had been waiting for the queue');
  return published;
}

/** The queue hands out in order: a pending image that is much older than the next one to be handed out is not in it. */
async function releaseLost({ images, queue, log }: PublishOptions): Promise<void> {
  const oldest = await queue.oldestWaiting();
  const released = await images.releaseEnqueued(new Date(oldest.getTime() - LOST_AFTER_MS));
  if (released > 0) log.warn({ released }, 'the queue has lost images: they are published again');
}
