import { createHash } from 'node:crypto';
import { z } from 'zod';
import { readImageFile } from '../../lib/image-file.ts';
import { resolveImagePath } from '../../lib/image-path.ts';
import type { App, AppOptions } from '../app.ts';
import { renderPhoto } from '../photo.ts';
import { imageNotFound, imageParams } from './images.ts';

export function addPhotoRoute(app: App, { images, roots, limits }: AppOptions): void {
  app.get(
    '/v1/images/:id/photo',
    {
      schema: {
        summary: 'The photo, EXIF-rotated, in a format that browsers show',
        tags: ['images'],
        produces: ['image/jpeg', 'image/png', 'image/webp', 'image/gif'],
        params: imageParams,
        querystring: z.object({
          width: z.coerce
            .number()
            .int()
            .min(16)
            .max(4096)
            .optional()
            .describe('Pixels: a thumbnail, never enlarged. Without it: the original size.'),
        }),
      },
    },
    async (request, reply) => {
      const { id } = request.params;
      const { width } = request.query;
      const work = await images.findWork(id);
      if (work === null) throw imageNotFound(id);
      const file = await readImageFile(await resolveImagePath(work.path, roots), limits);
      const etag = `"${createHash('sha256').update(file).digest('base64url').slice(0, 22)}-${width ?? 'full'}"`;
      // A photo may be replaced under its path: keep it, but ask again after a minute.
      reply.headers({ etag, 'cache-control': 'private, max-age=60', 'x-content-type-options': 'nosniff' });
      if (request.headers['if-none-match'] === etag) return reply.status(304).send();
      const photo = await renderPhoto(file, width, limits);
      return reply.type(photo.type).send(photo.bytes);
    },
  );
}
