import { createHash } from 'node:crypto';
import { z } from 'zod';
import type { FaceDetail } from '../../lib/faces.ts';
import { readImageFile } from '../../lib/image-file.ts';
import { resolveImagePath } from '../../lib/image-path.ts';
import type { App, AppOptions } from '../app.ts';
import { renderCrop } from '../crop.ts';
import { errorReplySchema, HttpError } from '../errors.ts';
import { faceDetailSchema } from '../face-schemas.ts';

const faceParams = z.object({ id: z.coerce.number().int().positive() });

export function addFaceRoutes(app: App, { faces, roots, limits }: AppOptions): void {
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
      if (seen.box === null) {
        throw new HttpError(409, 'face_without_box', 'Nobody knows where in its photo the face is.');
      }
      const file = await readImageFile(await resolveImagePath(seen.path, roots), limits);
      const etag = `"${createHash('sha256').update(file).digest('base64url').slice(0, 22)}-${id}-${width ?? 'full'}"`;
      // A photo may be replaced under its path: keep it, but ask again after a minute.
      reply.headers({ etag, 'cache-control': 'private, max-age=60', 'x-content-type-options': 'nosniff' });
      if (request.headers['if-none-match'] === etag) return reply.status(304).send();
      const crop = await renderCrop(file, { ...seen, box: seen.box }, { cropWidth: width, ...limits });
      return reply.type(crop.type).send(crop.bytes);
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
