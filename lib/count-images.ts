import type { Database, Queryable, Row } from './database.ts';
import type { ImageStatus } from './images.ts';
import { keepCount } from './keep-count.ts';

export type ImageCounts = Record<ImageStatus, number>;

/**
 * Counts images by status: exactly, as long as that is quick (lib/keep-count.ts). Counters in the database would make every
 * outcome wait for the same few rows, and the version before would not keep them.
 */
export function countImages(
  db: Pick<Database, 'query'>,
  statuses: readonly ImageStatus[],
  options: { quickMs?: number } = {},
): () => Promise<ImageCounts> {
  return keepCount(async () => {
    const [rows] = await db.query<Row[]>('SELECT status, COUNT(*) AS count FROM images GROUP BY status');
    const counts = Object.fromEntries(statuses.map((status) => [status, 0])) as ImageCounts;
    for (const row of rows) counts[row.status as ImageStatus] = row.count;
    return counts;
  }, options);
}

/** Why photos ended without an answer, and how many of them. */
export interface ReasonCount {
  readonly status: 'failed' | 'unreadable';
  /** Null where none was written down. */
  readonly reason: string | null;
  readonly count: number;
  /** Of these, photos that are tried again by themselves. */
  readonly scheduled: number;
}

/** Most first. */
export async function countReasons(db: Queryable): Promise<ReasonCount[]> {
  const [rows] = await db.query<Row[]>(
    `SELECT status, reason_code, COUNT(*) AS count, COUNT(retry_at) AS scheduled FROM images
      WHERE status IN ('failed', 'unreadable') GROUP BY status, reason_code ORDER BY count DESC, status, reason_code`,
  );
  return rows.map((row) => ({
    status: row.status,
    reason: row.reason_code,
    count: row.count,
    scheduled: row.scheduled,
  }));
}
