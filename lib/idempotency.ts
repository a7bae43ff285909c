import { createHash, randomUUID } from 'node:crypto';
import type { Database, Queryable, Row } from './database.ts';
import { deriveSeal, type Seal } from './seal.ts';

/** One request with an Idempotency-Key, as one receiver works on it. */
export interface Operation {
  readonly id: Buffer;
  /** Of this try; another one that takes over has another. */
  readonly claim: string;
  readonly seal: Seal;
  /** Of the request; null until an upload has been read to its end. */
  fingerprint: Buffer | null;
  /** How many transactions of the request have been begun (lib/change-once.ts). */
  steps: number;
}

/** What an answer to HTTP is made of. */
export interface StoredAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

export type Claim =
  /** Do it: nobody else does, or whoever did is dead. */
  | { readonly kind: 'mine'; readonly operation: Operation }
  /** It is being done. `fingerprint`: null while an upload is being read. */
  | { readonly kind: 'running'; readonly fingerprint: Buffer | null }
  | { readonly kind: 'answered'; readonly fingerprint: Buffer | null; readonly answer: StoredAnswer };

/** Another try has taken over: nothing that this one does counts any more. */
export class ClaimLost extends Error {
  constructor() {
    super('Another try of this request has taken over.');
    this.name = 'ClaimLost';
  }
}

/** The key belongs to another request. */
export class KeyReused extends Error {
  constructor() {
    super('Another request has been sent with this Idempotency-Key.');
    this.name = 'KeyReused';
  }
}

/** A receiver that has not renewed its claim for so long is taken to be dead, seconds. */
const CLAIM_SECONDS = 10;
export const RENEW_EVERY_MS = 3_000;
/** How long answers are kept, hours. */
export const KEEP_HOURS = 24;

const EXPIRED = `created_at < CURRENT_TIMESTAMP(3) - INTERVAL ${KEEP_HOURS} HOUR`;
const UNTIL = `CURRENT_TIMESTAMP(3) + INTERVAL ${CLAIM_SECONDS} SECOND`;

/**
 * Claims a request by its caller and key, or tells what has become of it. One statement decides who has it; the times
 * are those of the database alone.
 *
 * @param fingerprint of the request, 32 bytes; null: not known before its end
 */
export async function claimOperation(
  db: Database,
  request: { readonly caller: string; readonly key: string; readonly fingerprint: Buffer | null },
): Promise<Claim> {
  const { caller, key, fingerprint } = request;
  const id = createHash('sha256')
    .update(JSON.stringify([caller, key]))
    .digest();
  const operation: Operation = { id, claim: randomUUID(), seal: deriveSeal(key, id), fingerprint, steps: 0 };
  // Read first: whoever works on it may hold a lock on the row.
  const found = await readClaim(db, operation);
  if (found?.expired === 1) await db.write(`DELETE FROM idempotency_keys WHERE id = ? AND ${EXPIRED}`, [id]);
  else if (found !== undefined) return takeOver(db, operation, found);
  const inserted = await db.write(
    `INSERT IGNORE INTO idempotency_keys (id, fingerprint, claim, claimed_until) VALUES (?, ?, ?, ${UNTIL})`,
    [id, fingerprint, operation.claim],
  );
  if (inserted.affectedRows === 1) return { kind: 'mine', operation };
  const other = await readClaim(db, operation);
  return other === undefined ? { kind: 'running', fingerprint: null } : takeOver(db, operation, other);
}

async function readClaim(db: Queryable, { id }: Operation): Promise<Row | undefined> {
  const [rows] = await db.query<Row[]>(
    `SELECT fingerprint, claim, status, answer, claimed_until < CURRENT_TIMESTAMP(3) AS abandoned, ${EXPIRED} AS expired
       FROM idempotency_keys WHERE id = ?`,
    [id],
  );
  return rows[0];
}

