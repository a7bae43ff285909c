import type { Database, Queryable, Row, WriteResult } from './database.ts';

/** Tables whose rows are published: work, and its end. */
export type WorkTable = 'images' | 'enrolments';

/** A row whose id is to be published. */
export interface WaitingRow {
  readonly id: number;
  /** How often it has been put back to pending. */
  readonly attempt: number;
}

/** Rows whose ids are to be published: `enqueued_at IS NULL` while no queue has taken them. */
export interface Outbox {
  /** Notes that the queue has taken these ids. */
  markEnqueued(ids: readonly number[]): Promise<void>;
  /** Pending rows that no queue has taken, oldest first, added at least `minAgeMs` ago. */
  listNotEnqueued(options: { minAgeMs: number; limit: number }): Promise<WaitingRow[]>;
}

/** Rows a statement; keeps a bulk insert of long paths below the smallest usual max_allowed_packet (1 MiB). */
const ROWS_PER_STATEMENT = 500;

const MARK = 'UPDATE ?? SET enqueued_at = CURRENT_TIMESTAMP(3) WHERE id IN (?) AND enqueued_at IS NULL';

/** @param table has `id`, `status`, `attempt`, `created_at` and `enqueued_at` */
export function openOutbox(db: Database, table: WorkTable): Outbox {
  return {
    async markEnqueued(ids) {
      for (const some of chunksOf(ids)) await db.write(MARK, [table, some]);
    },

    async listNotEnqueued({ minAgeMs, limit }) {
      const [rows] = await db.query<Row[]>(
        `SELECT id, attempt FROM ??
          WHERE status = 'pending' AND enqueued_at IS NULL
            AND created_at <= CURRENT_TIMESTAMP(3) - INTERVAL ? MICROSECOND
          ORDER BY id LIMIT ?`,
        [table, minAgeMs * 1000, limit],
      );
      return rows.map(({ id, attempt }) => ({ id, attempt }));
    },
  };
}

/** `Outbox.markEnqueued` in a transaction. */
export async function markEnqueued(connection: Queryable, table: WorkTable, ids: readonly number[]): Promise<void> {
  for (const some of chunksOf(ids)) await connection.query(MARK, [table, some]);
}

/**
 * Puts pending rows that were enqueued before a time back into the outbox: the queue has lost them.
 *
 * @returns how many; at most 1,000 a call
 */
export async function releaseEnqueued(connection: Queryable, table: WorkTable, before: Date): Promise<number> {
  const [{ affectedRows }] = await connection.query<WriteResult>(
    "UPDATE ?? SET enqueued_at = NULL WHERE status = 'pending' AND enqueued_at < ? ORDER BY id LIMIT 1000",
    [table, before],
  );
  return affectedRows;
}

/** The database's time, which `enqueued_at` and the like are of. */
export async function readDatabaseTime(db: Queryable): Promise<Date> {
  const [rows] = await db.query<Row[]>('SELECT CURRENT_TIMESTAMP(3) AS now');
  const now: Date | undefined = rows[0]?.now;
  if (now === undefined) throw new Error('The database does not tell its time.');
  return now;
}

export function* chunksOf<Item>(items: readonly Item[]): Generator<readonly Item[]> {
  for (let start = 0; start < items.length; start += ROWS_PER_STATEMENT) {
    yield items.slice(start, start + ROWS_PER_STATEMENT);
  }
}
