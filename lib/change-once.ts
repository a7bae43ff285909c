import type { Actor } from './audit.ts';
import type { Database, Queryable } from './database.ts';
import { lockOperation } from './idempotency.ts';

/**
 * Runs `work` in a transaction as `db.transact` does, but once for each Idempotency-Key, whatever dies in between: what it
 * returns is stored in the same transaction, and another try of the request gets that instead of doing it again. A request may
 * make several such changes; each try must make them in the same order.
 *
 * The key's row is locked first of all, and a try that was overtaken while it was paused changes nothing.
 *
 * @param work returns what JSON can hold; nothing counts as null
 * @throws ClaimLost, KeyReused
 */
export function changeOnce<Result>(
  db: Database,
  { operation }: Pick<Actor, 'operation'>,
  work: (connection: Queryable) => Promise<Result>,
): Promise<Result> {
  if (operation === null) return db.transact(work);
  const step = operation.steps++;
  return db.transact(async (connection) => {
    const effects = await lockOperation(connection, operation);
    if (step < effects.length) return effects[step] as Result;
    const result = await work(connection);
    const sealed = operation.seal.close([...effects, result ?? null]);
    await connection.query(
      'UPDATE idempotency_keys SET effects = ?, fingerprint = COALESCE(fingerprint, ?) WHERE id = ?',
      [sealed, operation.fingerprint, operation.id],
    );
    return result;
  });
}
