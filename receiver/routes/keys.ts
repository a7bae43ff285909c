import { z } from 'zod';
import { type ApiKey, KEY_ROLES } from '../../lib/api-keys.ts';
import type { AccessControl } from '../access/open-access.ts';
import { actorOf } from '../actor.ts';
import type { App } from '../app.ts';
import { errorReplySchema, HttpError } from '../errors.ts';

export const keySchema = z.object({
  id: z.number().int(),
  name: z.string(),
  roles: z.array(z.enum(KEY_ROLES)),
  createdAt: z.iso.datetime(),
  expiresAt: z.iso.datetime().nullable(),
  revokedAt: z.iso.datetime().nullable(),
  lastUsedAt: z.iso.datetime().nullable().describe('To some ten minutes.'),
});

const errors = { '4xx': errorReplySchema, '5xx': errorReplySchema };

/** API keys, for admins. The first one is made by `faceflow keys`, or named by ADMIN_KEY_HASH. */
export function addKeyRoutes(app: App, { access }: { access: AccessControl }): void {
  const { keys } = access;
  app.get(
    '/v1/keys',
    {
      schema: {
        summary: 'List API keys, also those that were revoked',
        tags: ['access'],
        response: { 200: z.object({ keys: z.array(keySchema) }), ...errors },
      },
    },
    async () => ({ keys: (await keys.listKeys()).map(presentKey) }),
  );

  app.post(
    '/v1/keys',
    {
      schema: {
        summary: 'Make an API key',
        description: 'The key stands in this answer and nowhere else: only its hash is kept.',
        tags: ['access'],
        body: z.strictObject({
          name: z
            .string()
            .trim()
            .min(1)
            .max(100)
            .regex(/^[^\p{Cc}\p{Cs}]*$/u, 'valid Unicode, no control characters'),
          roles: z.array(z.enum(KEY_ROLES)).min(1),
          expiresAt: z.iso.datetime().nullable().optional(),
        }),
        response: { 201: keySchema.extend({ key: z.string().describe('ff_…') }), ...errors },
      },
    },
    async (request, reply) => {
      const { body, caller, log } = request;
      const expiresAt = body.expiresAt ? new Date(body.expiresAt) : null;
      if (expiresAt !== null && expiresAt.getTime() <= Date.now()) {
        throw new HttpError(400, 'invalid_request', 'expiresAt: the key would have expired already.');
      }
      const { key, ...made } = await keys.addKey({
        name: body.name,
        roles: body.roles,
        expiresAt,
        actor: actorOf(request),
      });
      log.info({ key: made.id, roles: made.roles, caller: caller.id }, 'an API key was made');
      return reply.status(201).send({ ...presentKey(made), key });
    },
  );

  app.delete(
    '/v1/keys/:id',
    {
      schema: {
        summary: 'Revoke an API key',
        description: 'It stops working within seconds, at every receiver, and stays in the list.',
        tags: ['access'],
        params: z.object({ id: z.coerce.number().int().positive().max(4_294_967_295) }),
        response: { 200: keySchema, ...errors },
      },
    },
    async (request) => {
      const { params, caller, log } = request;
      const revoked = await keys.revokeKey(params.id, actorOf(request));
      log.info({ key: params.id, caller: caller.id }, 'an API key was revoked');
      return presentKey(revoked);
    },
  );
}

function presentKey({
  id,
  name,
  roles,
  createdAt,
  expiresAt,
  revokedAt,
  lastUsedAt,
}: ApiKey): z.infer<typeof keySchema> {
  return {
    ...{ id, name, roles: [...roles] },
    createdAt: createdAt.toISOString(),
    expiresAt: expiresAt?.toISOString() ?? null,
    revokedAt: revokedAt?.toISOString() ?? null,
    lastUsedAt: lastUsedAt?.toISOString() ?? null,
  };
}
