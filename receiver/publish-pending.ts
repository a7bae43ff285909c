import { setTimeout as sleep } from 'node:timers/promises';
import { messageOf } from '../lib/errors.ts';
import type { ImageQueue } from '../lib/image-queue.ts';
import type { Images } from '../lib/images.ts';
import type { Log } from '../lib/log.ts';
import { enqueue } from './submit-paths.ts';

export interface PublishOptions {
  readonly images: Pick<Images, 'listNotEnqueued' | 'markEnqueued'>;
  readonly queue: Pick<ImageQueue, 'enqueue'>;
  readonly log: Log;
  readonly signal: AbortSignal;
}

const EVERY_MS = 2_000;
/** Younger rows are most likely being published by the request that made them. */
const MIN_AGE_MS = 5_000;
const BATCH = 1_000;

/**
 * Publishes what was accepted but never taken by the queue: NATS was away, or the receiver died in between. Runs until
 * `signal` is aborted. Several receivers may do so at once: publishing an id twice is harmless.
 */
export async function publishPending(options: PublishOptions): Promise<void> {
  const { images, log, signal } = options;
  let failing = false;
  while (!signal.aborted) {
    try {
      const ids = await images.listNotEnqueued({ minAgeMs: MIN_AGE_MS, limit: BATCH });
      const waiting = ids.map((id) => ({ id, status: 'pending' as const, enqueued: false }));
      const published = await enqueue(waiting, options);
      if (published > 0) log.info({ published }, 'published images that had been waiting for the queue');
      failing = false;
      if (published === BATCH) continue;
    } catch (error) {
      if (!failing) log.warn({ err: error }, `waiting images cannot be published: ${messageOf(error)}`);
      failing = true;
    }
    await sleep(EVERY_MS, undefined, { signal }).catch(() => undefined);
  }
}
