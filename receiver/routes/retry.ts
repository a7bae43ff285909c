import { z } from 'zod';
import { openEnrolmentBatches } from '../../lib/enrolment-batches.ts';
import { IMAGE_STATUSES } from '../../lib/images.ts';
import type { WaitingRow } from '../../lib/outbox.ts';
import { RETRYABLE_STATUSES } from '../../lib/retry.ts';
import { retryImage, retryImages, retryImagesById } from '../../lib/retry-images.ts';
import { actorOf } from '../actor.ts';
import type { App, AppOptions } from '../app.ts';
import { errorReplySchema, HttpError } from '../errors.ts';
import { publish } from '../submit-paths.ts';
import { imageNotFound, imageParams } from './images.ts';

/** Ids in one call. */
const MAX_IDS = 10_000;
/** One call puts so many back at most, and goes through the table for so long, ms. */
const MAX_RETRIED = 10_000;
const MAX_MS = 5_000;

const idSchema = z.number().int().positive();
const errors = { '4xx': errorReplySchema, '5xx': errorReplySchema };

const filterSchema = z.strictObject({
  status: z.enum(RETRYABLE_STATUSES).default('failed'),
  reason: z
    .string()
    .regex(/^[a-z_]{1,64}$/, 'a code such as too_many_tries')
    .optional()
    .describe('Only those that ended for this reason.'),
  q: z.string().max(200).optional().describe('As in GET /v1/images.'),
  cursor: z
    .string()
    .regex(/^\d{1,15}$/, 'use the nextCursor of the call before')
    .optional(),
});
const idsSchema = z.strictObject({ ids: z.array(idSchema).min(1).max(MAX_IDS) });

/** Having a photo looked at again that failed, or that could not be read. */
export function addRetryRoutes(app: App, options: AppOptions): void {
  addRetryOne(app, options);
  addRetryMany(app, options);
  addRetryBatch(app, options);
}

function addRetryOne(app: App, options: AppOptions): void {
  app.post(
    '/v1/images/:id/retry',
    {
      schema: {
        summary: 'Have one photo looked at again',
        description: `That is possible while it is ${RETRYABLE_STATUSES.join(', ')}; otherwise the answer is 409 \`not_retryable\`.`,
        tags: ['images'],
        params: imageParams,
        response: {
          202: z.object({ id: z.number().int(), path: z.string(), status: z.enum(IMAGE_STATUSES) }),
          ...errors,
        },
      },
    },
    async (request, reply) => {
      const { id } = request.params;
      const { image, retried } = await retryImage(options.db, id, actorOf(request));
      if (image === null) throw imageNotFound(id);
      if (retried === null) {
        const message = `Image ${id} is ${image.status}: only what is ${RETRYABLE_STATUSES.join(', ')} can be tried again.`;
        throw new HttpError(409, 'not_retryable', message);
      }
      await publishAgain([retried], options);
      return reply.status(202).send({ id, path: image.path, status: 'pending' });
    },
  );
}

function addRetryMany(app: App, options: AppOptions): void {
  app.post(
    '/v1/images/retry',
    {
      bodyLimit: 2 * 1024 * 1024,
      schema: {
        summary: 'Have many photos looked at again',
        description:
          `By ids, as far as each can be tried again; or those of a status (\`failed\` unless told otherwise) that meet all ` +
          `filters, at most some ${MAX_RETRIED} in one call: a \`nextCursor\` says that there may be more, ask again with it.`,
        tags: ['images'],
        body: z.union([idsSchema, filterSchema]),
        response: { 202: z.object({ retried: z.number().int(), nextCursor: z.string().nullable() }), ...errors },
      },
    },
    async (request, reply) => {
      const { body } = request;
      if ('ids' in body) {
        const rows = await retryImagesById(options.db, body.ids, actorOf(request));
        await publishAgain(rows, options);
        return reply.status(202).send({ retried: rows.length, nextCursor: null });
      }
      const { status, reason, q, cursor } = body;
      const filter = {
        status,
        ...(reason === undefined ? {} : { reason }),
        ...(q === undefined ? {} : { text: q }),
        ...(cursor === undefined ? {} : { before: Number(cursor) }),
      };
      const limits = { images: MAX_RETRIED, ms: MAX_MS, onRetried: (rows: Rows) => publishAgain(rows, options) };
      const { retried, next } = await retryImages(options.db, filter, limits, actorOf(request));
      return reply.status(202).send({ retried, nextCursor: next === null ? null : String(next) });
    },
  );
}

type Rows = readonly WaitingRow[];

async function publishAgain(rows: Rows, options: AppOptions): Promise<void> {
  const { images, queue, events, log } = options;
  await publish(rows, { outbox: images, kind: 'identify', queue, log });
  for (const { id: imageId } of rows) events.publish({ kind: 'image.accepted', imageId });
}

function addRetryBatch(app: App, { db, queue, log }: AppOptions): void {
  const enrolments = openEnrolmentBatches(db);
  app.post(
    '/v1/enrolments/:batch/retry',
    {
      schema: {
        summary: 'Have the photos of a batch looked at again that failed',
        tags: ['people'],
        params: z.object({ batch: z.coerce.number().int().positive() }),
        response: { 202: z.object({ retried: z.number().int() }), ...errors },
      },
    },
    async (request, reply) => {
      const { batch } = request.params;
      if ((await enrolments.findBatch(batch)) === null) {
        throw new HttpError(404, 'batch_not_found', `There is no batch ${batch}.`);
      }
      const rows = await enrolments.retryBatch(batch, actorOf(request));
      await publish(rows, { outbox: enrolments, kind: 'enrol', queue, log });
      return reply.status(202).send({ retried: rows.length });
    },
  );
}
