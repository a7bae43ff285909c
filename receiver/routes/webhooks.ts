import { randomUUID } from 'node:crypto';
import { z } from 'zod';
import { recordAudit } from '../../lib/audit.ts';
import { changeOnce } from '../../lib/change-once.ts';
import type { Database } from '../../lib/database.ts';
import {
  countUndelivered,
  DELIVERY_STATUSES,
  type Delivery,
  listDeliveries,
  redriveDeliveries,
} from '../../lib/webhook-deliveries.ts';
import { toPayload, WEBHOOK_EVENTS } from '../../lib/webhook-events.ts';
import type { Webhook, Webhooks } from '../../lib/webhooks.ts';
import { actorOf } from '../actor.ts';
import type { App } from '../app.ts';
import { errorReplySchema } from '../errors.ts';
import type { WebhookSender } from '../webhooks/send.ts';

export interface WebhookRouteOptions {
  readonly db: Database;
  readonly webhooks: Webhooks;
  readonly sender: WebhookSender;
}

export const webhookSchema = z.object({
  id: z.number().int(),
  url: z.string(),
  events: z.array(z.enum(WEBHOOK_EVENTS)),
  createdAt: z.iso.datetime(),
  rotatedAt: z.iso.datetime().nullable().describe('When its secret was last changed.'),
});
export const secretSchema = webhookSchema.extend({ secret: z.string().describe('whsec_…, told only here.') });
export const listedSchema = webhookSchema.extend({
  pending: z.number().int().describe('Messages that wait to be sent, or to be sent again.'),
  dead: z.number().int().describe('Messages that were given up.'),
});
export const deliverySchema = z.object({
  id: z.number().int(),
  messageId: z.string().describe('The header webhook-id.'),
  event: z.enum(WEBHOOK_EVENTS),
  status: z.enum(DELIVERY_STATUSES),
  failures: z.number().int().describe('How many tries have failed.'),
  createdAt: z.iso.datetime(),
  attemptedAt: z.iso.datetime().nullable(),
  nextAttemptAt: z.iso.datetime().nullable(),
  answerStatus: z.number().int().nullable().describe('The HTTP status of the last answer.'),
  failure: z.string().nullable().describe('Why the last try failed: `http_status`, `timeout`, `connection_failed`, …'),
});

const idSchema = z.coerce.number().int().positive().max(4_294_967_295);
const params = z.object({ id: idSchema });
const errors = { '4xx': errorReplySchema, '5xx': errorReplySchema };
const tags = ['webhooks'];
/** Dead messages that one call has sent again. */
const MAX_REDRIVEN = 10_000;

/** Webhooks, for admins. Who they tell, and what, is docs/adr/0031-webhooks.md. */
export function addWebhookRoutes(app: App, options: WebhookRouteOptions): void {
  addWebhookList(app, options);
  addSecretRoutes(app, options);
  addTestRoute(app, options);
  addDeliveryRoutes(app, options);
}

function addWebhookList(app: App, { db, webhooks }: WebhookRouteOptions): void {
  app.get(
    '/v1/webhooks',
    {
      schema: {
        summary: 'List webhooks',
        tags,
        response: { 200: z.object({ webhooks: z.array(listedSchema) }), ...errors },
      },
    },
    async () => {
      const found = await webhooks.listWebhooks();
      const counts = await countUndelivered(
        db,
        found.map(({ id }) => id),
      );
      return {
        webhooks: found.map((hook) => ({ ...present(hook), ...(counts.get(hook.id) ?? { pending: 0, dead: 0 }) })),
      };
    },
  );

  app.delete(
    '/v1/webhooks/:id',
    {
      schema: {
        summary: 'Remove a webhook, with what was to be sent to it',
        tags,
        params,
        response: { 204: z.null(), ...errors },
      },
    },
    async (request, reply) => {
      await webhooks.removeWebhook(request.params.id, actorOf(request));
      return reply.status(204).send(null);
    },
  );
}

function addSecretRoutes(app: App, { webhooks, sender }: WebhookRouteOptions): void {
  app.post(
    '/v1/webhooks',
    {
      schema: {
        summary: 'Have a program told what happens',
        description: 'Messages are those of https://www.standardwebhooks.com, signed with the secret of this answer.',
        tags,
        body: z.strictObject({
          url: z.string().min(1).max(2_000),
          events: z
            .array(z.enum(WEBHOOK_EVENTS))
            .min(1)
            .default([...WEBHOOK_EVENTS])
            .describe('All when absent.'),
        }),
        response: { 201: secretSchema, ...errors },
      },
    },
    async (request, reply) => {
      const { url, events } = request.body;
      sender.check(url);
      const { secret, ...hook } = await webhooks.addWebhook({ url, events, actor: actorOf(request) });
      request.log.info({ webhook: hook.id, caller: request.caller.id }, 'a webhook was made');
      return reply.status(201).send({ ...present(hook), secret });
    },
  );

  app.post(
    '/v1/webhooks/:id/rotate',
    {
      schema: {
        summary: 'Give a webhook a new secret',
        description: 'For 24 hours messages are signed with the one before as well.',
        tags,
        params,
        response: { 200: secretSchema, ...errors },
      },
    },
    async (request) => {
      const { secret, ...hook } = await webhooks.rotateSecret(request.params.id, actorOf(request));
      return { ...present(hook), secret };
    },
  );
}

