import { z } from 'zod';
import { CANDIDATE_LIMIT } from '../lib/similarity.ts';
import { MAX_CANDIDATES } from '../lib/stored-candidates.ts';
import { boxSchema, personSchema, qualitySchema } from './face-schemas.ts';

/** As a form or a query string gives it, too. */
const flag = z.union([z.boolean(), z.enum(['true', 'false']).transform((word) => word === 'true')]);

export const wishesSchema = z.strictObject({
  limit: z.coerce.number().int().min(1).max(MAX_CANDIDATES).optional().describe(`People, 5 where it is not said.`),
  maxDistance: z.coerce.number().min(0).max(CANDIDATE_LIMIT).optional().describe('Of people; 0.7 is the farthest.'),
  images: flag.optional().describe('Also the stored photos in which the face appears.'),
  imagesLimit: z.coerce.number().int().min(1).max(200).optional().describe('20 where it is not said.'),
});
export type SearchWishes = z.infer<typeof wishesSchema>;

export const matchSchema = z.object({
  person: personSchema,
  distance: z.number(),
  similarity: z.number(),
  threshold: z.number().describe('The largest distance at which the face counts as theirs.'),
  matched: z.boolean().describe('This is who it is. One face of a photo at most is the same person.'),
});

export const foundPhotoSchema = z.object({
  id: z.number().int(),
  path: z.string(),
  faceId: z.number().int(),
  distance: z.number().nullable().describe('To that face; null where it has no descriptor of this model.'),
  similarity: z.number().nullable(),
  person: personSchema.nullable().describe('Whose the stored face is.'),
});

export const searchSchema = z.object({
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
