import { z } from 'zod';
import { erasePerson } from '../../lib/erase-person.ts';
import { mergePeople } from '../../lib/merge-people.ts';
import { openPersons, type PersonDetail, type PersonSummary, type Persons, personNotFound } from '../../lib/persons.ts';
import { removeReference } from '../../lib/references.ts';
import { CANDIDATE_LIMIT } from '../../lib/similarity.ts';
import { actorOf } from '../actor.ts';
import type { App, AppOptions } from '../app.ts';
import { errorReplySchema } from '../errors.ts';
import { qualitySchema } from '../face-schemas.ts';
import { isUpload } from '../name-upload.ts';
import { deleteUpload } from '../store-upload.ts';

const idSchema = z.coerce.number().int().positive().max(Number.MAX_SAFE_INTEGER);
export const personParams = z.object({ id: idSchema });

export const nameSchema = z
  .string()
  .trim()
  .min(1)
  .max(255)
  .regex(/^[^\p{Cc}\p{Cs}]*$/u, 'valid Unicode, no control characters');

const thresholdSchema = z
  .number()
  .min(0)
  .max(CANDIDATE_LIMIT)
  .nullable()
  .describe("The largest distance that counts as this person; null: the gallery's.");

export const summarySchema = z.object({
  id: z.number().int(),
  name: z.string(),
  threshold: thresholdSchema,
  faces: z.number().int().describe('References: what others are compared to.'),
  images: z.number().int().describe('Images in which they were seen.'),
  cover: z.number().int().nullable().describe('The id of a face to show them by.'),
  coverReference: z.number().int().nullable().describe('Where there is no such face: the id of a reference.'),
  createdAt: z.iso.datetime(),
});

export const referenceSchema = z.object({
  id: z.number().int(),
  imageName: z.string(),
  source: z.enum(['folder', 'photo', 'face']).describe('KNOWN_PEOPLE, an enrolled photo, or a face of an image.'),
  path: z.string().nullable(),
  faceId: z.number().int().nullable(),
  quality: qualitySchema.nullable(),
  failure: z.string().nullable().describe('Why it cannot serve.'),
});

export const detailSchema = summarySchema.extend({ references: z.array(referenceSchema) });

export const receiptSchema = z.object({
  personId: z.number().int(),
  erasedAt: z.iso.datetime(),
  references: z.number().int(),
  descriptors: z.number().int().describe('Of references and of faces.'),
  faces: z.number().int(),
  photos: z.number().int().describe('Images that showed them.'),
  files: z.number().int().describe('Uploads that were deleted.'),
  folderPhotos: z
    .array(z.string())
    .nullable()
    .describe(
      'Photos in KNOWN_PEOPLE that you should delete. Null when the erasure had ended before: names are not kept.',
    ),
  folderPhotoCount: z.number().int(),
  digest: z.string().describe('SHA-256 over the sorted `table:id` of all rows that were removed or emptied.'),
});

const errors = { '4xx': errorReplySchema, '5xx': errorReplySchema };

export function addPeopleRoutes(app: App, options: AppOptions): void {
  const persons = openPersons(options.db);
  addReading(app, persons);
  addChanging(app, options, persons);
  addRemoving(app, options);
}

function addReading(app: App, persons: Persons): void {
  app.get(
    '/v1/people',
    {
      schema: {
        summary: 'List people, by name',
        tags: ['people'],
        querystring: z.object({
          q: z.string().trim().min(1).max(255).optional().describe('Part of the name, whatever its case.'),
          cursor: z.base64url('use the nextCursor of the page before').max(1400).optional(),
          limit: z.coerce.number().int().min(1).max(200).default(50),
        }),
        response: { 200: z.object({ people: z.array(summarySchema), nextCursor: z.string().nullable() }), ...errors },
      },
    },
    async ({ query: { q, cursor, limit } }) => {
      // One more than asked for tells whether there is another page.
      const found = await persons.listPeople({
        limit: limit + 1,
        ...(q === undefined ? {} : { q }),
        ...(cursor === undefined ? {} : { after: Buffer.from(cursor, 'base64url').toString() }),
      });
      const page = found.slice(0, limit);
      const last = found.length > limit ? page.at(-1) : undefined;
      return {
        people: page.map(presentSummary),
        nextCursor: last === undefined ? null : Buffer.from(last.name).toString('base64url'),
      };
    },
  );

  app.get(
    '/v1/people/:id',
    {
      schema: {
        summary: 'One person with their references',
        tags: ['people'],
        params: personParams,
        response: { 200: detailSchema, ...errors },
      },
    },
    ({ params }) => readPerson(persons, params.id),
  );
}