function addTestRoute(app: App, { db, webhooks, sender }: WebhookRouteOptions): void {
  app.post(
    '/v1/webhooks/:id/test',
    {
      schema: {
        summary: 'Send a webhook.test now, once, and tell what came of it',
        tags,
        params,
        response: {
          200: z.object({
            delivered: z.boolean(),
            messageId: z.string(),
            answerStatus: z.number().int().nullable(),
            failure: z.string().nullable(),
            milliseconds: z.number().int(),
          }),
          ...errors,
        },
      },
    },
    async (request) => {
      const hook = await webhooks.findWebhook(request.params.id);
      const secrets = await webhooks.readSecrets(hook.id);
      const actor = actorOf(request);
      await changeOnce(db, actor, (connection) =>
        recordAudit(connection, actor, { action: 'webhook.tested', details: { webhook: hook.id } }),
      );
      const messageId = randomUUID();
      const payload = toPayload('webhook.test', new Date(), { webhookId: hook.id });
      const startedAt = performance.now();
      const { status, failure } = await sender.send(hook.url, { messageId, payload, secrets });
      const milliseconds = Math.round(performance.now() - startedAt);
      return { delivered: failure === null, messageId, answerStatus: status, failure, milliseconds };
    },
  );
}

function addDeliveryRoutes(app: App, { db, webhooks }: WebhookRouteOptions): void {
  app.get(
    '/v1/webhooks/:id/deliveries',
    {
      schema: {
        summary: 'What was sent to a webhook, newest first',
        description: 'Delivered messages are kept for 3 days, dead ones for 30.',
        tags,
        params,
        querystring: z.object({
          status: z.enum(DELIVERY_STATUSES).optional(),
          cursor: z
            .string()
            .regex(/^\d{1,15}$/, 'use the nextCursor of the page before')
            .optional(),
          limit: z.coerce.number().int().min(1).max(1_000).default(100),
        }),
        response: {
          200: z.object({ deliveries: z.array(deliverySchema), nextCursor: z.string().nullable() }),
          ...errors,
        },
      },
    },
    async ({ params: { id }, query: { status, cursor, limit } }) => {
      await webhooks.findWebhook(id);
      const found = await listDeliveries(db, {
        ...{ webhookId: id, limit: limit + 1 },
        ...(status === undefined ? {} : { status }),
        ...(cursor === undefined ? {} : { before: Number(cursor) }),
      });
      const page = found.slice(0, limit);
      const last = found.length > limit ? page.at(-1) : undefined;
      return { deliveries: page.map(presentDelivery), nextCursor: last === undefined ? null : String(last.id) };
    },
  );

  app.post(
    '/v1/webhooks/:id/redrive',
    {
      schema: {
        summary: 'Send dead messages again',
        description: `These, or all of them; at most ${MAX_REDRIVEN} in one call.`,
        tags,
        params,
        body: z.strictObject({ ids: z.array(z.number().int().positive()).max(MAX_REDRIVEN).optional() }),
        response: { 202: z.object({ redriven: z.number().int() }), ...errors },
      },
    },
    async (request, reply) => {
      const { id } = await webhooks.findWebhook(request.params.id);
      const ids = request.body.ids;
      const actor = actorOf(request);
      const redriven = await changeOnce(db, actor, async (connection) => {
        const count = await redriveDeliveries(connection, id, { limit: MAX_REDRIVEN, ...(ids ? { ids } : {}) });
        const details = { webhook: id, deliveries: count };
        if (count > 0) await recordAudit(connection, actor, { action: 'webhook.redriven', details });
        return count;
      });
      return reply.status(202).send({ redriven });
    },
  );
}

function present({ id, url, events, createdAt, rotatedAt }: Webhook): z.infer<typeof webhookSchema> {
  return {
    ...{ id, url, events: [...events] },
    createdAt: createdAt.toISOString(),
    rotatedAt: rotatedAt?.toISOString() ?? null,
  };
}

function presentDelivery(delivery: Delivery): z.infer<typeof deliverySchema> {
  const { createdAt, attemptedAt, nextAttemptAt, event, ...rest } = delivery;
  return {
    ...rest,
    event: event as z.infer<typeof deliverySchema>['event'],
    createdAt: createdAt.toISOString(),
    attemptedAt: attemptedAt?.toISOString() ?? null,
    nextAttemptAt: nextAttemptAt?.toISOString() ?? null,
  };
}
