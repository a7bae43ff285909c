import { setMaxListeners } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { messageOf } from '../lib/errors.ts';
import type { ImageQueue, Lease } from '../lib/image-queue.ts';
import type { Log } from '../lib/log.ts';

export interface WorkerOptions {
  readonly queue: Pick<ImageQueue, 'next'>;
  /** Resolves when a photo may be pulled; called back when that has ended, or there was none. */
  readonly admit: (signal: AbortSignal) => Promise<() => void>;
  /** Throws when outcomes cannot be written now. */
  readonly pingDatabase: () => Promise<void>;
  /** Ends the lease, whatever happens; false when the image was handed back. */
  readonly process: (lease: Lease) => Promise<boolean>;
  /** Images in hand at the same time. */
  readonly concurrency: number;
  readonly log: Log;
}

export interface Worker {
  /** Stops pulling, and resolves when what is in hand has been finished or handed back. */
  stop(): Promise<void>;
}

const RETRY_MS = 1_000;

/** Pulls images, one at a time in each of `concurrency` loops, until it is stopped. */
export function startWorker(options: WorkerOptions): Worker {
  const stopping = new AbortController();
  // Every loop listens while it waits: that is no leak.
  setMaxListeners(0, stopping.signal);
  const loops = Array.from({ length: options.concurrency }, () => pullUntilStopped(options, stopping.signal));
  return {
    async stop() {
      stopping.abort();
      await Promise.all(loops);
    },
  };
}

async function pullUntilStopped(options: WorkerOptions, signal: AbortSignal): Promise<void> {
  const { queue, log } = options;
  while (!signal.aborted) {
    const leave = await options.admit(signal);
    if (signal.aborted) return;
    try {
      const lease = await queue.next(signal);
      if (lease === null) continue;
      if (signal.aborted) {
        lease.retryIn(0);
        return;
      }
      const ended = await options.process(lease);
      // One image was handed back; without a database all the others would be, over and over.
      if (!ended) await untilDatabaseAnswers(options, signal);
    } catch (error) {
      // The queue itself logs that NATS is gone, once.
      log.debug({ err: error }, `nothing could be pulled: ${messageOf(error)}`);
      await pause(signal);
    } finally {
      leave();
    }
  }
}

async function untilDatabaseAnswers({ pingDatabase, log }: WorkerOptions, signal: AbortSignal): Promise<void> {
  for (let tries = 0; !signal.aborted; tries++) {
    try {
      return await pingDatabase();
    } catch (error) {
      if (tries === 0) log.error({ err: error }, `nothing is pulled until the database answers: ${messageOf(error)}`);
      await pause(signal);
    }
  }
}

/** Ends early when `signal` is aborted. */
async function pause(signal: AbortSignal): Promise<void> {
  await sleep(RETRY_MS, undefined, { signal }).catch(() => undefined);
}
