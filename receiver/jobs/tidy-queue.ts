import { setTimeout as sleep } from 'node:timers/promises';
import type { ImageQueue } from '../../lib/image-queue.ts';
import { saveJob } from '../../lib/jobs.ts';
import { removeDeadReplicas } from '../../lib/replicas.ts';
import type { Job } from '../../lib/run-jobs.ts';

export const TIDY = 'tidy';

export interface TidyOptions {
  readonly queue: Pick<ImageQueue, 'tidy'>;
  /** A consumer of another name that nobody has used for so long is removed. */
  readonly idleMs?: number;
  readonly everyMs?: number;
}

const IDLE_MS = 10 * 60_000;
const EVERY_MS = 60_000;

/**
 * Removes what nobody will come back for: consumers that an earlier configuration has left in the work queue, messages that
 * a killed server has kept although they were acknowledged, rows of processes that have died.
 */
export function createTidyJob({ queue, idleMs = IDLE_MS, everyMs = EVERY_MS }: TidyOptions): Job {
  return {
    name: TIDY,
    async run({ write, log, signal }) {
      while (!signal.aborted) {
        await write(async (connection) => {
          const done = await removeDeadReplicas(connection);
          if (done > 0) await saveJob(connection, TIDY, { done, total: done, run: 'finished' });
        });
        const { consumers, messages } = await queue.tidy({ idleMs });
        if (consumers.length > 0) log.warn({ consumers }, 'consumers that nobody uses were removed from the queue');
        if (messages > 0)
          log.info({ messages }, 'messages that were acknowledged long ago were removed from the queue');
        await sleep(everyMs, undefined, { signal }).catch(() => undefined);
      }
    },
  };
}
