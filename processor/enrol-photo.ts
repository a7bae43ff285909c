import { createHash } from 'node:crypto';
import type { Enrolments } from '../lib/enrolments.ts';
import { PermanentError } from '../lib/errors.ts';
import type { Lease } from '../lib/image-queue.ts';
import type { Recognition } from '../proto/face.ts';
import { assertWorthEnrolling, chooseFace } from './judge-face.ts';
import { assertNotEndless, EndlessWork, tooManyTries } from './process-image.ts';
import type { RecognizerClient } from './recognizer-client.ts';
import { toQuality } from './to-outcome.ts';
import { identifyWhenPossible, type LeaseOptions, workOnLease } from './work-on-lease.ts';

export interface EnrolOptions extends LeaseOptions {
  readonly enrolments: Pick<Enrolments, 'findEnrolment' | 'recordEnrolled' | 'recordRefused'>;
  readonly recognizer: Pick<RecognizerClient, 'identify' | 'breaker'>;
  /** After so many tries an enrolment is recorded as failed. */
  readonly maxDeliveries: number;
}

/**
 * Takes one enrolment from its lease to its end: the face of the photo becomes a reference of its person, or the reason
 * why not is recorded. Like an image, it is written only where it is still pending, and tried again for what may pass.
 *
 * @returns false when the enrolment was handed back
 */
export function enrolPhoto(lease: Lease, options: EnrolOptions): Promise<boolean> {
  const { enrolments, maxDeliveries, signal } = options;
  return workOnLease(lease, { enrolment: lease.id }, options, async () => {
    try {
      assertNotEndless(lease, maxDeliveries);
      return (await enrol(lease.id, options)) ? { status: 'enrolled' } : null;
    } catch (error) {
      const permanent = error instanceof PermanentError;
      if (!permanent && !(error instanceof EndlessWork) && (signal.aborted || lease.deliveries < maxDeliveries))
        throw error;
      const status = permanent ? 'refused' : 'failed';
      const reason = permanent ? error : tooManyTries(lease, error);
      return (await enrolments.recordRefused(lease.id, status, reason)) ? { status, reason: reason.code } : null;
    }
  });
}

/**
 * @returns false when there is nothing to do
 * @throws PermanentError when the photo is refused; anything else may pass
 */
async function enrol(id: number, options: EnrolOptions): Promise<boolean> {
  const { enrolments } = options;
  const work = await enrolments.findEnrolment(id);
  if (work === null || work.status !== 'pending') return false;
  const { recognition } = await identifyWhenPossible(work.path, options);
  if (recognition === undefined) {
    throw new PermanentError('no_descriptor', 'The recognizer tells names only: it cannot be enrolled with.');
  }
  const { face, index } = chooseFace(recognition.faces, work.faceIndex);
  const reference = {
    imageName: `photo/${identityOf(recognition, work.path)}#${index}`,
    descriptor: face.descriptor,
    model: recognition.model,
    contentHash: hashOf(recognition),
    path: work.path,
    box: face.box ?? null,
    quality: face.quality ? toQuality(face.quality) : null,
    galleryRevision: recognition.galleryRevision,
  };
  return enrolments.recordEnrolled(id, reference, (present) => assertWorthEnrolling(face, recognition, present));
}

function hashOf({ contentHash }: Recognition): string | null {
  return contentHash === undefined ? null : Buffer.from(contentHash).toString('hex');
}

/** An older recognizer does not tell the content's hash: then the path tells photos apart. 64 hexadecimal digits. */
function identityOf(recognition: Recognition, path: string): string {
  return hashOf(recognition) ?? createHash('sha256').update(`path ${path}`).digest('hex');
}