function addChanging(app: App, { db, events }: AppOptions, persons: Persons): void {
  app.post(
    '/v1/people',
    {
      schema: {
        summary: 'Add a person',
        tags: ['people'],
        body: z.strictObject({ name: nameSchema, threshold: thresholdSchema.optional() }),
        response: { 201: detailSchema, ...errors },
      },
    },
    async (request, reply) => {
      const { body } = request;
      const id = await persons.addPerson(body.name, body.threshold ?? null, actorOf(request));
      events.publish({ kind: 'person.changed', personId: id });
      return reply.status(201).send(await readPerson(persons, id));
    },
  );

  app.patch(
    '/v1/people/:id',
    {
      schema: {
        summary: 'Rename a person, or set their own threshold',
        tags: ['people'],
        params: personParams,
        body: z.strictObject({ name: nameSchema.optional(), threshold: thresholdSchema.optional() }),
        response: { 200: detailSchema, ...errors },
      },
    },
    async (request) => {
      const { params, body } = request;
      await persons.changePerson(params.id, body, actorOf(request));
      events.publish({ kind: 'person.changed', personId: params.id });
      return readPerson(persons, params.id);
    },
  );

  app.post(
    '/v1/people/:id/merge',
    {
      schema: {
        summary: 'Make several people one: they become this one',
        tags: ['people'],
        params: personParams,
        body: z.strictObject({ people: z.array(idSchema).min(1).max(100) }),
        response: { 200: detailSchema, ...errors },
      },
    },
    async (request) => {
      const { params, body } = request;
      await mergePeople(db, params.id, body.people, actorOf(request));
      for (const personId of body.people)
        if (personId !== params.id) events.publish({ kind: 'person.removed', personId });
      events.publish({ kind: 'person.changed', personId: params.id });
      return readPerson(persons, params.id);
    },
  );
}

function addRemoving(app: App, { db, events, roots }: AppOptions): void {
  app.delete(
    '/v1/people/:id',
    {
      schema: {
        summary: 'Erase a person',
        description:
          'Removes their references, descriptors, and names in photos. The answer is the receipt; asking again gives it ' +
          'again, or finishes an erasure that died half-way.',
        tags: ['people'],
        params: personParams,
        response: { 200: receiptSchema, ...errors },
      },
    },
    async (request) => {
      const { params } = request;
      const { folderPhotos, ...receipt } = await erasePerson(db, params.id, {
        actor: actorOf(request),
        isUpload,
        deleteUpload: (path) => deleteUpload(path, { root: roots[0] ?? '' }),
      });
      events.publish({ kind: 'person.removed', personId: params.id });
      return { ...receipt, folderPhotos: folderPhotos === null ? null : [...folderPhotos] };
    },
  );

  app.delete(
    '/v1/people/:id/faces/:reference',
    {
      schema: {
        summary: 'Remove a reference',
        tags: ['people'],
        params: personParams.extend({ reference: idSchema }),
        response: { 204: z.null(), ...errors },
      },
    },
    async (request, reply) => {
      const { params } = request;
      await removeReference(db, params.id, params.reference, actorOf(request));
      events.publish({ kind: 'person.changed', personId: params.id });
      return reply.status(204).send(null);
    },
  );
}

async function readPerson(persons: Persons, id: number): Promise<z.infer<typeof detailSchema>> {
  const person: PersonDetail | null = await persons.findPerson(id);
  if (person === null) throw personNotFound(id);
  return { ...presentSummary(person), references: [...person.references] };
}

function presentSummary({ createdAt, id, name, threshold, faces, images, cover, coverReference }: PersonSummary) {
  return { id, name, threshold, faces, images, cover, coverReference, createdAt: createdAt.toISOString() };
}
