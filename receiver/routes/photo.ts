import { z } from 'zod';
import { answerWithPhoto } from '../answer-with-photo.ts';
import type { App, AppOptions } from '../app.ts';
import { renderPhoto } from '../photo.ts';
import { imageNotFound, imageParams } from './images.ts';

export function addPhotoRoute(app: App, { images, sources, limits }: AppOptions): void {
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
      return answerWithPhoto(request, reply, {
        ...{ sources, path: work.path, variant: String(width ?? 'full') },
        render: (file) => renderPhoto(file, width, limits),
      });
    },
  );
}
