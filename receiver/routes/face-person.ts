import { z } from 'zod';
import { nameFace } from '../../lib/name-face.ts';
import { rejectFace } from '../../lib/reject-face.ts';
import { actorOf } from '../actor.ts';
import type { App, AppOptions } from '../app.ts';
import { errorReplySchema, HttpError } from '../errors.ts';
import { explainedFaceSchema } from '../face-schemas.ts';
import { nameSchema } from './people.ts';

const faceParams = z.object({ id: z.coerce.number().int().positive() });
export const faceOfImageSchema = explainedFaceSchema.extend({ imageId: z.number().int() });
const errors = { '4xx': errorReplySchema, '5xx': errorReplySchema };

/** What people say about a face. */
export function addFacePersonRoutes(app: App, options: AppOptions): void {
  const { db, events } = options;
  app.put(
    '/v1/faces/:id/person',
    {
      schema: {
        summary: 'Say whose face it is',
        description:
          'It stays theirs whatever a job finds. Unless `enrol` is false the face becomes a reference of the person; one ' +
          'that is too poor for that is named all the same, and `reason` says why it is not enrolled.',
        tags: ['faces'],
        params: faceParams,
        body: z.strictObject({
          personId: z.number().int().positive().optional(),
          name: nameSchema.optional().describe('Instead of personId; somebody new is made.'),
          enrol: z.boolean().default(true),
          force: z.boolean().default(false).describe('Enrol also a poor face, or a duplicate.'),
        }),
        response: {
          200: faceOfImageSchema.extend({
            enrolled: z.boolean(),
            reason: z.object({ code: z.string(), message: z.string() }).nullable().describe('Why it is not enrolled.'),
          }),
          ...errors,
        },
      },
    },
    async (request) => {
      const { params } = request;
      const { personId, name, enrol, force } = request.body;
      if ((personId === undefined) === (name === undefined)) {
        throw new HttpError(400, 'invalid_request', 'The request is not valid: give either personId or name.');
      }
      const person = personId ?? name ?? '';
      const named = await nameFace(db, params.id, { person, enrol, forced: force }, actorOf(request));
      events.publish({ kind: 'person.changed', personId: named.personId });
      const face = await readFace(options, named.imageId, params.id);
      return { ...face, enrolled: named.referenceId !== null, reason: named.refusal };
    },
  );

  app.delete(
    '/v1/faces/:id/person',
    {
      schema: {
        summary: 'Not this person',
        description: 'Remembered for this face and for faces like it. A reference that was made of it goes.',
        tags: ['faces'],
        params: faceParams,
        querystring: z.strictObject({
          person: z.coerce
            .number()
            .int()
            .positive()
            .optional()
            .describe('Who it is not; by default whose face it is now. With it the request can safely be repeated.'),
        }),
        response: { 200: faceOfImageSchema, ...errors },
      },
    },
    async (request) => {
      const { id } = request.params;
      return readFace(options, await rejectFace(db, id, request.query.person, actorOf(request)), id);
    },
  );
}

async function readFace({ images }: AppOptions, imageId: number, faceId: number) {
  const image = await images.findImage(imageId);
  const face = image?.faces.find(({ id }) => id === faceId);
  if (face === undefined) throw new HttpError(404, 'face_not_found', `There is no face ${faceId} any more.`);
  return { ...face, candidates: face.candidates ?? null, imageId };
}
