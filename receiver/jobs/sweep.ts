import { setTimeout as sleep } from 'node:timers/promises';
import { Counter } from 'prom-client';
import { z } from 'zod';
import { messageOf } from '../../lib/errors.ts';
import type { ImageQueue } from '../../lib/image-queue.ts';
import { WORK_KINDS, type WorkKind } from '../../lib/image-stream.ts';
import { readJobState, saveJob } from '../../lib/jobs.ts';
import type { Metrics } from '../../lib/metrics.ts';
import { markEnqueued, openOutbox, readDatabaseTime, releaseEnqueued, type WorkTable } from '../../lib/outbox.ts';
import type { Job, JobContext } from '../../lib/run-jobs.ts';
import { outsideSpans } from '../../lib/spans.ts';

export const SWEEP = 'sweep';

export interface SweepOptions {
  readonly queue: Pick<ImageQueue, 'enqueue' | 'oldestWaiting' | 'streamBirthday'>;
  readonly metrics: Metrics;
}

const EVERY_MS = 2_000;
/** Younger rows are most likely being published by the request that made them. */
const MIN_AGE_MS = 5_000;
const BATCH = 1_000;
const LOOK_FOR_LOST_EVERY_MS = 15_000;
/** Longer than any image is in flight: eight tries with a minute's delay. It also forgives clocks that disagree. */
const LOST_AFTER_MS = 15 * 60_000;

const TABLES: Readonly<Record<WorkKind, WorkTable>> = { identify: 'images', enrol: 'enrolments' };

/** The stream that the rows were published to. */
const stateSchema = z.object({ stream: z.string().optional() });

/**
 * Publishes what was accepted, or put back to pending, but never taken by the queue (NATS was away, or a receiver died in
 * between), and what the queue took and lost (its disk is new, a server was killed). Publishing an id twice is harmless.
 */
export function createSweepJob(options: SweepOptions): Job {
  const swept = new Counter({
    name: 'faceflow_swept_total',
    help: 'Rows that the sweep has published (published), and rows that the queue had lost (lost).',
    labelNames: ['table', 'what'],
    registers: [options.metrics],
  });
  return {
    name: SWEEP,
    async run(context) {
      const { signal } = context;
      let lookedForLostAt = Number.NEGATIVE_INFINITY;
      while (!signal.aborted) {
        if (performance.now() - lookedForLostAt > LOOK_FOR_LOST_EVERY_MS) {
          for (const [table, lost] of await releaseLost(options, context)) swept.inc({ table, what: 'lost' }, lost);
          lookedForLostAt = performance.now();
        }
        const published = await Promise.all(WORK_KINDS.map((kind) => publishBatch(kind, options, context)));
        for (const [n, kind] of WORK_KINDS.entries())
          swept.inc({ table: TABLES[kind], what: 'published' }, published[n] ?? 0);
        if (published.includes(BATCH)) continue;
        await sleep(EVERY_MS, undefined, { signal }).catch(() => undefined);
      }
    },
  };
}

async function publishBatch(kind: WorkKind, { queue }: SweepOptions, context: JobContext): Promise<number> {
  const { db, write, log } = context;
  const table = TABLES[kind];
  const waiting = await openOutbox(db, table).listNotEnqueued({ minAgeMs: MIN_AGE_MS, limit: BATCH });
  if (waiting.length === 0) return 0;
  const attempts = new Map(waiting.map(({ id, attempt }) => [id, attempt]));
  // A trace of their own: that of whoever posted them has ended.
  const publishing = outsideSpans(() => queue.enqueue([...attempts.keys()], kind, attempts));
  const taken = await publishing.catch((error: unknown) => {
    log.debug({ count: waiting.length, table, err: error }, `published later: ${messageOf(error)}`);
    return [];
  });
  if (taken.length === 0) return 0;
  await write(async (connection) => {
    await markEnqueued(connection, table, taken);
    await saveJob(connection, SWEEP, { done: taken.length, total: waiting.length, run: 'finished' });
  });
  log.info({ published: taken.length }, `published ${table} that had been waiting for the queue`);
  return taken.length;
}

async function releaseLost({ queue }: SweepOptions, context: JobContext): Promise<[WorkTable, number][]> {
  const before = await findLostBefore(queue, context);
  const lost: [WorkTable, number][] = [];
  for (const table of Object.values(TABLES)) {
    let released = 0;
    for (let some = -1; some !== 0 && !context.signal.aborted; released += some) {
      some = await context.write((connection) => releaseEnqueued(connection, table, before.time));
    }
    if (released > 0) context.log.warn({ released }, `the queue has lost ${table}: they are published again`);
    lost.push([table, released]);
  }
  // Not before they all are in the outbox: whoever leads next would not look for them.
  if (before.stream !== undefined) {
    const { stream } = before;
    await context.write((connection) => saveJob(connection, SWEEP, { state: { stream } }));
  }
  return lost;
}

/**
 * What was enqueued before the time is in no queue any more. In a stream that was made anew that is everything: what has
 * been published since is published twice. Otherwise, since the queue hands out in order, what is pending and much older
 * than the next one to be handed out.
 *
 * @returns with the stream's birthday, where it is to be noted
 */
async function findLostBefore(
  queue: SweepOptions['queue'],
  { db }: JobContext,
): Promise<{ time: Date; stream?: string }> {
  const stream = await queue.streamBirthday();
  const known = stateSchema.parse((await readJobState(db, SWEEP)) ?? {}).stream;
  const oldest = await queue.oldestWaiting();
  const time = new Date(oldest.getTime() - LOST_AFTER_MS);
  if (known === stream) return { time };
  return { time: known === undefined ? time : await readDatabaseTime(db), stream };
}
