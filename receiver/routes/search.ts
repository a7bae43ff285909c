import type { FastifyRequest } from 'fastify';
import { z } from 'zod';
import type { App, AppOptions } from '../app.ts';
import { describeProblems } from '../describe-problems.ts';
import { errorReplySchema, HttpError } from '../errors.ts';
import { receiveSearchPhoto } from '../receive-search-photo.ts';
import type { SearchPhoto } from '../recognizer-client.ts';
import { presentSearch } from '../search.ts';
import { type SearchWishes, searchSchema, wishesSchema } from '../search-schemas.ts';
import { checkPath } from '../submit-paths.ts';
import { untilGone } from '../until-gone.ts';

/** Photos that are in memory at once: each is there twice, and of MAX_IMAGE_BYTES at most. */
const MAX_SEARCHES = 4;

export function addSearchRoute(app: App, options: AppOptions): void {
  let inHand = 0;
  app.post(
    '/v1/search',
    {
      config: { takesUploads: true },
      schema: {
        summary: 'Who is in this photo? Nothing of it is stored',
        description:
          'The photo comes as multipart/form-data in the field `photo`, or as the path of a file. An upload is kept in ' +
          'memory until the answer is there, and nowhere else. The other wishes may be fields, or stand in the query.',
        tags: ['search'],
        consumes: ['application/json', 'multipart/form-data'],
        querystring: wishesSchema,
        // Null: an upload.
        body: wishesSchema.extend({ path: z.string() }).nullable(),
        response: { 200: searchSchema, '4xx': errorReplySchema, '5xx': errorReplySchema },
      },
    },
    async (request, reply) => {
      if (inHand >= MAX_SEARCHES) {
        const message = `${MAX_SEARCHES} searches are going on already.`;
        throw new HttpError(503, 'search_busy', message, { retryAfterSeconds: 1 });
      }
      inHand += 1;
      try {
        const { photo, wishes } = await receive(request, options);
        const signal = untilGone(reply);
        const recognition = await options.recognizer.identify(photo, signal);
        return await presentSearch(options.db, recognition, { ...request.query, ...wishes }, signal);
      } finally {
        inHand -= 1;
      }
    },
  );
}

async function receive(
  request: FastifyRequest,
  { limits, sources }: AppOptions,
): Promise<{ photo: SearchPhoto; wishes: SearchWishes }> {
  const body = request.body as (SearchWishes & { path: string }) | null;
  if (body) {
    const { path, ...wishes } = body;
    const checked = await checkPath(path, sources);
    if ('error' in checked) throw checked.error;
    return { photo: { path: checked.normal }, wishes };
  }
  if (!request.isMultipart()) throw new HttpError(400, 'invalid_request', 'Give a path, or a form with a photo.');
  const { file, fields } = await receiveSearchPhoto(request, limits);
  const wishes = wishesSchema.safeParse(fields);
  if (wishes.success) return { photo: { file }, wishes: wishes.data };
  const problems = describeProblems(wishes.error.issues, 'form');
  throw new HttpError(400, 'invalid_request', `The request is not valid: ${problems}`);
}
