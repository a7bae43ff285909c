import { messageOf } from '../lib/errors.ts';
import type { Events } from '../lib/events.ts';
import { normalizeImagePath, resolveImagePath } from '../lib/image-path.ts';
import type { ImageQueue } from '../lib/image-queue.ts';
import type { AcceptedImage, Images } from '../lib/images.ts';
import type { Log } from '../lib/log.ts';

export interface SubmitOptions {
  readonly images: Pick<Images, 'addImages' | 'markEnqueued'>;
  readonly queue: Pick<ImageQueue, 'enqueue'>;
  readonly events: Pick<Events, 'publish'>;
  readonly roots: readonly string[];
  readonly log: Log;
}

/** What became of one path: its image, or why it was refused. */
export type Submitted = { readonly image: AcceptedImage } | { readonly path: string; readonly error: unknown };

/**
 * Stores paths and enqueues their images, in bulk; each path is accepted or refused by itself. A path that was posted
 * before, or stands twice in the list, is the same image and is not processed again.
 *
 * The row is the outbox: when the queue is away the images are accepted all the same, and published later.
 */
export async function submitPaths(paths: readonly string[], options: SubmitOptions): Promise<Submitted[]> {
  const checked = await Promise.all(paths.map((path) => checkPath(path, options.roots)));
  const normal = new Set(checked.flatMap((one) => ('error' in one ? [] : [one.normal])));
  const images = await options.images.addImages([...normal]);
  await enqueue(images, options);
  for (const { id, status, enqueued } of images) {
    if (status === 'pending' && !enqueued) options.events.publish({ kind: 'image.accepted', imageId: id });
  }
  const byPath = new Map(images.map((image) => [image.path, image]));
  return checked.map((one) => {
    if ('error' in one) return one;
    const image = byPath.get(one.normal);
    if (image === undefined) throw new Error(`The image ${one.normal} was not added.`);
    return { image };
  });
}

/** Publishes images that no queue has taken yet, as far as that is possible now. */
export async function enqueue(
  images: readonly Pick<AcceptedImage, 'id' | 'status' | 'enqueued'>[],
  options: { readonly images: Pick<Images, 'markEnqueued'> } & Pick<SubmitOptions, 'queue' | 'log'>,
): Promise<number> {
  const waiting = images.filter((image) => image.status === 'pending' && !image.enqueued).map((image) => image.id);
  if (waiting.length === 0) return 0;
  try {
    const taken = await options.queue.enqueue(waiting);
    await options.images.markEnqueued(taken);
    return taken.length;
  } catch (error) {
    options.log.debug({ count: waiting.length, err: error }, `published later: ${messageOf(error)}`);
    return 0;
  }
}

type Checked = { readonly normal: string } | { readonly path: string; readonly error: unknown };

async function checkPath(path: string, roots: readonly string[]): Promise<Checked> {
  try {
    const normal = normalizeImagePath(path);
    await resolveImagePath(normal, roots).catch((error: unknown) => {
      // The file may be on a disk that only the recognizer sees, or arrive in a moment: it has the last word.
      if ((error as { code?: unknown }).code !== 'file_not_found') throw error;
    });
    return { normal };
  } catch (error) {
    return { path, error };
  }
}
