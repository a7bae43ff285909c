import { z } from 'zod';
import type { Queryable, Row } from './database.ts';
import { chunksOf, type WaitingRow, type WorkTable } from './outbox.ts';

/** Ends that left nothing behind that a new look would have to undo. */
export const RETRYABLE_STATUSES = ['failed', 'unreadable', 'no_face'] as const;
export type RetryableStatus = (typeof RETRYABLE_STATUSES)[number];

const UNITS = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;
const EXPECTED = 'durations that are separated by commas, such as 10m,1h,6h, or never';
/** DATETIME ends in the year 9999. */
const LONGEST_MS = 366 * UNITS.d;

/** Durations, separated by commas, or `never`: in milliseconds. */
export function schedule(fallback: string) {
  return z
    .string()
    .regex(/^(never|\d{1,9}[smhd]( *, *\d{1,9}[smhd])*)$/, EXPECTED)
    .default(fallback)
    .transform((text) => (text === 'never' ? [] : text.split(',').map((step) => toMilliseconds(step.trim()))))
    .refine((steps) => steps.length <= 100 && steps.every((ms) => ms <= LONGEST_MS), 'at most 100 steps of a year');
}

/** The environment key of those that record failures. */
export const retryKeys = {
  /** What has failed is tried again after so long, step by step; after the last step only by hand. */
  RETRY_SCHEDULE: schedule('10m,1h,6h,24h'),
};

function toMilliseconds(step: string): number {
  const unit = step.at(-1) as keyof typeof UNITS;
  return Number(step.slice(0, -1)) * UNITS[unit];
}

/** Of each delay: what fails together, e.g. in an outage, does not come back together. */
const JITTER = 0.1;

/** A delay that is a little longer or shorter, whole milliseconds. */
export function addJitter(ms: number): number {
  return Math.round(ms * (1 - JITTER + Math.random() * 2 * JITTER));
}

/**
 * An SQL expression for `retry_at` of a row that has failed now: the delay of the step that `retries` says, NULL after the
 * last one.
 */
export function retryAtSql(scheduleMs: readonly number[]): { sql: string; values: number[] } {
  if (scheduleMs.length === 0) return { sql: 'NULL', values: [] };
  const places = scheduleMs.map(() => '?').join(', ');
  return {
    sql: `CURRENT_TIMESTAMP(3) + INTERVAL (ELT(retries + 1, ${places}) * 1000) MICROSECOND`,
    values: scheduleMs.map(addJitter),
  };
}

/** Ids of rows that have failed and are due, oldest first. */
export async function listDue(db: Queryable, table: WorkTable, limit: number): Promise<number[]> {
  const [rows] = await db.query<Row[]>(
    "SELECT id FROM ?? WHERE retry_at <= CURRENT_TIMESTAMP(3) AND status = 'failed' ORDER BY retry_at LIMIT ?",
    [table, limit],
  );
  return rows.map((row) => row.id);
}

export interface PutBackOptions {
  readonly statuses: readonly RetryableStatus[];
  /** Only those that ended for this reason. */
  readonly reason?: string;
  /** A step of the schedule; otherwise the schedule begins anew. */
  readonly scheduled?: boolean;
}

/**
 * Makes rows pending again, as far as they are in one of the statuses still: they stand in the outbox then. Call it in a
 * transaction.
 *
 * @returns those that were
 */
export async function putBack(
  connection: Queryable,
  table: WorkTable,
  ids: readonly number[],
  { statuses, reason, scheduled = false }: PutBackOptions,
): Promise<WaitingRow[]> {
  const back: WaitingRow[] = [];
  for (const some of chunksOf(ids)) {
    const [rows] = await connection.query<Row[]>(
      `SELECT id, attempt FROM ?? WHERE id IN (?) AND status IN (?) ${reason === undefined ? '' : 'AND reason_code = ?'}
        ORDER BY id FOR UPDATE`,
      [table, some, statuses, ...(reason === undefined ? [] : [reason])],
    );
    if (rows.length === 0) continue;
    await connection.query(
      `UPDATE ?? SET status = 'pending', attempt = attempt + 1, retries = ${scheduled ? 'retries + 1' : '0'},
         retry_at = NULL, reason_code = NULL, reason = NULL, enqueued_at = NULL, finished_at = NULL WHERE id IN (?)`,
      [table, rows.map((row) => row.id)],
    );
    back.push(...rows.map((row) => ({ id: row.id, attempt: row.attempt + 1 })));
  }
  return back;
}
