import { z } from 'zod';
import { messageOf } from '../../lib/errors.ts';
import type { Backlog } from '../../lib/image-queue.ts';
import { IMAGE_STATUSES, type Image } from '../../lib/images.ts';
import { summariseProcessors } from '../../lib/processors.ts';
import type { App, AppOptions } from '../app.ts';
import { errorReplySchema, HttpError } from '../errors.ts';
import { explainedFaceSchema, faceSchema, personSchema } from '../face-schemas.ts';
import { presentProcessing, processingSchema } from '../processing.ts';

export const imageSchema = z.object({
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
  retryAt: z.iso.datetime().nullable().describe('Of what has failed: when it is tried again by itself.'),
  faces: z.array(faceSchema).describe('Largest first.'),
});

export const explainedImageSchema = imageSchema.extend({
  faces: z.array(explainedFaceSchema).describe('Largest first.'),
});

const countsSchema = z.object(
  Object.fromEntries(IMAGE_STATUSES.map((status) => [status, z.number().int()])) as Record<
    (typeof IMAGE_STATUSES)[number],
    z.ZodNumber
  >,
);

export const imageParams = z.object({ id: z.coerce.number().int().positive() });

export function addImageRoutes(app: App, { db, images, queue }: AppOptions): void {
  app.get(
    '/v1/images/:id',
    {
      schema: {
        summary: 'One image with its faces, and the candidates for each',
        tags: ['images'],
        params: imageParams,
        response: { 200: explainedImageSchema, '4xx': errorReplySchema },
      },
    },
    async ({ params }) => {
      const image = await images.findImage(params.id);
      if (image === null) throw imageNotFound(params.id);
      return {
        ...presentImage(image),
        faces: image.faces.map((face) => ({ ...face, candidates: face.candidates ? [...face.candidates] : null })),
      };
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
            processing: processingSchema,
          }),
        },
      },
    },
    async (request) => {
      const backlog: Promise<Backlog | null> = queue.backlog().catch((error: unknown) => {
        request.log.debug({ err: error }, `no backlog: ${messageOf(error)}`);
        return null;
      });
      const processing = summariseProcessors(db).then((summary) => presentProcessing(summary));
      return { images: await images.countByStatus(), queue: await backlog, processing: await processing };
    },
  );
}

export function imageNotFound(id: number): HttpError {
  return new HttpError(404, 'image_not_found', `There is no image ${id}.`);
}

export function presentImage(image: Image): z.infer<typeof imageSchema> {
  return {
    ...image,
    createdAt: image.createdAt.toISOString(),
    finishedAt: image.finishedAt?.toISOString() ?? null,
    retryAt: image.retryAt?.toISOString() ?? null,
    faces: [...image.faces],
  };
}
