import { z } from 'zod';
import { type Batch, type EnrolmentPhoto, openEnrolmentBatches } from '../../lib/enrolment-batches.ts';
import { ENROLMENT_STATUSES } from '../../lib/enrolments.ts';
import { enrolFace } from '../../lib/name-face.ts';
import { findOrMakePeople, openPersons, personNotFound } from '../../lib/persons.ts';
import { actorOf } from '../actor.ts';
import type { App, AppOptions } from '../app.ts';
import { type EnrolOptions, enrolPaths } from '../enrol-paths.ts';
import { errorReplySchema, HttpError } from '../errors.ts';
import { carriesPhotos, receivePhotos } from '../receive-photos.ts';
import { nameSchema, personParams } from './people.ts';

/** Photos in one call. */
const MAX_PHOTOS = 10_000;
/** Room for as many paths of the usual length. */
const BULK_BODY_BYTES = 16 * 1024 * 1024;

const idSchema = z.number().int().positive();
const faceIndexSchema = z
  .number()
  .int()
  .min(0)
  .max(1_000)
  .describe('Which face of the photo, 0 is the largest; without it the photo must show one face only.');
const photoSchema = z.strictObject({ path: z.string(), face: faceIndexSchema.optional() });
const forceSchema = z
  .boolean()
  .default(false)
  .describe('Also a poor face, a duplicate, or one that looks like somebody else.');

export const batchSchema = z.object({
  id: z.number().int(),
  total: z.number().int(),
  pending: z.number().int(),
  enrolled: z.number().int(),
  refused: z.number().int(),
  failed: z.number().int(),
  createdAt: z.iso.datetime(),
  finishedAt: z.iso.datetime().nullable(),
});

export const enrolmentSchema = z.object({
  id: z.number().int(),
  personId: z.number().int(),
  path: z.string(),
  face: z.number().int().nullable(),
  status: z.enum(ENROLMENT_STATUSES),
  reason: z.object({ code: z.string(), message: z.string() }).nullable().describe('Why refused or failed.'),
  referenceId: z.number().int().nullable(),
  finishedAt: z.iso.datetime().nullable(),
});

const acceptedSchema = z.object({ batch: batchSchema });
const enrolledSchema = z.object({ reference: z.number().int() });
const errors = { '4xx': errorReplySchema, '5xx': errorReplySchema };

export function addEnrolmentRoutes(app: App, options: AppOptions): void {
  const enrolling = { ...options, enrolments: openEnrolmentBatches(options.db) };
  addFacesOfPerson(app, options, enrolling);
  addBulk(app, options, enrolling);
  addProgress(app, enrolling);
}

function addFacesOfPerson(app: App, { db, roots, limits }: AppOptions, enrolling: EnrolOptions): void {
  const persons = openPersons(db);
  app.post(
    '/v1/people/:id/faces',
    {
      bodyLimit: BULK_BODY_BYTES,
      config: { takesUploads: true },
      schema: {
        summary: 'Enrol photos of a person, by path or as an upload, or a face that was seen',
        description: `At most ${MAX_PHOTOS} paths. Photos are looked at by the workers: ask for the batch how it went.`,
        tags: ['people'],
        consumes: ['application/json', 'multipart/form-data'],
        params: personParams,
        // Null: an upload.
        body: z
          .union([
            z.strictObject({ paths: z.array(photoSchema).min(1), force: forceSchema }),
            z.strictObject({ faceId: idSchema, force: forceSchema }),
          ])
          .nullable(),
        response: { 201: enrolledSchema, 202: acceptedSchema, ...errors },
      },
    },
    async (request, reply) => {
      const { body } = request;
      const personId = request.params.id;
      const actor = actorOf(request);
      if (body !== null && body !== undefined && 'faceId' in body) {
        const reference = await enrolFace(db, body.faceId, { personId, forced: body.force }, actor);
        return reply.status(201).send({ reference });
      }
      if (body !== null && body !== undefined) {
        assertNotTooMany(body.paths.length);
        const photos = body.paths.map((photo) => ({ ...photo, personId }));
        const batch = await enrolPaths(photos, { forced: body.force, actor }, enrolling);
        return reply.status(202).send({ batch: presentBatch(batch) });
      }
      if (!carriesPhotos(request)) throw new HttpError(400, 'invalid_request', 'Give paths, a faceId, or files.');
      // Before the photos are stored: nobody could erase them.
      if ((await persons.findPerson(personId)) === null) throw personNotFound(personId);
      const { paths, fields } = await receivePhotos(request, { root: roots[0] ?? '', maxBytes: limits.maxBytes });
      const face = readFaceField(fields.get('face'));
      const photos = [...new Set(paths)].map((path) => ({ path, personId, ...(face === undefined ? {} : { face }) }));
      const batch = await enrolPaths(photos, { forced: fields.get('force') === 'true', actor }, enrolling);
      return reply.status(202).send({ batch: presentBatch(batch) });
    },
  );
}

