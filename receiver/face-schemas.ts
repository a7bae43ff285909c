import { z } from 'zod';
import { QUALITY_REASONS } from '../lib/face-quality.ts';

const ratio = z.number().min(0).max(1);

export const personSchema = z.object({ id: z.number().int(), name: z.string() });

export const boxSchema = z
  .object({ left: ratio, top: ratio, width: ratio, height: ratio })
  .describe("Ratios of the picture's width and height, origin top-left, after EXIF rotation.");

export const qualitySchema = z
  .object({
    pixels: z.number().describe('The shorter side of the box, in pixels of the photo.'),
    sharpness: z.number().describe('0 or more; below 0.05 the face is blurred, or has too few pixels to be sharp.'),
    brightness: z.number().describe('Mean luma, 0..1.'),
    yaw: z.number().describe('Degrees; positive: the nose points to the right of the picture.'),
    pitch: z.number().describe('Degrees; positive: the nose points up.'),
    roll: z.number().describe('Degrees; positive: the head leans clockwise.'),
    reasons: z
      .array(z.enum(QUALITY_REASONS))
      .readonly()
      .describe('What is wrong with the face; empty when it is good.'),
  })
  .describe('How well the face can be recognised; null where nobody has judged it.');

const candidatesSchema = z
  .array(z.object({ person: personSchema, distance: z.number(), similarity: z.number() }))
  .readonly()
  .nullable()
  .describe('The nearest people, at most 5, nearest first; null: decided before they were kept.');

/** A face in a list of images. */
export const faceSchema = z.object({
  id: z.number().int(),
  box: boxSchema.nullable(),
  confidence: z.number().nullable().describe('0..1: is it a face? (Not: whose?)'),
  person: personSchema.nullable(),
  similarity: z.number().nullable().describe('0..1 of the match; 0.5 at the default threshold.'),
  distance: z.number().nullable().describe('Euclidean distance to the nearest known face, matched or not.'),
  referenceImage: z.string().nullable().describe('The known photo that was nearest, when the face matched.'),
  decidedBy: z.enum(['gallery', 'user']).describe('user: a person said so, and nothing else changes it.'),
  threshold: z.number().nullable().describe('The largest distance that counted as a match.'),
  model: z.string().nullable().describe('Names the descriptor space.'),
  galleryRevision: z.number().int().nullable().describe('The state of the gallery that the face was compared to.'),
  quality: qualitySchema.nullable(),
});

/** A face of one image. */
export const explainedFaceSchema = faceSchema.extend({ candidates: candidatesSchema });

/** A face by itself. */
export const faceDetailSchema = explainedFaceSchema.extend({
  imageId: z.number().int(),
  erasedAt: z.iso.datetime().nullable().describe('When its descriptor and name were erased.'),
});
