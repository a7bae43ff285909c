import { z } from 'zod';
import { IMAGE_STATUSES } from '../../lib/images.ts';
import type { App, AppOptions } from '../app.ts';
import { createPostCounter } from '../count-requests.ts';
import { errorReplySchema, errorSchema, HttpError, type RequestIds, toApiError } from '../errors.ts';
import { carriesPhotos, receivePhotos } from '../receive-photos.ts';
import { type Submitted, submitPaths } from '../submit-paths.ts';

const MAX_PATHS = 10_000;
/** Room for as many paths of the usual length; 1024 bytes each would be 10 MB. */
const BULK_BODY_BYTES = 16 * 1024 * 1024;

export const acceptedSchema = z.object({ id: z.number().int(), path: z.string(), status: z.enum(IMAGE_STATUSES) });
export const refusedSchema = z.object({ path: z.string(), error: errorSchema });
export const pathSchema = z.object({ path: z.string().describe('Relative to, or inside, one of IMAGE_ROOTS.') });

interface SubmitRouteOptions extends AppOptions {
  readonly count: (submitted: readonly Submitted[]) => void;
}

/** The two routes of the reference system, and the one that takes uploads. */
export function addSubmitRoutes(app: App, given: AppOptions): void {
  const options = { ...given, count: createPostCounter(given.metrics) };
  addUploadRoute(app, options);
  app.post(
    '/image/post',
    {
      schema: {
        summary: 'Submit one photo',
        tags: ['images'],
        body: pathSchema,
        response: { 202: acceptedSchema, '4xx': errorReplySchema, '5xx': errorReplySchema },
      },
    },
    async (request, reply) => {
      const [submitted] = await submitPaths([request.body.path], options);
      if (submitted !== undefined) options.count([submitted]);
      if (submitted === undefined || 'error' in submitted) throw submitted?.error;
      return reply.status(202).send(submitted.image);
    },
  );

  app.post(
    '/images/post',
    {
      bodyLimit: BULK_BODY_BYTES,
      schema: {
        summary: 'Submit many photos',
        description: `At most ${MAX_PATHS} paths. Each is accepted or refused by itself, in the order given.`,
        tags: ['images'],
        body: z.object({ paths: z.array(pathSchema) }),
        response: {
          202: z.object({ images: z.array(z.union([acceptedSchema, refusedSchema])) }),
          '4xx': errorReplySchema,
          '5xx': errorReplySchema,
        },
      },
    },
    async (request, reply) => {
      const paths = request.body.paths.map(({ path }) => path);
      return reply.status(202).send({ images: await submitMany(paths, options, request) });
    },
  );
}

function addUploadRoute(app: App, options: SubmitRouteOptions): void {
  const { roots, limits } = options;
  app.post(
    '/v1/images',
    {
      bodyLimit: BULK_BODY_BYTES,
      config: { takesUploads: true },
      schema: {
        summary: 'Submit photos, by path or as an upload',
        description:
          `At most ${MAX_PATHS} paths, or the photos themselves as multipart/form-data, which are stored below the first ` +
          'of IMAGE_ROOTS, named by their content: the same photo sent twice is the same image.',
        tags: ['images'],
        consumes: ['application/json', 'multipart/form-data'],
        // Null: an upload.
        body: z.strictObject({ paths: z.array(pathSchema.strict()) }).nullable(),
        response: {
          202: z.object({ images: z.array(z.union([acceptedSchema, refusedSchema])) }),
          '4xx': errorReplySchema,
          '5xx': errorReplySchema,
        },
      },
    },
    async (request, reply) => {
      const { body } = request;
      if (!body && !carriesPhotos(request)) throw new HttpError(400, 'invalid_request', 'Give paths, or files.');
      const paths = body
        ? body.paths.map(({ path }) => path)
        : (await receivePhotos(request, { root: roots[0] ?? '', maxBytes: limits.maxBytes })).paths;
      return reply.status(202).send({ images: await submitMany(paths, options, request) });
    },
  );
}

async function submitMany(paths: readonly string[], options: SubmitRouteOptions, request: RequestIds) {
  if (paths.length > MAX_PATHS) {
    const message = `At most ${MAX_PATHS} paths in one request; these are ${paths.length}.`;
    throw new HttpError(413, 'too_many_paths', message);
  }
  const submitted = await submitPaths(paths, options);
  options.count(submitted);
  return submitted.map((one) =>
    'error' in one ? { path: one.path, error: toApiError(one.error, request).body } : one.image,
  );
}
