import { setTimeout as sleep } from 'node:timers/promises';
import { countMinutes, writeMinutes } from '../../lib/image-history.ts';
import { saveJob } from '../../lib/jobs.ts';
import type { Job } from '../../lib/run-jobs.ts';

export const HISTORY = 'history';

const EVERY_MS = 10_000;

/** Writes down how many images ended in each minute, how, and after how long: what /v1/stats/history tells. */
export function createHistoryJob({ everyMs = EVERY_MS } = {}): Job {
  return {
    name: HISTORY,
    async run({ db, write, signal }) {
      while (!signal.aborted) {
        const minutes = await countMinutes(db);
        await write(async (connection) => {
          await writeMinutes(connection, minutes);
          await saveJob(connection, HISTORY, { done: minutes.length, total: minutes.length, run: 'finished' });
        });
        await sleep(everyMs, undefined, { signal }).catch(() => undefined);
      }
    },
  };
}
