import { randomUUID } from 'node:crypto';
import type { AuditRecord } from './audit.ts';
import type { Queryable, Row } from './database.ts';
import type { ImageStatus } from './images.ts';
import { chunksOf } from './outbox.ts';

/** What webhooks may ask for: some of the events, under the same names (lib/events.ts). */
export const WEBHOOK_EVENTS = [
  'image.finished',
  'image.changed',
  'image.deleted',
  'person.changed',
  'person.removed',
] as const;
export type WebhookEventName = (typeof WEBHOOK_EVENTS)[number];
export type WebhookEvent =
  | { readonly kind: 'image.finished' | 'image.changed'; readonly imageId: number; readonly status: ImageStatus }
  | { readonly kind: 'image.deleted'; readonly imageId: number }
  | { readonly kind: 'person.changed' | 'person.removed'; readonly personId: number };

/** A message as the Standard Webhooks specification has it, version 1. */
export function toPayload(type: string, at: Date, data: Readonly<Record<string, unknown>>): string {
  return JSON.stringify({ type, timestamp: at.toISOString(), data });
}

/**
 * Notes for each webhook that wants it what has happened. Call it in the transaction in which it happens: then a webhook
 * is told of it if, and only if, it has happened, whatever dies in between. What is there several times is told once.
 */
export async function noteWebhookEvents(connection: Queryable, events: readonly WebhookEvent[]): Promise<void> {
  if (events.length === 0) return;
  // Without a lock: nobody who records an outcome waits for somebody who changes a webhook.
  const [hooks] = await connection.query<Row[]>('SELECT id, events FROM webhooks');
  if (hooks.length === 0) return;
  const at = new Date();
  const messages = new Map(
    events.map(({ kind, ...data }) => [toPayload(kind, at, data), kind] satisfies [string, WebhookEventName]),
  );
  const rows = hooks.flatMap((hook) => {
    const wanted = new Set(String(hook.events).split(','));
    return [...messages].flatMap(([payload, kind]) =>
      wanted.has(kind) ? [[hook.id, randomUUID(), kind, payload]] : [],
    );
  });
  for (const some of chunksOf(rows)) {
    await connection.query('INSERT INTO webhook_deliveries (webhook_id, message_id, event, payload) VALUES ?', [some]);
  }
}

/** `noteWebhookEvents` for images whose answers are others than before; `statuses` by their ids. */
export function noteChangedImages(connection: Queryable, statuses: ReadonlyMap<number, ImageStatus>): Promise<void> {
  return noteWebhookEvents(
    connection,
    [...statuses].map(([imageId, status]) => ({ kind: 'image.changed', imageId, status })),
  );
}

/** What of the things that are recorded changes a person, or removes somebody or something. */
const EVENT_OF_ACTION: Partial<Record<AuditRecord['action'], WebhookEventName>> = {
  'person.added': 'person.changed',
  'person.renamed': 'person.changed',
  'person.threshold_set': 'person.changed',
  'reference.added': 'person.changed',
  'reference.removed': 'person.changed',
  'face.named': 'person.changed',
  'face.rejected': 'person.changed',
  'cluster.named': 'person.changed',
  'person.merged': 'person.changed',
  'person.erased': 'person.removed',
  'image.deleted': 'image.deleted',
};

/** What webhooks are to be told of what is recorded. */
export function toWebhookEvents(records: readonly AuditRecord[]): WebhookEvent[] {
  return records.flatMap((record): WebhookEvent[] => {
    const isGone = record.action === 'person.merged' && record.details?.into !== undefined;
    const kind = isGone ? 'person.removed' : EVENT_OF_ACTION[record.action];
    if (kind === 'image.deleted') return record.imageId === undefined ? [] : [{ kind, imageId: record.imageId }];
    if (kind !== 'person.changed' && kind !== 'person.removed') return [];
    return record.personId === undefined ? [] : [{ kind, personId: record.personId }];
  });
}
