import { z } from 'zod';
import { deleteImage } from '../../lib/delete-image.ts';
import { actorOf } from '../actor.ts';
import type { App, AppOptions } from '../app.ts';
import { errorReplySchema } from '../errors.ts';
import { isUpload } from '../name-upload.ts';
import { deleteUpload } from '../store-upload.ts';
import { imageNotFound, imageParams } from './images.ts';

export function addDeleteImageRoute(app: App, { db, events, roots }: AppOptions): void {
  app.delete(
    '/v1/images/:id',
    {
      schema: {
        summary: 'Remove an image',
        description:
          'With what is known of its faces, references that were made of them, and its file, if it was uploaded and ' +
          'nothing else needs it. A photo of one of IMAGE_ROOTS stays where it is.',
        tags: ['images'],
        params: imageParams,
        response: { 204: z.null(), '4xx': errorReplySchema, '5xx': errorReplySchema },
      },
    },
    async (request, reply) => {
      const { id } = request.params;
      const store = { root: roots[0] ?? '' };
      const options = { actor: actorOf(request), isUpload, deleteUpload: (path: string) => deleteUpload(path, store) };
      const people = await deleteImage(db, id, options);
      if (people === null) throw imageNotFound(id);
      events.publish({ kind: 'image.deleted', imageId: id });
      for (const personId of people) events.publish({ kind: 'person.changed', personId });
      return reply.status(204).send(null);
    },
  );
}
