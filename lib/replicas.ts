import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import type { Database, Queryable, Row, WriteResult } from './database.ts';
import { messageOf } from './errors.ts';
import type { Log } from './log.ts';

/** Services whose processes say that they are there. */
export type ServiceName = 'receiver' | 'processor' | 'recognizer';

const detailsSchema = z.object({
  /** While it leads: which jobs, and the fence of the leadership (lib/leader.ts). */
  leads: z.object({ fence: z.number(), jobs: z.array(z.string()) }).optional(),
  /** Of a processor: its circuit breaker to the recognizer. */
  breaker: z
    .object({
      state: z.enum(['closed', 'open', 'half_open']),
      /** How long it has not been closed; null while it is. */
      unavailableForMs: z.number().nullable(),
      /** Until the recognizer is asked whether it is back; null unless the breaker is open. */
      nextAttemptInMs: z.number().nullable(),
    })
    .optional(),
  /** Of a recognizer: what it answers by, and how many faces it compares with. */
  gallery: z.object({ model: z.string(), faces: z.number() }).optional(),
  /** Of a recognizer: photos that it looks at side by side. */
  workers: z.number().optional(),
});

/** What a process says of itself. Times are told as distances from now: its clock may be another than the database's. */
export type ReplicaDetails = z.infer<typeof detailsSchema>;
type BreakerDetails = NonNullable<ReplicaDetails['breaker']>;

/** How a processor's circuit breaker to the recognizer was when it was last heard of. */
export interface ReplicaBreaker {
  readonly state: BreakerDetails['state'];
  /** Since when it has not been closed, by the database's clock; null while it is. */
  readonly unavailableSince: Date | null;
  /** When the recognizer is asked next whether it is back, ms from now; null unless the breaker is open. */
  readonly nextAttemptInMs: number | null;
}

/** A process that has been heard of lately. */
export interface Replica extends Omit<ReplicaDetails, 'breaker'> {
  readonly breaker: ReplicaBreaker | null;
  readonly service: ServiceName;
  /** For people: host and process id. */
  readonly name: string;
  readonly startedAt: Date;
  /** When it was last heard of, ms ago. */
  readonly seenMsAgo: number;
}

const REPORT_EVERY_MS = 10_000;
const SILENT_SECONDS = 35;
const DEAD_SECONDS = 3_600;

/** Undefined: not any more. */
type Changes = { readonly [Key in keyof ReplicaDetails]: ReplicaDetails[Key] | undefined };

export interface ReplicaReports {
  /** Changes what this process says of itself, and says it at once. */
  tell(changes: Changes): void;
  /** Resolves when the signal is aborted and the row is gone. */
  readonly ended: Promise<void>;
}

/** Says in the table `replicas` that this process is there, until `signal` is aborted. What fails is tried again. */
export function reportReplica(options: {
  readonly db: Database;
  readonly service: ServiceName;
  /** What changes by itself, asked for at each report. */
  readonly look?: () => ReplicaDetails;
  readonly log: Log;
  readonly signal: AbortSignal;
}): ReplicaReports {
  const { db, service, look = () => ({}), log, signal } = options;
  const id = randomUUID();
  let told: Changes = {};
  let hasChanged = new AbortController();

  const write = async () => {
    const details = { ...look(), ...told };
    await db.write(
      `INSERT INTO replicas (id, service, name, details, seen_at) VALUES (?, ?, ?, ?, CURRENT_TIMESTAMP(3))
       ON DUPLICATE KEY UPDATE details = VALUES(details), seen_at = VALUES(seen_at)`,
      [id, service, `${hostname()}/${process.pid}`, JSON.stringify(details)],
    );
    if (details.breaker) await writeProcessorRow(db, id, details.breaker);
  };
  const remove = async () => {
    await db.write('DELETE FROM replicas WHERE id = ?', [id]);
    if (service === 'processor') await db.write('DELETE FROM processors WHERE id = ?', [id]);
  };
  const reportUntilEnd = async () => {
    let failing = false;
    while (!signal.aborted) {
      hasChanged = new AbortController();
      try {
        await write();
        failing = false;
      } catch (error) {
        if (!failing) log.warn({ err: error }, `this process cannot say that it is there: ${messageOf(error)}`);
        failing = true;
      }
      await sleep(REPORT_EVERY_MS, undefined, { signal: AbortSignal.any([signal, hasChanged.signal]) }).catch(() => {});
    }
    // Its row would be taken for gone in half a minute anyhow.
    await remove().catch((error: unknown) => log.debug({ err: error }, 'a row was left behind'));
  };
  return {
    tell(changes) {
      told = { ...told, ...changes };
      hasChanged.abort();
    },
    ended: reportUntilEnd(),
  };
}

