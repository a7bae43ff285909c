import { z } from 'zod';
import { countRematch } from '../../lib/decided-faces.ts';
import { readThresholds, setGalleryThreshold } from '../../lib/decision-rules.ts';
import { findGalleryModel } from '../../lib/labelled-faces.ts';
import { readGalleryRevision } from '../../lib/rematch-images.ts';
import { CANDIDATE_LIMIT } from '../../lib/similarity.ts';
import { actorOf } from '../actor.ts';
import type { App, AppOptions } from '../app.ts';
import { createCalibrator } from '../calibration/calibrate.ts';
import { keepPreviews } from '../calibration/keep-previews.ts';
import { presentCalibration } from '../calibration/present-calibration.ts';
import { presentPreview } from '../calibration/present-preview.ts';
import { assertSupposes } from '../calibration/preview-threshold.ts';
import { calibrationSchema, previewSchema } from '../calibration/schemas.ts';
import { errorReplySchema, HttpError } from '../errors.ts';

const threshold = z.number().min(0).max(CANDIDATE_LIMIT);

export function addCalibrationRoutes(app: App, options: AppOptions): void {
  const { db } = options;
  const calibrate = createCalibrator(db);
  const preview = keepPreviews(options);

  app.get(
    '/v1/calibration',
    {
      schema: {
        summary: 'How far apart the faces of one person, and of different people, lie in this gallery',
        description:
          'Each reference, and each face that somebody has named, is compared with all references but itself. Of a large ' +
          'gallery a sample is taken, the same one every time; `used` says how large.',
        tags: ['calibration'],
        querystring: z.object({
          falseAcceptRate: z.coerce
            .number()
            .gt(0)
            .lt(1)
            .default(0.001)
            .describe('Of a hundred strangers one may get a name: 0.01.'),
        }),
        response: { 200: calibrationSchema, '4xx': errorReplySchema, '5xx': errorReplySchema },
      },
    },
    async ({ query }) => {
      const calibration = await calibrate();
      if (calibration === null) throw galleryEmpty();
      const current = await readCurrent(options, calibration.model);
      return presentCalibration(calibration, current, query.falseAcceptRate);
    },
  );

  app.get(
    '/v1/calibration/preview',
    {
      schema: {
        summary: 'Which photos another threshold would change; nothing is set',
        description:
          'The recognizer decides the faces in question as if the threshold were set. A preview is kept for a minute, so ' +
          'that its pages belong together.',
        tags: ['calibration'],
        querystring: z.object({
          threshold: z.coerce.number().pipe(threshold),
          person: z.coerce.number().int().positive().optional().describe("Whose threshold; without it, the gallery's."),
          cursor: z
            .string()
            .regex(/^\d{1,15}$/, 'use the nextCursor of the page before')
            .optional(),
          limit: z.coerce.number().int().min(1).max(200).default(50),
        }),
        response: { 200: previewSchema, '4xx': errorReplySchema, '5xx': errorReplySchema },
      },
    },
    async ({ query }) => {
      const { cursor, limit, person: personId = 0 } = query;
      const model = await findGalleryModel(db);
      if (model === null) throw galleryEmpty();
      const galleryRevision = await readGalleryRevision(db);
      const current = await readCurrentOf(options, model, personId);
      const change = { low: Math.min(current, query.threshold), high: Math.max(current, query.threshold) };
      const found = await preview({ model, galleryRevision, threshold: query.threshold, personId, change });
      const page = { before: cursor === undefined ? Number.POSITIVE_INFINITY : Number(cursor), limit };
      return { current, waiting: await countRematch(db), ...(await presentPreview(db, found, page)) };
    },
  );

  app.put(
    '/v1/calibration',
    {
      schema: {
        summary: 'Set the threshold; photos that are stored follow',
        tags: ['calibration'],
        body: z.strictObject({ threshold: threshold.nullable().describe('Null: MATCH_THRESHOLD of the recognizer.') }),
        response: {
          200: z.object({ threshold: threshold.nullable(), galleryRevision: z.number().int() }),
          '4xx': errorReplySchema,
        },
      },
    },
    async (request) => {
      const { threshold } = request.body;
      return { threshold, galleryRevision: await setGalleryThreshold(db, threshold, actorOf(request)) };
    },
  );
}

/** The gallery's threshold; where nobody has set one, only the recognizer knows it: null while that is away. */
async function readCurrent(options: AppOptions, model: string) {
  const stored = await readThresholds(options.db, 0);
  if (stored?.gallery != null) return { value: stored.gallery, setBy: 'user' as const };
  const value = await askThreshold(options, model).catch(() => null);
  return { value, setBy: 'configuration' as const };
}

async function readCurrentOf(options: AppOptions, model: string, personId: number): Promise<number> {
  const stored = await readThresholds(options.db, personId);
  if (stored === null) throw new HttpError(404, 'person_not_found', `There is no person ${personId}.`);
  return stored.person ?? stored.gallery ?? (await askThreshold(options, model));
}

async function askThreshold({ recognizer }: AppOptions, model: string): Promise<number> {
  return assertSupposes(await recognizer.match({ model, minGalleryRevision: 0, photos: [] }));
}

function galleryEmpty(): HttpError {
  return new HttpError(409, 'gallery_empty', 'Nobody is enrolled yet: there is nothing to compare.');
}
