import { z } from 'zod';
import { AUDIT_ACTIONS, listAudit } from '../../lib/audit.ts';
import type { App, AppOptions } from '../app.ts';
import { errorReplySchema } from '../errors.ts';
import { endOf, momentSchema, startOf } from '../moments.ts';

const idSchema = z.number().int().nullable();
export const entrySchema = z.object({
  id: z.number().int(),
  at: z.iso.datetime(),
  action: z.enum(AUDIT_ACTIONS),
  caller: z
    .string()
    .describe('`local`, `key:7`, `user:https://issuer/#subject`, or a part of the system: `system:folder`.'),
  requestId: z.string().nullable().describe('The header X-Request-Id of the answer.'),
  personId: idSchema,
  imageId: idSchema,
  faceId: idSchema,
  details: z.record(z.string(), z.unknown()).nullable().describe('Ids and numbers.'),
});

export function addAuditRoute(app: App, { db }: Pick<AppOptions, 'db'>): void {
  app.get(
    '/v1/audit',
    {
      schema: {
        summary: 'Who changed what, newest first',
        description: 'For admins. It tells ids, never names: those of people who were erased would have to go.',
        tags: ['audit'],
        querystring: z.object({
          action: z.enum(AUDIT_ACTIONS).optional(),
          person: z.coerce.number().int().positive().optional().describe('Whom it was done to.'),
          caller: z.string().min(1).max(512).optional().describe('Who did it.'),
          from: momentSchema.optional().describe('At this moment or later; or on this day (UTC) or later.'),
          to: momentSchema.optional().describe('Before this moment; or on this day (UTC) or earlier.'),
          cursor: z
            .string()
            .regex(/^\d{1,15}$/, 'use the nextCursor of the page before')
            .optional(),
          limit: z.coerce.number().int().min(1).max(1_000).default(100),
        }),
        response: {
          200: z.object({ entries: z.array(entrySchema), nextCursor: z.string().nullable() }),
          '4xx': errorReplySchema,
        },
      },
    },
    async (request) => {
      const { action, person, caller, from, to, cursor, limit } = request.query;
      // One more than asked for tells whether there is another page.
      const found = await listAudit(db, {
        limit: limit + 1,
        ...(action === undefined ? {} : { action }),
        ...(person === undefined ? {} : { personId: person }),
        ...(caller === undefined ? {} : { caller }),
        ...(from === undefined ? {} : { from: startOf(from) }),
        ...(to === undefined ? {} : { to: endOf(to) }),
        ...(cursor === undefined ? {} : { before: Number(cursor) }),
      });
      const page = found.slice(0, limit);
      const last = found.length > limit ? page.at(-1) : undefined;
      return {
        entries: page.map((entry) => ({
          ...entry,
          at: entry.at.toISOString(),
          details: entry.details === null ? null : { ...entry.details },
        })),
        nextCursor: last === undefined ? null : String(last.id),
      };
    },
  );
}
