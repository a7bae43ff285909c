import type { Queryable, Row, WriteResult } from './database.ts';

/** How images ended during one minute. */
export interface ImageMinute {
  /** When it began. */
  readonly at: Date;
  /** How much of it is counted: 60 when it is over. */
  readonly seconds: number;
  /** Images that were pending then; null: nobody counted. */
  readonly backlog: number | null;
  readonly matched: number;
  readonly unknown: number;
  readonly noFace: number;
  readonly unreadable: number;
  readonly failed: number;
  /**
   * Half, and 19 of 20, of the images had ended so long after they were posted or last put back, ms; null when none ended.
   */
  readonly p50Ms: number | null;
  readonly p95Ms: number | null;
}

const MINUTE_MS = 60_000;
/** What can be asked for, and what is filled in when nobody has counted for long. */
export const HISTORY_MINUTES = 24 * 60;
const KEPT_MINUTES = 2 * HISTORY_MINUTES;
/** Of which the outcomes are counted in one statement. */
const MINUTES_PER_COUNT = 60;

/**
 * Counts the minutes since the last ones that were counted, the one that goes on included: for `writeMinutes`. How images
 * ended is read from the images, so that nothing is missing after a time in which nobody counted; how many were pending then
 * cannot be known any more.
 */
export async function countMinutes(db: Queryable): Promise<ImageMinute[]> {
  const [rows] = await db.query<Row[]>(
    `SELECT CURRENT_TIMESTAMP(3) AS now, (SELECT MAX(minute) FROM image_minutes) AS last,
       (SELECT COUNT(*) FROM images WHERE status = 'pending') AS pending`,
  );
  // Without a table it is one row.
  const { now, last, pending } = rows[0] as { now: Date; last: Date | null; pending: number };
  const current = Math.floor(now.getTime() / MINUTE_MS) * MINUTE_MS;
  const oldest = current - (HISTORY_MINUTES - 1) * MINUTE_MS;
  // The minute before is counted once more: a transaction may write when it ended, and commit a little later.
  const from = Math.max(oldest, last === null ? oldest : Math.min(last.getTime(), current) - MINUTE_MS);
  const minutes: ImageMinute[] = [];
  for (let start = from; start <= current; start += MINUTES_PER_COUNT * MINUTE_MS) {
    const end = Math.min(start + MINUTES_PER_COUNT * MINUTE_MS, current + MINUTE_MS);
    const ended = await countEnded(db, new Date(start), new Date(end));
    for (let at = start; at < end; at += MINUTE_MS) {
      minutes.push({
        ...(ended.get((at - start) / MINUTE_MS) ?? NOTHING),
        at: new Date(at),
        seconds: Math.min(60, Math.round((now.getTime() - at) / 1000)),
        backlog: at === current ? pending : null,
      });
    }
  }
  return minutes;
}

type Ended = Omit<ImageMinute, 'at' | 'seconds' | 'backlog'>;

const NOTHING: Ended = { matched: 0, unknown: 0, noFace: 0, unreadable: 0, failed: 0, p50Ms: null, p95Ms: null };

/** @returns by the number of the minute after `from`; those in which none ended are left out */
async function countEnded(db: Queryable, from: Date, to: Date): Promise<Map<number, Ended>> {
  const [rows] = await db.query<Row[]>(
    `SELECT minute, SUM(status = 'matched') AS matched, SUM(status = 'unknown') AS unknown, SUM(status = 'no_face') AS no_face,
       SUM(status = 'unreadable') AS unreadable, SUM(status = 'failed') AS failed,
       MIN(CASE WHEN place >= 0.5 * total THEN took END) AS p50, MIN(CASE WHEN place >= 0.95 * total THEN took END) AS p95
     FROM (
       SELECT minute, status, took, ROW_NUMBER() OVER (PARTITION BY minute ORDER BY took) AS place,
         COUNT(*) OVER (PARTITION BY minute) AS total
       FROM (
         SELECT TIMESTAMPDIFF(MINUTE, ?, finished_at) AS minute, status, GREATEST(0, TIMESTAMPDIFF(MICROSECOND,
           IF(attempt = 0, created_at, COALESCE(enqueued_at, created_at)), finished_at)) AS took
         FROM images WHERE finished_at >= ? AND finished_at < ?
       ) AS ended
     ) AS placed GROUP BY minute`,
    [from, from, to],
  );
  return new Map(
    rows.map((row) => [
      Number(row.minute),
      {
        matched: Number(row.matched),
        unknown: Number(row.unknown),
        noFace: Number(row.no_face),
        unreadable: Number(row.unreadable),
        failed: Number(row.failed),
        p50Ms: Math.round(row.p50 / 1000),
        p95Ms: Math.round(row.p95 / 1000),
      },
    ]),
  );
}

/**
 * Writes minutes down, and forgets those that are older than two days. Call it in a transaction. What was counted before is
 * never made less: an image that is put back, or deleted, has ended then all the same.
 */
export async function writeMinutes(connection: Queryable, minutes: readonly ImageMinute[]): Promise<void> {
  const [first] = minutes;
  if (first === undefined) return;
  const counts = ['seconds', 'matched', 'unknown', 'no_face', 'unreadable', 'failed'];
  const others = ['backlog', 'p50_ms', 'p95_ms'];
  await connection.query<WriteResult>(
    `INSERT INTO image_minutes (minute, seconds, backlog, matched, unknown, no_face, unreadable, failed, p50_ms, p95_ms)
     VALUES ? ON DUPLICATE KEY UPDATE
       ${counts.map((column) => `${column} = GREATEST(${column}, VALUES(${column}))`).join(', ')},
       ${others.map((column) => `${column} = COALESCE(VALUES(${column}), ${column})`).join(', ')}`,
    [
      minutes.map((one) => [
        ...[one.at, one.seconds, one.backlog, one.matched, one.unknown, one.noFace, one.unreadable, one.failed],
        ...[one.p50Ms, one.p95Ms],
      ]),
    ],
  );
  await connection.query('DELETE FROM image_minutes WHERE minute < CURRENT_TIMESTAMP - INTERVAL ? MINUTE', [
    KEPT_MINUTES,
  ]);
}

/** The last so many minutes, oldest first, as far as somebody has counted them. @param minutes HISTORY_MINUTES at most */
export async function readMinutes(db: Queryable, minutes: number): Promise<ImageMinute[]> {
  const [rows] = await db.query<Row[]>(
    `SELECT minute, seconds, backlog, matched, unknown, no_face, unreadable, failed, p50_ms, p95_ms FROM image_minutes
      WHERE minute > CURRENT_TIMESTAMP - INTERVAL ? MINUTE ORDER BY minute`,
    [minutes],
  );
  return rows.map((row) => ({
    at: row.minute,
    seconds: row.seconds,
    backlog: row.backlog,
    matched: row.matched,
    unknown: row.unknown,
    noFace: row.no_face,
    unreadable: row.unreadable,
    failed: row.failed,
    p50Ms: row.p50_ms,
    p95Ms: row.p95_ms,
  }));
}
