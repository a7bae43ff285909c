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
    .object({ state: z.enum(['closed', 'open', 'half_open']), nextAttemptInMs: z.number().nullable() })
    .optional(),
  /** Of a recognizer: what it answers by, and how many faces it compares with. */
  gallery: z.object({ model: z.string(), faces: z.number() }).optional(),
  /** Of a recognizer: photos that it looks at side by side. */
  workers: z.number().optional(),
});

/** What a process says of itself. */
export type ReplicaDetails = z.infer<typeof detailsSchema>;

/** A process that has been heard of lately. */
export interface Replica extends ReplicaDetails {
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

  const write = () =>
    db.write(
      `INSERT INTO replicas (id, service, name, details, seen_at) VALUES (?, ?, ?, ?, CURRENT_TIMESTAMP(3))
       ON DUPLICATE KEY UPDATE details = VALUES(details), seen_at = VALUES(seen_at)`,
      [id, service, `${hostname()}/${process.pid}`, JSON.stringify({ ...look(), ...told })],
    );
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
    const removing = db.write('DELETE FROM replicas WHERE id = ?', [id]);
    await removing.catch((error: unknown) => log.debug({ err: error }, 'a row was left behind'));
  };
  return {
    tell(changes) {
      told = { ...told, ...changes };
      hasChanged.abort();
    },
    ended: reportUntilEnd(),
  };
}

/** Those that have been heard of in the last half minute, by service and name. */
export async function listReplicas(db: Queryable): Promise<Replica[]> {
  const [rows] = await db.query<Row[]>(
    `SELECT service, name, CAST(details AS CHAR) AS details, started_at,
       TIMESTAMPDIFF(MICROSECOND, seen_at, CURRENT_TIMESTAMP(3)) AS age FROM replicas
      WHERE seen_at > CURRENT_TIMESTAMP(3) - INTERVAL ? SECOND ORDER BY service, name, id`,
    [SILENT_SECONDS],
  );
  return rows.map((row) => ({
    // Of a later version, perhaps, which says something else.
    ...(detailsSchema.safeParse(JSON.parse(row.details ?? '{}')).data ?? {}),
    service: row.service,
    name: row.name,
    startedAt: row.started_at,
    seenMsAgo: Math.max(0, Math.round(row.age / 1000)),
  }));
}

/** Forgets processes that were silent for an hour. @returns how many */
export async function removeDeadReplicas(connection: Queryable): Promise<number> {
  const [{ affectedRows }] = await connection.query<WriteResult>(
    'DELETE FROM replicas WHERE seen_at < CURRENT_TIMESTAMP(3) - INTERVAL ? SECOND',
    [DEAD_SECONDS],
  );
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
