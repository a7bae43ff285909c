import type { Database, Row } from './database.ts';

/** Rows whose ids are to be published: `enqueued_at IS NULL` while no queue has taken them. */
export interface Outbox {
  /** Notes that the queue has taken these ids. */
  markEnqueued(ids: readonly number[]): Promise<void>;
  /** Pending rows that no queue has taken, oldest first, added at least `minAgeMs` ago. */
  listNotEnqueued(options: { minAgeMs: number; limit: number }): Promise<number[]>;
  /**
   * Puts pending rows that were enqueued before a time back into the outbox: the queue has lost them.
   *
   * @returns how many; at most 1,000 a call
   */
  releaseEnqueued(before: Date): Promise<number>;
}

/** Rows a statement; keeps a bulk insert of long paths below the smallest usual max_allowed_packet (1 MiB). */
const ROWS_PER_STATEMENT = 500;

/** @param table has `id`, `status`, `created_at` and `enqueued_at` */
export function openOutbox(db: Database, table: 'images' | 'enrolments'): Outbox {
  return {
    async markEnqueued(ids) {
      for (const some of chunksOf(ids)) {
        await db.write('UPDATE ?? SET enqueued_at = CURRENT_TIMESTAMP(3) WHERE id IN (?) AND enqueued_at IS NULL', [
          table,
          some,
        ]);
      }
    },

    async listNotEnqueued({ minAgeMs, limit }) {
      const [rows] = await db.query<Row[]>(
        `SELECT id FROM ??
          WHERE status = 'pending' AND enqueued_at IS NULL
            AND created_at <= CURRENT_TIMESTAMP(3) - INTERVAL ? MICROSECOND
          ORDER BY id LIMIT ?`,
        [table, minAgeMs * 1000, limit],
      );
      return rows.map((row) => row.id);
    },

    async releaseEnqueued(before) {
      const { affectedRows } = await db.write(
        "UPDATE ?? SET enqueued_at = NULL WHERE status = 'pending' AND enqueued_at < ? ORDER BY id LIMIT 1000",
        [table, before],
      );
      return affectedRows;
    },
  };
}

export function* chunksOf<Item>(items: readonly Item[]): Generator<readonly Item[]> {
  for (let start = 0; start < items.length; start += ROWS_PER_STATEMENT) {
    yield items.slice(start, start + ROWS_PER_STATEMENT);
  }
}
