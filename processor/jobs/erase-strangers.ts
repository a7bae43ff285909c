import { setTimeout as sleep } from 'node:timers/promises';
import { recordAudit, systemActor } from '../../lib/audit.ts';
import { eraseStrangers, readOldStrangers } from '../../lib/erase-strangers.ts';
import { saveJob } from '../../lib/jobs.ts';
import type { Job, JobContext } from '../../lib/run-jobs.ts';

export const RETENTION = 'retention';

export interface RetentionOptions {
  /** Faces of strangers are kept so long after their image has ended; 0: for ever. */
  readonly days: number;
  /** The time, for tests. */
  readonly now?: () => Date;
}

const LOOK_EVERY_MS = 15 * 60_000;
const PAGE = 2_000;
const RETENTION_ACTOR = systemActor(RETENTION);
const DAY_MS = 24 * 60 * 60_000;

/**
 * Erases what is known of faces of strangers whose image ended longer ago than that. It looks at all unknown faces that
 * are left, so that one that was un-named late is found as well.
 */
export function createRetentionJob(options: RetentionOptions): Job {
  return {
    name: RETENTION,
    async run(context) {
      const { signal } = context;
      while (!signal.aborted) {
        if (options.days > 0) await eraseOldStrangers(options, context);
        await sleep(LOOK_EVERY_MS, undefined, { signal }).catch(() => undefined);
      }
    },
  };
}

/** @returns how many faces were erased */
export async function eraseOldStrangers(
  { days, now = () => new Date() }: RetentionOptions,
  { db, write, log, signal }: Pick<JobContext, 'db' | 'write' | 'log' | 'signal'>,
): Promise<number> {
  const before = new Date(now().getTime() - days * DAY_MS);
  let erased = 0;
  for (let after: number | null = 0; after !== null; ) {
    signal.throwIfAborted();
    const page = await readOldStrangers(db, { before, after, limit: PAGE });
    after = page.next;
    if (page.faceIds.length === 0) continue;
    erased += await write(async (connection) => {
      const count = await eraseStrangers(connection, page.faceIds);
      if (count > 0) {
        await recordAudit(connection, RETENTION_ACTOR, { action: 'faces.erased', details: { faces: count } });
      }
      await saveJob(connection, RETENTION, { done: erased + count, total: erased + count, run: 'finished' });
      return count;
    });
  }
  if (erased > 0) log.info({ faces: erased, before: before.toISOString() }, 'faces of strangers erased');
  return erased;
}
