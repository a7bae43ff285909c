import { messageOf } from '../lib/errors.ts';
import type { Events } from '../lib/events.ts';
import { normalizeImagePath } from '../lib/image-path.ts';
import type { ImageQueue } from '../lib/image-queue.ts';
import type { WorkKind } from '../lib/image-stream.ts';
import type { AcceptedImage, Images } from '../lib/images.ts';
import type { Log } from '../lib/log.ts';
import type { Outbox, WaitingRow } from '../lib/outbox.ts';
import type { PhotoSources } from '../lib/photo-sources.ts';
import { describeSpan } from '../lib/spans.ts';
import { OUR_ATTRIBUTES } from '../lib/trace-names.ts';

export interface SubmitOptions {
  readonly images: Pick<Images, 'addImages' | 'markEnqueued'>;
  readonly queue: Pick<ImageQueue, 'enqueue'>;
  readonly events: Pick<Events, 'publish'>;
  readonly sources: Pick<PhotoSources, 'check'>;
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
  const checked = await Promise.all(paths.map((path) => checkPath(path, options.sources)));
  const normal = new Set(checked.flatMap((one) => ('error' in one ? [] : [one.normal])));
  const images = await options.images.addImages([...normal]);
  if (images.length === 1) describeSpan({ [OUR_ATTRIBUTES.imageId]: images[0]?.id });
  const waiting = images.filter((image) => image.status === 'pending' && !image.enqueued);
  await publish(waiting, { ...options, outbox: options.images, kind: 'identify' });
  for (const { id: imageId } of waiting) options.events.publish({ kind: 'image.accepted', imageId });
  const byPath = new Map(images.map((image) => [image.path, image]));
  return checked.map((one) => {
    if ('error' in one) return one;
    const image = byPath.get(one.normal);
    if (image === undefined) throw new Error(`The image ${one.normal} was not added.`);
    return { image };
  });
}

export interface PublishOptions extends Pick<SubmitOptions, 'queue' | 'log'> {
  /** Where the rows stand. */
  readonly outbox: Pick<Outbox, 'markEnqueued'>;
  readonly kind: WorkKind;
}

/** Publishes ids that no queue has taken yet, as far as that is possible now. @returns how many were taken */
export async function publish(
  rows: readonly WaitingRow[],
  { outbox, queue, kind, log }: PublishOptions,
): Promise<number> {
  if (rows.length === 0) return 0;
  try {
    const attempts = new Map(rows.map(({ id, attempt }) => [id, attempt]));
    const taken = await queue.enqueue([...attempts.keys()], kind, attempts);
    await outbox.markEnqueued(taken);
    return taken.length;
  } catch (error) {
    log.debug({ count: rows.length, kind, err: error }, `published later: ${messageOf(error)}`);
    return 0;
  }
}

export type Checked = { readonly normal: string } | { readonly path: string; readonly error: unknown };

/** The stored spelling of a posted path, or why it is refused. */
export async function checkPath(path: string, sources: Pick<PhotoSources, 'check'>): Promise<Checked> {
  try {
    const normal = normalizeImagePath(path);
    await sources.check(normal).catch((error: unknown) => {
      // The file may be on a disk that only the recognizer sees, or arrive in a moment: it has the last word.
      if ((error as { code?: unknown }).code !== 'file_not_found') throw error;
    });
    return { normal };
  } catch (error) {
    return { path, error };
  }
}
