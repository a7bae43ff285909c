import type { Database, Queryable, Row, WriteResult } from './database.ts';

/** Of the circuit breaker between a processor and the recognizer. */
export type BreakerState = 'closed' | 'open' | 'half_open';

export interface BreakerStatus {
  readonly state: BreakerState;
  /** Since when the breaker has not been closed; null while it is. */
  readonly unavailableSince: Date | null;
  /** When the recognizer is asked next whether it is back; null unless the breaker is open. */
  readonly nextAttemptAt: Date | null;
}

/** What all processors together are doing. */
export interface Processing {
  /** running: at least one works; paused: all wait for the recognizer; stopped: there is none. */
  readonly state: 'running' | 'paused' | 'stopped';
  /** That have been heard of in the last half minute. */
  readonly processors: number;
  /** Of them, those whose breaker is open. */
  readonly paused: number;
  /** Of the first that has paused, where any has. */
  readonly unavailableSince: Date | null;
  /** Of the first that will try again, ms from now. */
  readonly nextAttemptInMs: number | null;
}

/** A processor says so often that it is there, ms. */
export const REPORT_EVERY_MS = 10_000;
const SILENT_SECONDS = 35;
const DEAD_SECONDS = 3_600;

/** Writes how a processor is. Times are told as distances from now: its clock may be another than the database's. */
export async function reportProcessor(db: Database, id: string, status: BreakerStatus): Promise<void> {
  const now = Date.now();
  const since = status.unavailableSince === null ? null : (now - status.unavailableSince.getTime()) * 1_000;
  const next = status.nextAttemptAt === null ? null : (status.nextAttemptAt.getTime() - now) * 1_000;
  await db.write(
    `INSERT INTO processors (id, breaker, unavailable_since, next_attempt_at, seen_at)
     VALUES (?, ?, CURRENT_TIMESTAMP(3) - INTERVAL ? MICROSECOND, CURRENT_TIMESTAMP(3) + INTERVAL ? MICROSECOND,
       CURRENT_TIMESTAMP(3))
     ON DUPLICATE KEY UPDATE breaker = VALUES(breaker), unavailable_since = VALUES(unavailable_since),
       next_attempt_at = VALUES(next_attempt_at), seen_at = VALUES(seen_at)`,
    [id, status.state, since, next],
  );
}

/** A processor stops. */
export async function removeProcessor(db: Database, id: string): Promise<void> {
  await db.write('DELETE FROM processors WHERE id = ?', [id]);
}

/** @returns how many were silent for an hour */
export async function removeDeadProcessors(connection: Queryable): Promise<number> {
  const [{ affectedRows }] = await connection.query<WriteResult>(
    'DELETE FROM processors WHERE seen_at < CURRENT_TIMESTAMP(3) - INTERVAL ? SECOND',
    [DEAD_SECONDS],
  );
  return affectedRows;
}

export async function summariseProcessors(db: Queryable): Promise<Processing> {
  const [rows] = await db.query<Row[]>(
    `SELECT COUNT(*) AS processors, COUNT(CASE WHEN breaker = 'open' THEN 1 END) AS paused,
            MIN(unavailable_since) AS unavailable_since,
            TIMESTAMPDIFF(MICROSECOND, CURRENT_TIMESTAMP(3), MIN(next_attempt_at)) AS next_attempt_in
       FROM processors WHERE seen_at > CURRENT_TIMESTAMP(3) - INTERVAL ? SECOND`,
    [SILENT_SECONDS],
  );
  // An aggregate without groups is one row.
  const { processors, paused, unavailable_since, next_attempt_in } = rows[0] as Row;
  return {
    state: processors === 0 ? 'stopped' : paused === processors ? 'paused' : 'running',
    processors,
    paused,
    unavailableSince: unavailable_since,
    nextAttemptInMs: next_attempt_in === null ? null : Math.max(0, Math.round(next_attempt_in / 1_000)),
  };
}