/**
 * What receivers of the version before this one read of a processor while they are replaced; this version's read `replicas`.
 * The version after this one writes `processors` no more, and the one after that drops the table.
 */
async function writeProcessorRow(
  db: Database,
  id: string,
  { state, unavailableForMs, nextAttemptInMs }: BreakerDetails,
): Promise<void> {
  const toMicroseconds = (ms: number | null) => (ms === null ? null : ms * 1_000);
  await db.write(
    `REPLACE INTO processors (id, breaker, unavailable_since, next_attempt_at, seen_at)
     VALUES (?, ?, CURRENT_TIMESTAMP(3) - INTERVAL ? MICROSECOND, CURRENT_TIMESTAMP(3) + INTERVAL ? MICROSECOND,
       CURRENT_TIMESTAMP(3))`,
    [id, state, toMicroseconds(unavailableForMs), toMicroseconds(nextAttemptInMs)],
  );
}

/** Those that have been heard of in the last half minute, by service and name. */
export async function listReplicas(db: Queryable): Promise<Replica[]> {
  const [rows] = await db.query<Row[]>(
    `SELECT service, name, CAST(details AS CHAR) AS details, started_at, seen_at,
       TIMESTAMPDIFF(MICROSECOND, seen_at, CURRENT_TIMESTAMP(3)) AS age FROM replicas
      WHERE seen_at > CURRENT_TIMESTAMP(3) - INTERVAL ? SECOND ORDER BY service, name, id`,
    [SILENT_SECONDS],
  );
  return rows.map((row) => {
    // Of a later version, perhaps, which says something else.
    const { breaker, ...details } = detailsSchema.safeParse(JSON.parse(row.details ?? '{}')).data ?? {};
    const seenMsAgo = Math.max(0, Math.round(row.age / 1_000));
    return {
      ...details,
      breaker: breaker ? readBreaker(breaker, { seenAt: row.seen_at, seenMsAgo }) : null,
      service: row.service,
      name: row.name,
      startedAt: row.started_at,
      seenMsAgo,
    };
  });
}

function readBreaker(
  { state, unavailableForMs, nextAttemptInMs }: BreakerDetails,
  { seenAt, seenMsAgo }: { readonly seenAt: Date; readonly seenMsAgo: number },
): ReplicaBreaker {
  return {
    state,
    unavailableSince: unavailableForMs === null ? null : new Date(seenAt.getTime() - unavailableForMs),
    nextAttemptInMs: nextAttemptInMs === null ? null : Math.max(0, nextAttemptInMs - seenMsAgo),
  };
}

/** Forgets processes that were silent for an hour. @returns how many */
export async function removeDeadReplicas(connection: Queryable): Promise<number> {
  const removeSilent = (table: string) =>
    connection.query<WriteResult>('DELETE FROM ?? WHERE seen_at < CURRENT_TIMESTAMP(3) - INTERVAL ? SECOND', [
      table,
      DEAD_SECONDS,
    ]);
  // What writeProcessorRow has written, and whoever was killed has left behind.
  await removeSilent('processors');
  const [{ affectedRows }] = await removeSilent('replicas');
  return affectedRows;
}

/**
 * Which replica leads each job. Whoever was killed may still say that it leads: the newest leader has the greatest fence.
 */
export function findLeaders(replicas: readonly Replica[]): Map<string, Replica> {
  const leaders = new Map<string, Replica>();
  for (const replica of replicas) {
    for (const job of replica.leads?.jobs ?? []) {
      const other = leaders.get(job)?.leads?.fence ?? -1;
      if ((replica.leads?.fence ?? 0) > other) leaders.set(job, replica);
    }
  }
  return leaders;
}
