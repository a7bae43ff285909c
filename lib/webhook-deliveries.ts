import type { Queryable, Row, WriteResult } from './database.ts';

export const DELIVERY_STATUSES = ['pending', 'delivered', 'dead'] as const;
export type DeliveryStatus = (typeof DELIVERY_STATUSES)[number];

/** A message to one webhook. */
export interface Delivery {
  readonly id: number;
  /** The header `webhook-id`. */
  readonly messageId: string;
  readonly event: string;
  /** dead: tried too often, or for ever in vain; only `redrive` sends it again. */
  readonly status: DeliveryStatus;
  /** How many tries have failed. */
  readonly failures: number;
  readonly createdAt: Date;
  /** The last try; null before the first. */
  readonly attemptedAt: Date | null;
  /** Null unless pending. */
  readonly nextAttemptAt: Date | null;
  /** The HTTP status of the last answer. */
  readonly answerStatus: number | null;
  /** The code of why the last try failed. */
  readonly failure: string | null;
}

/** A message whose time has come. */
export interface DueDelivery {
  readonly id: number;
  readonly messageId: string;
  readonly payload: string;
  readonly failures: number;
}

/** What has become of one try. */
export interface Attempt {
  /** Null: there was no answer. */
  readonly status: number | null;
  /** Null: it was delivered. `http_status`, `timeout`, `connection_failed`, `url_not_allowed`… */
  readonly failure: string | null;
  /** Which the answer asked for, ms. */
  readonly retryAfterMs: number | null;
}

/** Messages of one webhook whose time has come, those that have waited longest first. */
export async function listDueDeliveries(db: Queryable, webhookId: number, limit: number): Promise<DueDelivery[]> {
  const [rows] = await db.query<Row[]>(
    `SELECT id, message_id, payload, failures FROM webhook_deliveries
      WHERE webhook_id = ? AND next_attempt_at <= CURRENT_TIMESTAMP(3) ORDER BY next_attempt_at, id LIMIT ?`,
    [webhookId, limit],
  );
  return rows.map((row) => ({
    id: row.id,
    messageId: row.message_id,
    payload: row.payload,
    failures: row.failures,
  }));
}

/**
 * Notes what has become of a try, unless the message has been ended, redriven or removed meanwhile.
 *
 * @param retryInMs when it is tried again after a failure; null: not any more
 */
export async function recordAttempt(
  connection: Queryable,
  { id, failures }: DueDelivery,
  { status, failure }: Attempt,
  retryInMs: number | null,
): Promise<void> {
  const next = failure === null ? 'delivered' : retryInMs === null ? 'dead' : 'pending';
  await connection.query(
    `UPDATE webhook_deliveries
        SET status = ?, failures = ?, attempted_at = CURRENT_TIMESTAMP(3), answer_status = ?, failure = ?,
            next_attempt_at = ${next === 'pending' ? 'CURRENT_TIMESTAMP(3) + INTERVAL ? MICROSECOND' : 'NULL'}
      WHERE id = ? AND status = 'pending' AND failures = ?`,
    [
      ...[next, failures + (failure === null ? 0 : 1), status, failure],
      ...(next === 'pending' ? [(retryInMs ?? 0) * 1_000] : []),
      ...[id, failures],
    ],
  );
}

/** Newest first. `before`: only smaller ids. */
export async function listDeliveries(
  db: Queryable,
  { webhookId, status, before, limit }: { webhookId: number; status?: DeliveryStatus; before?: number; limit: number },
): Promise<Delivery[]> {
  const [rows] = await db.query<Row[]>(
    `SELECT id, message_id, event, status, failures, created_at, attempted_at, next_attempt_at, answer_status, failure
       FROM webhook_deliveries
      WHERE webhook_id = ? AND status IN (?) ${before === undefined ? '' : 'AND id < ?'} ORDER BY id DESC LIMIT ?`,
    [webhookId, status === undefined ? DELIVERY_STATUSES : [status], ...(before === undefined ? [] : [before]), limit],
  );
  return rows.map((row) => ({
    ...{ id: row.id, messageId: row.message_id, event: row.event, status: row.status, failures: row.failures },
    ...{ createdAt: row.created_at, attemptedAt: row.attempted_at, nextAttemptAt: row.next_attempt_at },
    ...{ answerStatus: row.answer_status, failure: row.failure },
  }));
}

/** How many messages wait and how many are dead, by webhook; those of which there are none are left out. */
export async function countUndelivered(
  db: Queryable,
  webhookIds: readonly number[],
): Promise<Map<number, { pending: number; dead: number }>> {
  if (webhookIds.length === 0) return new Map();
  // By both, so that the many that were delivered are not looked at.
  const [rows] = await db.query<Row[]>(
    `SELECT webhook_id, status, COUNT(*) AS count FROM webhook_deliveries
      WHERE webhook_id IN (?) AND status IN ('pending', 'dead') GROUP BY webhook_id, status`,
    [webhookIds],
  );
  const counts = new Map<number, { pending: number; dead: number }>();
  for (const row of rows) {
    const count = counts.get(row.webhook_id) ?? { pending: 0, dead: 0 };
    counts.set(row.webhook_id, { ...count, [row.status]: row.count });
  }
  return counts;
}

/** Has dead messages sent again, with a schedule that begins anew. @param ids all dead ones when absent @returns how many */
export async function redriveDeliveries(
  connection: Queryable,
  webhookId: number,
  { ids, limit }: { ids?: readonly number[]; limit: number },
): Promise<number> {
  if (ids?.length === 0) return 0;
  const [{ affectedRows }] = await connection.query<WriteResult>(
    `UPDATE webhook_deliveries SET status = 'pending', failures = 0, next_attempt_at = CURRENT_TIMESTAMP(3)
      WHERE webhook_id = ? AND status = 'dead' ${ids === undefined ? '' : 'AND id IN (?)'} ORDER BY id LIMIT ?`,
    [webhookId, ...(ids === undefined ? [] : [ids]), limit],
  );
  return affectedRows;
}

/** How long messages are kept after their last try, days. */
const KEPT_DAYS = { delivered: 3, dead: 30 } as const;

/** Removes old messages, and those of webhooks that are gone. @returns how many, at most some `limit` of each kind */
export async function removeOldDeliveries(connection: Queryable, limit: number): Promise<number> {
  let removed = 0;
  for (const [status, days] of Object.entries(KEPT_DAYS)) {
    const [{ affectedRows }] = await connection.query<WriteResult>(
      `DELETE FROM webhook_deliveries
        WHERE status = ? AND attempted_at < CURRENT_TIMESTAMP(3) - INTERVAL ? DAY ORDER BY attempted_at, id LIMIT ?`,
      [status, days, limit],
    );
    removed += affectedRows;
  }
  // In this order: a webhook that is made in between is not taken for one that is gone.
  const [addressed] = await connection.query<Row[]>('SELECT DISTINCT webhook_id AS id FROM webhook_deliveries');
  const [hooks] = await connection.query<Row[]>('SELECT id FROM webhooks LOCK IN SHARE MODE');
  const known = new Set(hooks.map((row) => row.id));
  const gone = addressed.filter((row) => !known.has(row.id));
  for (const { id } of gone) {
    const [{ affectedRows }] = await connection.query<WriteResult>(
      'DELETE FROM webhook_deliveries WHERE webhook_id = ? ORDER BY id LIMIT ?',
      [id, limit],
    );
    removed += affectedRows;
  }
  return removed;
}
