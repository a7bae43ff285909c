import { z } from 'zod';
import type { Database } from '../../lib/database.ts';
import { DESCRIPTOR_MODELS } from '../../lib/descriptor-models.ts';
import { PermanentError } from '../../lib/errors.ts';
import { activateModel, dropModel, prepareModel, readActiveModel, readModels } from '../../lib/models.ts';
import { readPersonNames } from '../../lib/read-faces.ts';
import { actorOf } from '../actor.ts';
import type { App, AppOptions } from '../app.ts';
import { errorReplySchema } from '../errors.ts';

const countsSchema = z.object({
  described: z.number().int(),
  waiting: z.number().int().describe('Nobody has looked at them yet.'),
  missing: z
    .record(z.string(), z.number().int())
    .describe('How many have none, by the code of why: they keep the descriptor that they have.'),
});

export const modelSchema = z.object({
  name: z.string(),
  description: z.string().nullable().describe('Null for a model of another version.'),
  state: z
    .enum(['available', 'preparing', 'prepared', 'active', 'dropping'])
    .describe('Prepared: every face and reference has been looked at; `counts` says which have a descriptor.'),
  preparedAt: z.iso.datetime().nullable(),
  activatedAt: z.iso.datetime().nullable().describe('Null when it has never answered, or always has.'),
  counts: z
    .object({ countedAt: z.iso.datetime(), faces: countsSchema, references: countsSchema })
    .nullable()
    .describe('Null until the job has counted.'),
  comparedAt: z.iso.datetime().nullable(),
});

const answerSchema = z.object({
  person: z.object({ id: z.number().int(), name: z.string().nullable() }).nullable(),
  distance: z.number().nullable(),
});

export const comparisonSchema = z.object({
  model: z.string(),
  activeModel: z.string(),
  comparedAt: z.iso.datetime(),
  galleryRevision: z.number().int(),
  photos: z.number().int(),
  faces: z.number().int().describe('Those that people have named are not compared: they stay.'),
  gained: z.number().int().describe('Faces that would get a name.'),
  lost: z.number().int().describe('Faces that would lose theirs.'),
  otherPerson: z.number().int(),
  changedPhotos: z.number().int(),
  examples: z.array(
    z.object({ imageId: z.number().int(), faceId: z.number().int(), from: answerSchema, to: answerSchema }),
  ),
});

const params = z.object({ name: z.string().max(64) });
const errors = { '4xx': errorReplySchema, '5xx': errorReplySchema };
const tags = ['models'];

/** What faces are described by, and how that is changed while photos are answered. */
export function addModelRoutes(app: App, { db }: Pick<AppOptions, 'db'>): void {
  app.get(
    '/v1/models',
    {
      schema: {
        summary: 'What faces can be described by, and how far each is prepared',
        tags,
        response: { 200: z.object({ models: z.array(modelSchema) }), ...errors },
      },
    },
    async () => ({ models: await listModels(db) }),
  );

  app.get(
    '/v1/models/:name/comparison',
    {
      schema: {
        summary: 'How many answers a model would change, with examples',
        description: 'Made by a job when the model has been prepared, by deciding every stored photo by it.',
        tags,
        params,
        response: { 200: comparisonSchema, ...errors },
      },
    },
    async ({ params }) => {
      const { comparison } = (await readModels(db)).find((model) => model.name === params.name) ?? {};
      if (comparison == null) {
        await findListed(db, params.name);
        throw new PermanentError('model_not_compared', `${params.name} has not been compared: prepare it, and wait.`);
      }
      const ids = comparison.examples.flatMap(({ from, to }) => [from.personId ?? [], to.personId ?? []].flat());
      const names = await readPersonNames(db, [...new Set(ids)]);
      const present = ({ personId, distance }: { personId: number | null; distance: number | null }) => ({
        person: personId === null ? null : { id: personId, name: names.get(personId) ?? null },
        distance,
      });
      const examples = comparison.examples.map((one) => ({ ...one, from: present(one.from), to: present(one.to) }));
      return { model: params.name, activeModel: await readActiveModel(db), ...comparison, examples };
    },
  );

  app.post(
    '/v1/models/:name/prepare',
    {
      schema: {
        summary: 'Compute descriptors of a model beside those that there are, and compare it',
        description: 'A job does so, from the photos. Asked again, what could not be described is tried again.',
        tags,
        params,
        response: { 202: modelSchema, ...errors },
      },
    },
    async (request, reply) => {
      const { params } = request;
      await prepareModel(db, params.name, actorOf(request));
      return reply.code(202).send(await findListed(db, params.name));
    },
  );

  app.post(
    '/v1/models/:name/activate',
    {
      schema: {
        summary: 'Answer by a model from now on',
        description:
          'It must be prepared. Recognizers switch when they see it, within a second or two; stored photos follow by a job.',
        tags,
        params,
        response: { 200: z.object({ model: modelSchema, galleryRevision: z.number().int() }), ...errors },
      },
    },
    async (request) => {
      const { params } = request;
      const galleryRevision = await activateModel(db, params.name, actorOf(request));
      return { model: await findListed(db, params.name), galleryRevision };
    },
  );

  app.delete(
    '/v1/models/:name',
    {
      schema: {
        summary: 'Remove the descriptors of a model that does not answer',
        description: 'A job does so. Faces and references that have no other descriptor keep theirs.',
        tags,
        params,
        response: { 202: modelSchema, ...errors },
      },
    },
    async (request, reply) => {
      const { params } = request;
      await dropModel(db, params.name, actorOf(request));
      return reply.code(202).send(await findListed(db, params.name));
    },
  );
}

async function findListed(db: Database, name: string) {
  const found = (await listModels(db)).find((model) => model.name === name);
  if (found === undefined) throw new PermanentError('model_not_found', `There is no model ${name}.`);
  return found;
}

async function listModels(db: Database) {
  const active = await readActiveModel(db);
  const stored = new Map((await readModels(db)).map((model) => [model.name, model]));
  const descriptions = new Map<string, string>(DESCRIPTOR_MODELS.map((model) => [model.name, model.description]));
  return [...new Set([...descriptions.keys(), active, ...stored.keys()])].map((name) => {
    const { dropping = false, preparedAt, activatedAt, counts, comparison } = stored.get(name) ?? {};
    const asked = dropping ? 'dropping' : preparedAt ? 'prepared' : 'preparing';
    const state: z.infer<typeof modelSchema>['state'] =
      name === active ? 'active' : stored.has(name) ? asked : 'available';
    return {
      ...{ name, description: descriptions.get(name) ?? null, state },
      preparedAt: preparedAt?.toISOString() ?? null,
      activatedAt: activatedAt?.toISOString() ?? null,
      counts: counts ?? null,
      comparedAt: comparison?.comparedAt ?? null,
    };
  });
}
