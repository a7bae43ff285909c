import type { FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { normalizeImagePath } from '../../lib/image-path.ts';
import { CANDIDATE_LIMIT } from '../../lib/similarity.ts';
import { MAX_CANDIDATES } from '../../lib/stored-candidates.ts';
import type { App, AppOptions } from '../app.ts';
import { errorReplySchema, HttpError } from '../errors.ts';
import { boxSchema, personSchema, qualitySchema } from '../face-schemas.ts';
import { receiveSearchPhoto } from '../receive-search-photo.ts';
import type { SearchPhoto } from '../recognizer-client.ts';
import { presentSearch } from '../search.ts';

/** Photos that are in memory at once: each is there twice, and of MAX_IMAGE_BYTES at most. */
const MAX_SEARCHES = 4;

/** As a form or a query string gives it, too. */
const flag = z.union([z.boolean(), z.enum(['true', 'false']).transform((word) => word === 'true')]);

const wishesSchema = z.object({
  limit: z.coerce.number().int().min(1).max(MAX_CANDIDATES).optional().describe(`People, 5 where it is not said.`),
  maxDistance: z.coerce.number().min(0).max(CANDIDATE_LIMIT).optional().describe('Of people; 0.7 is the farthest.'),
  images: flag.optional().describe('Also the stored photos in which the face appears.'),
  imagesLimit: z.coerce.number().int().min(1).max(200).optional().describe('20 where it is not said.'),
});
export type SearchWishes = z.infer<typeof wishesSchema>;

const matchSchema = z.object({
  person: personSchema,
  distance: z.number(),
  similarity: z.number(),
  threshold: z.number().describe('The largest distance at which the face counts as theirs.'),
  matched: z.boolean().describe('This is who it is. One face of a photo at most is the same person.'),
});

const foundPhotoSchema = z.object({
  id: z.number().int(),
  path: z.string(),
  faceId: z.number().int(),
  distance: z.number().nullable().describe('To that face; null where it has no descriptor of this model.'),
  similarity: z.number().nullable(),
  person: personSchema.nullable().describe('Whose the stored face is.'),
});

const searchSchema = z.object({
  width: z.number().int().describe('Pixels, after EXIF rotation.'),
  height: z.number().int(),
  model: z.string(),
  galleryRevision: z.number().int(),
  faces: z.array(
    z.object({
      box: boxSchema,
      confidence: z.number(),
      quality: qualitySchema.nullable(),
      person: personSchema.nullable(),
      matches: z.array(matchSchema).describe('People, nearest first.'),
      images: z.array(foundPhotoSchema).optional().describe('Nearest first.'),
    }),
  ),
  scan: z
    .object({
      faces: z.number().int().describe('Stored faces that were compared.'),
      complete: z.boolean().describe('False: there are older ones that were not.'),
      ms: z.number().int(),
    })
    .optional(),
});
export type SearchAnswer = z.infer<typeof searchSchema>;

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
  { limits }: AppOptions,
): Promise<{ photo: SearchPhoto; wishes: SearchWishes }> {
  const body = request.body as (SearchWishes & { path: string }) | null;
  if (body) {
    const { path, ...wishes } = body;
    return { photo: { path: normalizeImagePath(path) }, wishes };
  }
  if (!request.isMultipart()) throw new HttpError(400, 'invalid_request', 'Give a path, or a form with a photo.');
  const { file, fields } = await receiveSearchPhoto(request, limits);
  const wishes = wishesSchema.safeParse(fields);
  if (wishes.success) return { photo: { file }, wishes: wishes.data };
  const problems = wishes.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`);
  throw new HttpError(400, 'invalid_request', `The request is not valid: ${problems.join('; ')}`);
}

/** Aborted when whoever asked has gone: nobody else needs the answer. */
function untilGone(reply: FastifyReply): AbortSignal {
  const gone = new AbortController();
  reply.raw.once('close', () => {
    if (!reply.raw.writableFinished) gone.abort(new Error('The caller has gone.'));
  });
  return gone.signal;
}
