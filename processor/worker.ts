import { setTimeout as sleep } from 'node:timers/promises';
import { messageOf } from '../lib/errors.ts';
import type { ImageQueue, Lease } from '../lib/image-queue.ts';
import type { Log } from '../lib/log.ts';

export interface WorkerOptions {
  readonly queue: Pick<ImageQueue, 'next'>;
  /** Resolves when work may be pulled. */
  readonly untilAvailable: (signal: AbortSignal) => Promise<void>;
  /** Ends the lease, whatever happens; does not throw. */
  readonly process: (lease: Lease) => Promise<void>;
  /** Images in hand at the same time. */
  readonly concurrency: number;
  readonly log: Log;
}

export interface Worker {
  /** Stops pulling, and resolves when what is in hand has been finished or handed back. */
  stop(): Promise<void>;
}

const RETRY_PULL_MS = 1_000;

/** Pulls images, one at a time in each of `concurrency` loops, until it is stopped. */
export function startWorker(options: WorkerOptions): Worker {
  const stopping = new AbortController();
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
    await options.untilAvailable(signal);
    if (signal.aborted) return;
    try {
      const lease = await queue.next(signal);
      if (lease !== null) await options.process(lease);
    } catch (error) {
      // The queue itself logs that NATS is gone, once.
      log.debug({ err: error }, `nothing could be pulled: ${messageOf(error)}`);
      await sleep(RETRY_PULL_MS, undefined, { signal }).catch(() => undefined);
    }
  }
}
