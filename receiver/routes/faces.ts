import { z } from 'zod';
import type { FaceDetail } from '../../lib/faces.ts';
import { answerWithPhoto } from '../answer-with-photo.ts';
import type { App, AppOptions } from '../app.ts';
import { renderCrop } from '../crop.ts';
import { errorReplySchema, HttpError } from '../errors.ts';
import { faceDetailSchema } from '../face-schemas.ts';

const faceParams = z.object({ id: z.coerce.number().int().positive() });

export function addFaceRoutes(app: App, { faces, sources, limits }: AppOptions): void {
  app.get(
    '/v1/faces/:id',
    {
      schema: {
        summary: 'One face: whose it is, and why',
        tags: ['faces'],
        params: faceParams,
        response: { 200: faceDetailSchema, '4xx': errorReplySchema },
      },
    },
    async ({ params }) => {
      const face = await faces.findFace(params.id);
      if (face === null) throw faceNotFound(params.id);
      return presentFace(face);
    },
  );

  app.get(
    '/v1/faces/:id/crop',
    {
      schema: {
        summary: 'The face, cut out of its photo with some margin, as JPEG',
        tags: ['faces'],
        produces: ['image/jpeg'],
        params: faceParams,
        querystring: z.object({
          width: z.coerce
            .number()
            .int()
            .min(16)
            .max(1024)
            .optional()
            .describe('Pixels, never enlarged. Without it: as large as in the photo.'),
        }),
      },
    },
    async (request, reply) => {
      const { id } = request.params;
      const { width } = request.query;
      const seen = await faces.findFacePhoto(id);
      if (seen === null) throw faceNotFound(id);
      const { box } = seen;
      if (box === null) {
        throw new HttpError(409, 'face_without_box', 'Nobody knows where in its photo the face is.');
      }
      return answerWithPhoto(request, reply, {
        ...{ sources, path: seen.path, variant: `${id}-${width ?? 'full'}` },
        render: (file) => renderCrop(file, { ...seen, box }, { cropWidth: width, ...limits }),
      });
    },
  );
}

export function faceNotFound(id: number): HttpError {
  return new HttpError(404, 'face_not_found', `There is no face ${id}.`);
}

export function presentFace(face: FaceDetail): z.infer<typeof faceDetailSchema> {
  return {
    ...face,
    candidates: face.candidates && [...face.candidates],
    erasedAt: face.erasedAt?.toISOString() ?? null,
  };
}
