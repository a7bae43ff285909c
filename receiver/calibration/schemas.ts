import { z } from 'zod';
import { personSchema } from '../face-schemas.ts';

const sampledSchema = z.object({ total: z.number().int(), used: z.number().int() });

const histogramSchema = z.object({
  binWidth: z.number(),
  counts: z.array(z.number().int()).readonly().describe('The first bin begins at the distance 0.'),
  beyond: z.number().int(),
});

const suggestionSchema = z.object({
  threshold: z.number().nullable().describe('Null when there is nothing to go by.'),
  sure: z.boolean().describe('95 % confidence that at most the wanted share of strangers gets a name.'),
  trials: z.number().int().describe('Comparisons with strangers.'),
  falseAccepts: z.number().int().describe('Of these within the threshold.'),
  falseAcceptRateAtMost: z.number().nullable().describe('Upper bound of the true rate, with 95 % confidence.'),
  falseRejectRate: z.number().nullable(),
  needed: z.number().int().describe('Trials without any error that it takes to be sure.'),
  message: z.string(),
});

const ratesSchema = z.object({
  threshold: z.number(),
  falseAcceptRate: z.number().nullable(),
  falseRejectRate: z.number().nullable(),
});

export const distancesSchema = z.object({
  genuine: histogramSchema,
  impostor: histogramSchema,
  genuineCount: z.number().int(),
  impostorCount: z.number().int(),
  rates: z.array(ratesSchema),
  equalErrorRate: z.object({ rate: z.number(), threshold: z.number() }).nullable(),
  suggestion: suggestionSchema,
});

export const calibrationSchema = z.object({
  model: z.string(),
  galleryRevision: z.number().int(),
  threshold: z.object({
    value: z.number().nullable().describe('Null: nobody has set one, and the recognizer cannot be asked now.'),
    setBy: z.enum(['user', 'configuration']),
  }),
  falseAcceptRate: z.number().describe('The wanted one.'),
  people: sampledSchema.extend({ withSeveralReferences: z.number().int() }),
  references: sampledSchema,
  confirmedFaces: sampledSchema.describe('Faces in photos that somebody has named, and that are no references.'),
  copies: z.number().int().describe('Pairs of one picture under one name, which were left out.'),
  nearest: distancesSchema.describe('Of each face: to the nearest other one of the person, to the nearest stranger.'),
  pairs: distancesSchema
    .extend({ genuineTotal: z.number().int(), impostorTotal: z.number().int() })
    .describe('Of each pair of faces, or of a sample.'),
});
export type CalibrationAnswer = z.infer<typeof calibrationSchema>;

const answerSchema = z.object({ status: z.enum(['matched', 'unknown']), person: personSchema.nullable() });

export const changedImageSchema = z.object({
  id: z.number().int(),
  path: z.string(),
  before: answerSchema,
  after: answerSchema,
  faces: z.array(
    z.object({
      id: z.number().int(),
      before: personSchema.nullable(),
      after: personSchema.nullable(),
      distance: z.number().nullable(),
    }),
  ),
});
export type ChangedImage = z.infer<typeof changedImageSchema>;

export const previewSchema = z.object({
  galleryRevision: z.number().int(),
  current: z.number().describe('The threshold that is set.'),
  waiting: z.number().int().describe('Photos that wait to be decided again anyway; what they change is here too.'),
  total: z.object({
    images: z.number().int(),
    gained: z.number().int().describe('Faces that get a name.'),
    lost: z.number().int().describe('Faces that lose theirs.'),
    renamed: z.number().int(),
    complete: z.boolean().describe('False: there is more than could be looked at, among older photos.'),
  }),
  images: z.array(changedImageSchema).describe('Newest first.'),
  nextCursor: z.string().nullable(),
});
