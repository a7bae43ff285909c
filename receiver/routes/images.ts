import { z } from 'zod';
import { messageOf } from '../../lib/errors.ts';
import type { Backlog } from '../../lib/image-queue.ts';
import { IMAGE_STATUSES, type Image } from '../../lib/images.ts';
import type { App, AppOptions } from '../app.ts';
import { errorReplySchema, HttpError } from '../errors.ts';

const ratio = z.number().min(0).max(1);
const personSchema = z.object({ id: z.number().int(), name: z.string() });
const boxSchema = z
  .object({ left: ratio, top: ratio, width: ratio, height: ratio })
  .describe("Ratios of the picture's width and height, origin top-left, after EXIF rotation.");

export const faceSchema = z.object({
  id: z.number().int(),
  box: boxSchema.nullable(),
  confidence: z.number().nullable().describe('0..1: is it a face? (Not: whose?)'),
  person: personSchema.nullable(),
  similarity: z.number().nullable().describe('0..1 of the match; 0.5 at the default threshold.'),
  distance: z.number().nullable().describe('Euclidean distance to the nearest known face, matched or not.'),
  referenceImage: z.string().nullable().describe('The known photo that was nearest, when the face matched.'),
});

const imageSchema = z.object({
  id: z.number().int(),
  path: z.string(),
  status: z.enum(IMAGE_STATUSES),
  person: personSchema.nullable().describe('Of the best match among the faces.'),
  similarity: z.number().nullable(),
  reason: z.object({ code: z.string(), message: z.string() }).nullable().describe('Why unreadable or failed.'),
  width: z.number().int().nullable().describe('Pixels, after EXIF rotation.'),
  height: z.number().int().nullable(),
  createdAt: z.iso.datetime(),
  finishedAt: z.iso.datetime().nullable(),
  faces: z.array(faceSchema).describe('Largest first.'),
});

const countsSchema = z.object(
  Object.fromEntries(IMAGE_STATUSES.map((status) => [status, z.number().int()])) as Record<
    (typeof IMAGE_STATUSES)[number],
    z.ZodNumber
  >,
);

export const imageParams = z.object({ id: z.coerce.number().int().positive() });

export function addImageRoutes(app: App, { images, queue }: AppOptions): void {
  app.get(
    '/v1/images',
    {
      schema: {
        summary: 'List images, newest first',
        tags: ['images'],
        querystring: z.object({
          status: z.enum(IMAGE_STATUSES).optional(),
          cursor: z
            .string()
            .regex(/^\d{1,15}$/, 'use the nextCursor of the page before')
            .optional(),
          limit: z.coerce.number().int().min(1).max(200).default(50),
        }),
        response: {
          200: z.object({ images: z.array(imageSchema), nextCursor: z.string().nullable() }),
          '4xx': errorReplySchema,
        },
      },
    },
    async ({ query: { status, cursor, limit } }) => {
      // One more than asked for tells whether there is another page.
      const found = await images.listImages({
        limit: limit + 1,
        ...(status === undefined ? {} : { status }),
        ...(cursor === undefined ? {} : { before: Number(cursor) }),
      });
      const page = found.slice(0, limit);
      const last = page.at(-1);
      return {
        images: page.map(presentImage),
        nextCursor: found.length > limit && last !== undefined ? String(last.id) : null,
      };
    },
  );

  app.get(
    '/v1/images/:id',
    {
      schema: {
        summary: 'One image with its faces',
        tags: ['images'],
        params: imageParams,
        response: { 200: imageSchema, '4xx': errorReplySchema },
      },
    },
    async ({ params }) => {
      const image = await images.findImage(params.id);
      if (image === null) throw imageNotFound(params.id);
      return presentImage(image);
    },
  );

  app.get(
    '/v1/stats',
    {
      schema: {
        summary: 'How many images there are in each status, and how many wait',
        tags: ['images'],
        response: {
          200: z.object({
            images: countsSchema,
            queue: z
              .object({ pending: z.number().int(), inFlight: z.number().int() })
              .nullable()
              .describe('Null while the queue cannot be reached.'),
          }),
        },
      },
    },
    async (request) => {
      const backlog: Promise<Backlog | null> = queue.backlog().catch((error: unknown) => {
        request.log.debug({ err: error }, `no backlog: ${messageOf(error)}`);
        return null;
      });
      return { images: await images.countByStatus(), queue: await backlog };
    },
  );
}

export function imageNotFound(id: number): HttpError {
  return new HttpError(404, 'image_not_found', `There is no image ${id}.`);
}

function presentImage(image: Image): z.infer<typeof imageSchema> {
  return {
    ...image,
    createdAt: image.createdAt.toISOString(),
    finishedAt: image.finishedAt?.toISOString() ?? null,
    faces: [...image.faces],
  };
}
