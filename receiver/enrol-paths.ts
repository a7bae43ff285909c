import type { Actor } from '../lib/audit.ts';
import type { Batch, EnrolmentBatches, EnrolmentRequest } from '../lib/enrolment-batches.ts';
import type { ImageQueue } from '../lib/image-queue.ts';
import type { Log } from '../lib/log.ts';
import type { PhotoSources } from '../lib/photo-sources.ts';
import { toApiError } from './errors.ts';
import { checkPath, publish } from './submit-paths.ts';

export interface PhotoToEnrol {
  readonly personId: number;
  readonly path: string;
  /** Which face of the photo, 0 is the largest. */
  readonly face?: number | undefined;
}

export interface EnrolOptions {
  readonly enrolments: EnrolmentBatches;
  readonly queue: Pick<ImageQueue, 'enqueue'>;
  readonly sources: Pick<PhotoSources, 'check'>;
  readonly log: Log;
}

/**
 * Stores a batch of enrolments and enqueues them. A path that can be refused at once is, with the reason, in its row.
 *
 * The rows are the outbox: when the queue is away the batch is accepted all the same, and published later.
 *
 * @throws PermanentError `person_not_found`
 */
export async function enrolPaths(
  photos: readonly PhotoToEnrol[],
  { forced, actor }: { forced: boolean; actor: Actor },
  { enrolments, queue, sources, log }: EnrolOptions,
): Promise<Batch> {
  const requests = await Promise.all(photos.map((photo) => toRequest(photo, forced, sources)));
  const { id, pending } = await enrolments.addBatch(requests, actor);
  const rows = pending.map((waiting) => ({ id: waiting, attempt: 0 }));
  await publish(rows, { outbox: enrolments, kind: 'enrol', queue, log });
  const batch = await enrolments.findBatch(id);
  if (batch === null) throw new Error('The batch was removed while it was being made.');
  return batch;
}

async function toRequest(
  { personId, path, face }: PhotoToEnrol,
  forced: boolean,
  sources: Pick<PhotoSources, 'check'>,
): Promise<EnrolmentRequest> {
  const checked = await checkPath(path, sources);
  const shared = { personId, faceIndex: face ?? null, forced };
  if ('normal' in checked) return { ...shared, path: checked.normal, refusal: null };
  const { body, status } = toApiError(checked.error, { id: '', traceId: '' });
  if (status >= 500) throw checked.error;
  return { ...shared, path, refusal: { code: body.code, message: body.message } };
}
