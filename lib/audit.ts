import type { Queryable, Row } from './database.ts';
import type { Operation } from './idempotency.ts';
import { chunksOf } from './outbox.ts';
import { noteWebhookEvents, toWebhookEvents } from './webhook-events.ts';

/** On whose behalf something is changed. */
export interface Actor {
  /** The same for ever: `local`, `key:7`, `user:https://issuer/#subject`, `system:retention`. */
  readonly caller: string;
  /** Of the HTTP request; null where there was none. */
  readonly requestId: string | null;
  /** What the request is known by when it is repeated; null without an Idempotency-Key. */
  readonly operation: Operation | null;
}

/** A part of the system that acts by itself, e.g. `retention`. */
export function systemActor(part: string): Actor {
  return { caller: `system:${part}`, requestId: null, operation: null };
}

/** Everything that is recorded. */
export const AUDIT_ACTIONS = [
  'person.added',
  'person.renamed',
  'person.threshold_set',
  'person.merged',
  'person.erasure_begun',
  'person.erased',
  'enrolment.requested',
  'enrolment.retried',
  'reference.added',
  'reference.removed',
  'face.named',
  'face.rejected',
  'faces.erased',
  'cluster.named',
  'cluster.split',
  'cluster.ignored',
  'threshold.set',
  'image.retried',
  'images.retried',
  'images.named',
  'image.deleted',
  'model.prepared',
  'model.activated',
  'model.dropped',
  'key.made',
  'key.revoked',
  'webhook.added',
  'webhook.removed',
  'webhook.rotated',
  'webhook.tested',
  'webhook.redriven',
] as const;
export type AuditAction = (typeof AUDIT_ACTIONS)[number];

export interface AuditRecord {
  readonly action: AuditAction;
  readonly personId?: number;
  readonly imageId?: number;
  readonly faceId?: number;
  /** Ids and numbers; never names, paths, descriptors or keys: an entry is for ever, also when somebody is erased. */
  readonly details?: Readonly<Record<string, unknown>>;
}

export interface AuditEntry {
  readonly id: number;
  readonly at: Date;
  readonly action: AuditAction;
  readonly caller: string;
  readonly requestId: string | null;
  readonly personId: number | null;
  readonly imageId: number | null;
  readonly faceId: number | null;
  readonly details: Readonly<Record<string, unknown>> | null;
}

/** What is left out does not matter. */
export interface AuditQuery {
  readonly action?: AuditAction;
  readonly caller?: string;
  readonly personId?: number;
  /** Inclusive. */
  readonly from?: Date;
  /** Exclusive. */
  readonly to?: Date;
  /** Only entries with a smaller id. */
  readonly before?: number;
  readonly limit: number;
}

/**
 * Records that something is changed, and notes it for webhooks that want to know. Call it in the transaction that changes
 * it, so that neither is ever there without the other.
 */
export async function recordAudit(
  connection: Queryable,
  { caller, requestId }: Pick<Actor, 'caller' | 'requestId'>,
  ...records: readonly AuditRecord[]
): Promise<void> {
  for (const some of chunksOf(records)) {
    await connection.query(
      'INSERT INTO audit (action, caller, request_id, person_id, image_id, face_id, details) VALUES ?',
      [
        some.map(({ action, personId, imageId, faceId, details }) => [
          ...[action, caller.slice(0, 512), requestId, personId ?? null, imageId ?? null, faceId ?? null],
          details === undefined ? null : JSON.stringify(details),
        ]),
      ],
    );
  }
  await noteWebhookEvents(connection, toWebhookEvents(records));
}

/** Newest first, as far as ids tell: on a cluster with several writers those of the same moment may be in another order. */
export async function listAudit(db: Queryable, query: AuditQuery): Promise<AuditEntry[]> {
  const conditions: [sql: string, value: unknown][] = [
    ['action = ?', query.action],
    ['caller = ?', query.caller],
    ['person_id = ?', query.personId],
    ['at >= ?', query.from],
    ['at < ?', query.to],
    ['id < ?', query.before],
  ];
  const used = conditions.filter(([, value]) => value !== undefined);
  const [rows] = await db.query<Row[]>(
    `SELECT id, at, action, caller, request_id, person_id, image_id, face_id, details FROM audit
      ${used.length === 0 ? '' : `WHERE ${used.map(([sql]) => sql).join(' AND ')}`} ORDER BY id DESC LIMIT ?`,
    [...used.map(([, value]) => value), query.limit],
  );
  return rows.map((row) => ({
    id: row.id,
    at: row.at,
    action: row.action,
    caller: row.caller,
    requestId: row.request_id,
    personId: row.person_id,
    imageId: row.image_id,
    faceId: row.face_id,
    // MariaDB gives JSON as text.
    details: typeof row.details === 'string' ? JSON.parse(row.details) : row.details,
  }));
}
