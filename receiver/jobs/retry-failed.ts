import { setTimeout as sleep } from 'node:timers/promises';
import { Counter } from 'prom-client';
import type { Events } from '../../lib/events.ts';
import { saveJob } from '../../lib/jobs.ts';
import type { Metrics } from '../../lib/metrics.ts';
import type { WorkTable } from '../../lib/outbox.ts';
import { listDue, putBack } from '../../lib/retry.ts';
import type { Job, JobContext } from '../../lib/run-jobs.ts';

export const RETRY = 'retry';

export interface RetryOptions {
  readonly events: Pick<Events, 'publish'>;
  readonly metrics: Metrics;
}

const EVERY_MS = 2_000;
const BATCH = 500;

/**
 * Puts back what has failed, when the time has come that was written down with the failure (RETRY_SCHEDULE). The sweep
 * then publishes it.
 */
export function createRetryJob({ events, metrics }: RetryOptions): Job {
  const retried = new Counter({
    name: 'faceflow_scheduled_retries_total',
    help: 'Rows that had failed and were put back because their time had come.',
    labelNames: ['table'],
    registers: [metrics],
  });
  return {
    name: RETRY,
    async run(context) {
      const { signal } = context;
      while (!signal.aborted) {
        const images = await retryDue('images', context);
        for (const imageId of images) events.publish({ kind: 'image.accepted', imageId });
        const enrolments = await retryDue('enrolments', context);
        retried.inc({ table: 'images' }, images.length);
        retried.inc({ table: 'enrolments' }, enrolments.length);
        if (images.length === BATCH || enrolments.length === BATCH) continue;
        await sleep(EVERY_MS, undefined, { signal }).catch(() => undefined);
      }
    },
  };
}

/** @returns the ids of what was put back */
async function retryDue(table: WorkTable, { db, write, log }: JobContext): Promise<number[]> {
  const due = await listDue(db, table, BATCH);
  if (due.length === 0) return [];
  const back = await write(async (connection) => {
    const rows = await putBack(connection, table, due, { statuses: ['failed'], scheduled: true });
    await saveJob(connection, RETRY, { done: rows.length, total: due.length, run: 'finished' });
    return rows.map((row) => row.id);
  });
  if (back.length > 0) log.info({ count: back.length }, `failed ${table} are tried again`);
  return back;
}
