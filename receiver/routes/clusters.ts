import { z } from 'zod';
import { type Cluster, type Clusters, clusterNotFound, openClusters } from '../../lib/clusters.ts';
import { actorOf } from '../actor.ts';
import type { App, AppOptions } from '../app.ts';
import { errorReplySchema, HttpError } from '../errors.ts';
import { faceSchema, personSchema } from '../face-schemas.ts';
import { nameSchema } from './people.ts';

const idSchema = z.coerce.number().int().positive().max(Number.MAX_SAFE_INTEGER);
const clusterParams = z.object({ id: idSchema });
const limitSchema = z.coerce.number().int().min(1).max(200).default(50);
const nextCursorSchema = z.string().nullable();
const errors = { '4xx': errorReplySchema };

export const clusterSchema = z.object({
  id: z.number().int().describe('Stays while the cluster grows.'),
  size: z.number().int().describe('How many faces.'),
  cover: z.number().int().nullable().describe('The id of the face that can be seen best.'),
  faces: z.array(z.number().int()).describe('Ids of some of its faces.'),
  ignored: z.boolean(),
  createdAt: z.iso.datetime(),
  updatedAt: z.iso.datetime(),
});

/** Unknown faces that are probably of one person. */
export function addClusterRoutes(app: App, { db }: Pick<AppOptions, 'db'>): void {
  const clusters = openClusters(db);
  addReading(app, clusters);
  addNaming(app, clusters);
  addShaping(app, clusters);
}

function addReading(app: App, clusters: Clusters): void {
  app.get(
    '/v1/clusters',
    {
      schema: {
        summary: 'Unknown faces that are probably of one person, most faces first',
        tags: ['clusters'],
        querystring: z.object({
          ignored: z.enum(['true', 'false']).default('false').describe('true: those that are ignored, instead.'),
          cursor: z
            .string()
            .regex(/^\d{1,10}-\d{1,15}$/, 'use the nextCursor of the page before')
            .optional(),
          limit: limitSchema,
        }),
        response: { 200: z.object({ clusters: z.array(clusterSchema), nextCursor: nextCursorSchema }), ...errors },
      },
    },
    async ({ query: { ignored, cursor, limit } }) => {
      const [size = 0, id = 0] = cursor?.split('-').map(Number) ?? [];
      // One more than asked for tells whether there is another page.
      const found = await clusters.listClusters({
        ignored: ignored === 'true',
        limit: limit + 1,
        ...(cursor === undefined ? {} : { after: { size, id } }),
      });
      const page = found.slice(0, limit);
      const last = found.length > limit ? page.at(-1) : undefined;
      return {
        clusters: page.map(presentCluster),
        nextCursor: last === undefined ? null : `${last.size}-${last.id}`,
      };
    },
  );

  app.get(
    '/v1/clusters/:id',
    {
      schema: {
        summary: 'One cluster',
        tags: ['clusters'],
        params: clusterParams,
        response: { 200: clusterSchema, ...errors },
      },
    },
    ({ params }) => readCluster(clusters, params.id),
  );

  app.get(
    '/v1/clusters/:id/faces',
    {
      schema: {
        summary: 'The faces of a cluster, by id',
        tags: ['clusters'],
        params: clusterParams,
        querystring: z.object({
          cursor: z
            .string()
            .regex(/^\d{1,15}$/, 'use the nextCursor of the page before')
            .optional(),
          limit: limitSchema,
        }),
        response: {
          200: z.object({
            faces: z.array(faceSchema.extend({ imageId: z.number().int() })),
            nextCursor: nextCursorSchema,
          }),
          ...errors,
        },
      },
    },
    async ({ params, query: { cursor, limit } }) => {
      await readCluster(clusters, params.id);
      const found = await clusters.listFaces(params.id, { after: Number(cursor ?? 0), limit: limit + 1 });
      const page = found.slice(0, limit);
      const last = found.length > limit ? page.at(-1) : undefined;
      return { faces: page, nextCursor: last === undefined ? null : String(last.id) };
    },
  );
}

function addNaming(app: App, clusters: Clusters): void {
  app.post(
    '/v1/clusters/:id/name',
    {
      schema: {
        summary: 'Say whose faces they are, all at once',
        description:
          'As PUT /v1/faces/:id/person for each. The best faces, at most five, become references; photos that were ' +
          'looked at before follow by themselves.',
        tags: ['clusters'],
        params: clusterParams,
        body: z.strictObject({
          personId: z.number().int().positive().optional(),
          name: nameSchema.optional().describe('Instead of personId; somebody new is made.'),
        }),
        response: {
          200: z.object({
            person: personSchema,
            faces: z.number().int(),
            images: z.number().int(),
            enrolled: z.number().int().describe('How many of the faces have become references.'),
          }),
          ...errors,
        },
      },
    },
    (request) => {
      const { personId, name } = request.body;
      if ((personId === undefined) === (name === undefined)) {
        throw new HttpError(400, 'invalid_request', 'The request is not valid: give either personId or name.');
      }
      return clusters.nameCluster(request.params.id, personId ?? name ?? '', actorOf(request));
    },
  );
}

function addShaping(app: App, clusters: Clusters): void {
  app.post(
    '/v1/clusters/:id/split',
    {
      schema: {
        summary: 'Take faces out, into a cluster of their own',
        description: 'The two never grow together again. Answers with the new cluster.',
        tags: ['clusters'],
        params: clusterParams,
        body: z.strictObject({ faces: z.array(idSchema).min(1).max(10_000) }),
        response: { 201: clusterSchema, ...errors },
      },
    },
    async (request, reply) => {
      const id = await clusters.splitCluster(request.params.id, request.body.faces, actorOf(request));
      return reply.status(201).send(await readCluster(clusters, id));
    },
  );

  app.patch(
    '/v1/clusters/:id',
    {
      schema: {
        summary: 'Ignore a cluster, or ignore it no longer',
        description: 'It is not listed, and goes on growing untold: strangers in the street.',
        tags: ['clusters'],
        params: clusterParams,
        body: z.strictObject({ ignored: z.boolean() }),
        response: { 200: clusterSchema, ...errors },
      },
    },
    async (request) => {
      const { params, body } = request;
      await clusters.ignoreCluster(params.id, body.ignored, actorOf(request));
      return readCluster(clusters, params.id);
    },
  );
}

async function readCluster(clusters: Clusters, id: number): Promise<z.infer<typeof clusterSchema>> {
  const cluster = await clusters.findCluster(id);
  if (cluster === null) throw clusterNotFound(id);
  return presentCluster(cluster);
}

function presentCluster(cluster: Cluster): z.infer<typeof clusterSchema> {
  return {
    ...cluster,
    faces: [...cluster.faces],
    createdAt: cluster.createdAt.toISOString(),
    updatedAt: cluster.updatedAt.toISOString(),
  };
}
