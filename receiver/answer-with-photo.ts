import { createHash } from 'node:crypto';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { PhotoSources } from '../lib/photo-sources.ts';
import type { Photo } from './photo.ts';
import { untilGone } from './until-gone.ts';

/** Nobody reads the answer; the number is nginx's. */
const CALLER_GONE = 499;

/**
 * Answers with something made of a stored photo, or with 304 where the asker has it already.
 *
 * @param options.path of the photo, as it is stored
 * @param options.variant tells apart what is made of one photo
 * @throws what `PhotoSources.withPhoto` or `render` throws
 */
export async function answerWithPhoto(
  request: FastifyRequest,
  reply: FastifyReply,
  options: {
    readonly sources: Pick<PhotoSources, 'withPhoto'>;
    readonly path: string;
    readonly variant: string;
    readonly render: (file: Uint8Array) => Promise<Photo>;
  },
): Promise<FastifyReply> {
  const { sources, path, variant, render } = options;
  const gone = untilGone(reply);
  try {
    const { etag, photo } = await sources.withPhoto(path, gone, async (file) => {
      const hash = createHash('sha256').update(file).digest('base64url').slice(0, 22);
      const tag = `"${hash}-${variant}"`;
      return { etag: tag, photo: request.headers['if-none-match'] === tag ? null : await render(file) };
    });
    // A photo may be replaced under its path: keep it, but ask again after a minute.
    reply.headers({ etag, 'cache-control': 'private, max-age=60', 'x-content-type-options': 'nosniff' });
    return photo === null ? reply.status(304).send() : reply.type(photo.type).send(photo.bytes);
  } catch (error) {
    if (gone.aborted) return reply.status(CALLER_GONE).send();
    throw error;
  }
}