function readFaceField(text: string | undefined): number | undefined {
  if (text === undefined || text === '') return undefined;
  const result = faceIndexSchema.safeParse(Number(text));
  if (result.success) return result.data;
  throw new HttpError(400, 'invalid_request', 'The request is not valid: face: a whole number, 0 is the largest face');
}

function addBulk(app: App, { db }: AppOptions, enrolling: EnrolOptions): void {
  app.post(
    '/v1/enrolments',
    {
      bodyLimit: BULK_BODY_BYTES,
      schema: {
        summary: 'Enrol many photos of many people',
        description: `At most ${MAX_PHOTOS}. A person is named by id, or by name and made where there is none.`,
        tags: ['people'],
        body: z.strictObject({
          enrolments: z.array(photoSchema.extend({ person: z.union([idSchema, nameSchema]) })).min(1),
          force: forceSchema,
        }),
        response: { 202: acceptedSchema, ...errors },
      },
    },
    async (request, reply) => {
      const { body } = request;
      const actor = actorOf(request);
      assertNotTooMany(body.enrolments.length);
      const names = new Set(body.enrolments.flatMap(({ person }) => (typeof person === 'string' ? [person] : [])));
      const ids = await findOrMakePeople(db, [...names], actor);
      const photos = body.enrolments.map(({ person, path, face }) => {
        const personId = typeof person === 'number' ? person : ids.get(person);
        if (personId === undefined) throw new Error('A person was removed while their photos were being enrolled.');
        return { personId, path, face };
      });
      const batch = await enrolPaths(photos, { forced: body.force, actor }, enrolling);
      return reply.status(202).send({ batch: presentBatch(batch) });
    },
  );
}

function addProgress(app: App, { enrolments }: EnrolOptions): void {
  const params = z.object({ batch: z.coerce.number().int().positive() });
  const findBatch = async (id: number): Promise<Batch> => {
    const batch = await enrolments.findBatch(id);
    if (batch === null) throw new HttpError(404, 'batch_not_found', `There is no batch ${id}.`);
    return batch;
  };

  app.get(
    '/v1/enrolments/:batch',
    {
      schema: {
        summary: 'How far a batch is',
        tags: ['people'],
        params,
        response: { 200: batchSchema, ...errors },
      },
    },
    async (request) => presentBatch(await findBatch(request.params.batch)),
  );

  app.get(
    '/v1/enrolments/:batch/photos',
    {
      schema: {
        summary: 'What became of each photo of a batch, in the order given',
        tags: ['people'],
        params,
        querystring: z.object({
          status: z.enum(ENROLMENT_STATUSES).optional(),
          cursor: z
            .string()
            .regex(/^\d{1,15}$/, 'use the nextCursor of the page before')
            .optional(),
          limit: z.coerce.number().int().min(1).max(1_000).default(100),
        }),
        response: { 200: z.object({ photos: z.array(enrolmentSchema), nextCursor: z.string().nullable() }), ...errors },
      },
    },
    async ({ params: { batch }, query: { status, cursor, limit } }) => {
      await findBatch(batch);
      const found = await enrolments.listPhotos(batch, {
        limit: limit + 1,
        ...(status === undefined ? {} : { status }),
        ...(cursor === undefined ? {} : { after: Number(cursor) }),
      });
      const page = found.slice(0, limit);
      const last = found.length > limit ? page.at(-1) : undefined;
      return { photos: page.map(presentPhoto), nextCursor: last === undefined ? null : String(last.id) };
    },
  );
}

function assertNotTooMany(count: number): void {
  if (count <= MAX_PHOTOS) return;
  throw new HttpError(413, 'too_many_paths', `At most ${MAX_PHOTOS} photos in one request; these are ${count}.`);
}

function presentBatch({ createdAt, finishedAt, ...counts }: Batch): z.infer<typeof batchSchema> {
  return { ...counts, createdAt: createdAt.toISOString(), finishedAt: finishedAt?.toISOString() ?? null };
}

function presentPhoto({ faceIndex, finishedAt, ...photo }: EnrolmentPhoto): z.infer<typeof enrolmentSchema> {
  return { ...photo, face: faceIndex, finishedAt: finishedAt?.toISOString() ?? null };
}
