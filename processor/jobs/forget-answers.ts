import { setTimeout as sleep } from 'node:timers/promises';
import { forgetOldAnswers } from '../../lib/idempotency.ts';
import { saveJob } from '../../lib/jobs.ts';
import type { Job, JobContext } from '../../lib/run-jobs.ts';

const FORGET_ANSWERS = 'answers';
const LOOK_EVERY_MS = 5 * 60_000;
const PAGE = 1_000;

/** Forgets Idempotency-Keys, and the answers kept for them, a day after they were used first. */
export function createForgetAnswersJob(): Job {
  return {
    name: FORGET_ANSWERS,
    async run(context) {
      const { signal } = context;
      while (!signal.aborted) {
        await forgetAnswers(context);
        await sleep(LOOK_EVERY_MS, undefined, { signal }).catch(() => undefined);
      }
    },
  };
}

/** @returns how many were forgotten */
export async function forgetAnswers({ write, signal }: Pick<JobContext, 'write' | 'signal'>): Promise<number> {
  for (let forgotten = 0; ; ) {
    signal.throwIfAborted();
    const count = await write(async (connection) => {
      const some = await forgetOldAnswers(connection, PAGE);
      if (some > 0) {
        const done = forgotten + some;
        await saveJob(connection, FORGET_ANSWERS, { done, total: done, run: 'finished' });
      }
      return some;
    });
    forgotten += count;
    if (count < PAGE) return forgotten;
  }
}
