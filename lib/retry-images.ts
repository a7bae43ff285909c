import { type Actor, recordAudit } from './audit.ts';
import { changeOnce } from './change-once.ts';
import type { Database, Queryable, Row } from './database.ts';
import type { ImageStatus } from './images.ts';
import { findImageIds } from './list-images.ts';
import type { WaitingRow } from './outbox.ts';
import { putBack, RETRYABLE_STATUSES, type RetryableStatus } from './retry.ts';

/** Images in one transaction. */
const PAGE = 500;
const NEWEST = Number.MAX_SAFE_INTEGER;

/**
 * Makes one image pending again.
 *
 * @returns the image as it was, null when there is none; and its row in the outbox, null when it cannot be tried again
 */
export function retryImage(
  db: Database,
  id: number,
  actor: Actor,
): Promise<{ image: { path: string; status: ImageStatus } | null; retried: WaitingRow | null }> {
  return changeOnce(db, actor, async (connection) => {
    const [rows] = await connection.query<Row[]>('SELECT path, status FROM images WHERE id = ? FOR UPDATE', [id]);
    if (rows[0] === undefined) return { image: null, retried: null };
    const { path, status } = rows[0];
    const [retried = null] = await putBack(connection, 'images', [id], { statuses: RETRYABLE_STATUSES });
    if (retried !== null) await recordAudit(connection, actor, { action: 'image.retried', imageId: id });
    return { image: { path, status }, retried };
  });
}

export interface RetryFilter {
  readonly status: RetryableStatus;
  /** The code of the reason. */
  readonly reason?: string;
  /** As in `ImageQuery`. */
  readonly text?: string;
  /** Only smaller ids. */
  readonly before?: number;
}

export interface RetryLimits {
  /** A call ends when it has put back so many, or has taken so long. */
  readonly images: number;
  readonly ms: number;
  /** Told of each page when it is committed. */
  readonly onRetried: (rows: readonly WaitingRow[]) => Promise<void>;
}

/**
 * Makes images pending again that meet all of the filter, newest first.
 *
 * @returns how many; `next` is `before` of the next call, null when all were found
 */
export async function retryImages(
  db: Database,
  { status, reason, text, before }: RetryFilter,
  limits: RetryLimits,
  actor: Actor,
): Promise<{ retried: number; next: number | null }> {
  const deadline = performance.now() + limits.ms;
  const query = { status, limit: PAGE, ...(text === undefined ? {} : { text }) };
  const options = { statuses: [status], ...(reason === undefined ? {} : { reason }) };
  let retried = 0;
  let next: number | null = before ?? NEWEST;
  while (next !== null && retried < limits.images && performance.now() < deadline) {
    const page = await findImageIds(db, { ...query, past: next });
    next = page.next;
    const rows = await db.transact((connection) => putBackAndRecord(connection, page.ids, options, actor));
    retried += rows.length;
    await limits.onRetried(rows);
  }
  return { retried, next };
}

/** Makes these images pending again, as far as they can be tried again. @returns them: they are to be published */
export function retryImagesById(db: Database, ids: readonly number[], actor: Actor): Promise<WaitingRow[]> {
  return changeOnce(db, actor, (connection) =>
    putBackAndRecord(connection, ids, { statuses: RETRYABLE_STATUSES }, actor),
  );
}

async function putBackAndRecord(
  connection: Queryable,
  ids: readonly number[],
  options: Parameters<typeof putBack>[3],
  actor: Actor,
): Promise<WaitingRow[]> {
  const rows = await putBack(connection, 'images', ids, options);
  if (rows.length > 0) {
    await recordAudit(connection, actor, { action: 'images.retried', details: { images: rows.length } });
  }
  return rows;
}
