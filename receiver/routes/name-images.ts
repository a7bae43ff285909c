import { z } from 'zod';
import { nameImages, SKIP_REASONS } from '../../lib/name-images.ts';
import { actorOf } from '../actor.ts';
import type { App, AppOptions } from '../app.ts';
import { errorReplySchema, HttpError } from '../errors.ts';
import { personSchema } from '../face-schemas.ts';
import { nameSchema } from './people.ts';

/** Images in one call. */
const MAX_IDS = 500;

const idSchema = z.number().int().positive();

export function addNameImagesRoute(app: App, { db, events }: AppOptions): void {
  app.post(
    '/v1/images/name',
    {
      schema: {
        summary: 'Say who the one unknown face is, in many photos at once',
        description:
          'The best of the faces become references. A photo with several unknown faces is skipped, and so is one that ' +
          'shows the person already.',
        tags: ['images'],
        body: z.strictObject({
          ids: z.array(idSchema).min(1).max(MAX_IDS),
          personId: idSchema.optional(),
          name: nameSchema.optional().describe('Instead of personId; somebody new is made.'),
        }),
        response: {
          200: z.object({
            person: personSchema.nullable().describe('Null: nobody was named.'),
            named: z.array(z.number().int()).describe('Ids of images.'),
            skipped: z.array(z.object({ id: z.number().int(), reason: z.enum(SKIP_REASONS) })),
            enrolled: z.number().int().describe('How many of the faces have become references.'),
          }),
          '4xx': errorReplySchema,
        },
      },
    },
    async (request) => {
      const { ids, personId, name } = request.body;
      if ((personId === undefined) === (name === undefined)) {
        throw new HttpError(400, 'invalid_request', 'The request is not valid: give either personId or name.');
      }
      const { person, named, skipped, enrolled } = await nameImages(db, ids, personId ?? name ?? '', actorOf(request));
      if (person !== null) events.publish({ kind: 'person.changed', personId: person.id });
      return { person, named: [...named], skipped: [...skipped], enrolled };
    },
  );
}
