import type { Database, Row } from './database.ts';
import type { ImageStatus } from './images.ts';

export type ImageCounts = Record<ImageStatus, number>;

/** Counting that takes no longer is done anew each time. */
const QUICK_MS = 25;
/** A slow count may take this part of the database's time. */
const SHARE = 1 / 25;
/** An older one is of no use to anybody. */
const OLDEST_MS = 30_000;

/**
 * Counts images by status: exactly, as long as that is quick. Of hundreds of thousands of images, the last count is given
 * while the next one is made, some seconds old (25 times as long as counting takes). Counters in the database would make every
 * outcome wait for the same few rows, and the version before would not keep them.
 */
export function countImages(
  db: Pick<Database, 'query'>,
  statuses: readonly ImageStatus[],
  { quickMs = QUICK_MS } = {},
): () => Promise<ImageCounts> {
  let last: { counts: ImageCounts; at: number; tookMs: number } | undefined;
  let running: Promise<ImageCounts> | undefined;

  const count = async () => {
    const startedAt = performance.now();
    const [rows] = await db.query<Row[]>('SELECT status, COUNT(*) AS count FROM images GROUP BY status');
    const counts = Object.fromEntries(statuses.map((status) => [status, 0])) as ImageCounts;
    for (const row of rows) counts[row.status as ImageStatus] = row.count;
    last = { counts, at: startedAt, tookMs: performance.now() - startedAt };
    return counts;
  };
  const countOnce = () => {
    running ??= count().finally(() => {
      running = undefined;
    });
    return running;
  };

  return async () => {
    if (last === undefined || last.tookMs <= quickMs) return count();
    const age = performance.now() - last.at;
    if (age > OLDEST_MS) return countOnce();
    // What fails now is asked for, and thrown, when the count at hand is too old.
    if (age > last.tookMs / SHARE) countOnce().catch(() => {});
    return last.counts;
  };
}