async function takeOver(db: Database, operation: Operation, found: Row): Promise<Claim> {
  if (found.status !== null) {
    return { kind: 'answered', fingerprint: found.fingerprint, answer: unsealAnswer(operation.seal, found) };
  }
  const { id, claim, fingerprint } = operation;
  const running = { kind: 'running', fingerprint: found.fingerprint } as const;
  const isOther = fingerprint !== null && found.fingerprint !== null && !fingerprint.equals(found.fingerprint);
  if (isOther || found.abandoned !== 1) return running;
  const taken = await db.write(
    `UPDATE idempotency_keys SET claim = ?, claimed_until = ${UNTIL}
      WHERE id = ? AND claim = ? AND status IS NULL AND claimed_until < CURRENT_TIMESTAMP(3)`,
    [claim, id, found.claim],
  );
  return taken.affectedRows === 1 ? { kind: 'mine', operation } : running;
}

/** Says that the claim's holder lives; call it every RENEW_EVERY_MS. */
export async function renewClaim(db: Database, { id, claim }: Operation): Promise<void> {
  await db.write(`UPDATE idempotency_keys SET claimed_until = ${UNTIL} WHERE id = ? AND claim = ? AND status IS NULL`, [
    id,
    claim,
  ]);
}

/**
 * Stores the answer, so that it is the answer from now on.
 *
 * @throws ClaimLost when another try has taken over: its answer counts
 * @throws KeyReused when the request turns out to be another one than the key stands for
 */
export function storeAnswer(
  db: Database,
  operation: Operation,
  { status, headers, body }: StoredAnswer,
): Promise<void> {
  const answer = operation.seal.close({ headers, body });
  return db.transact(async (connection) => {
    await lockOperation(connection, operation);
    await connection.query('UPDATE idempotency_keys SET status = ?, answer = ?, fingerprint = ? WHERE id = ?', [
      ...[status, answer, operation.fingerprint, operation.id],
    ]);
  });
}

/**
 * Locks the row of an operation that is still this try's.
 *
 * @returns what its transactions have done (lib/change-once.ts)
 * @throws ClaimLost, KeyReused
 */
export async function lockOperation(connection: Queryable, operation: Operation): Promise<unknown[]> {
  const { id, claim, fingerprint, seal } = operation;
  const [rows] = await connection.query<Row[]>(
    'SELECT claim, status, fingerprint, effects FROM idempotency_keys WHERE id = ? FOR UPDATE',
    [id],
  );
  const row = rows[0];
  if (row?.claim !== claim || row.status !== null) throw new ClaimLost();
  if (fingerprint !== null && row.fingerprint !== null && !fingerprint.equals(row.fingerprint)) throw new KeyReused();
  return row.effects === null ? [] : (seal.open(row.effects) as unknown[]);
}

/** Gives the request up without an answer: the next try may begin at once, and does not do again what has been done. */
export async function releaseClaim(db: Database, { id, claim, fingerprint }: Operation): Promise<void> {
  await db.write(
    `UPDATE idempotency_keys
        SET claimed_until = CURRENT_TIMESTAMP(3) - INTERVAL 1 SECOND, fingerprint = COALESCE(fingerprint, ?)
      WHERE id = ? AND claim = ? AND status IS NULL`,
    [fingerprint, id, claim],
  );
}

/** @returns how many, at most `limit` */
export async function forgetOldAnswers(connection: Queryable, limit: number): Promise<number> {
  const [rows] = await connection.query<Row[]>(
    `SELECT id FROM idempotency_keys WHERE ${EXPIRED} ORDER BY created_at LIMIT ?`,
    [limit],
  );
  if (rows.length === 0) return 0;
  await connection.query(`DELETE FROM idempotency_keys WHERE id IN (?) AND ${EXPIRED}`, [rows.map((row) => row.id)]);
  return rows.length;
}

function unsealAnswer(seal: Seal, { status, answer }: Row): StoredAnswer {
  const { headers, body } = seal.open(answer) as Omit<StoredAnswer, 'status'>;
  return { status, headers, body };
}
