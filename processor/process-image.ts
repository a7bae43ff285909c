import { messageOf, PermanentError } from '../lib/errors.ts';
import type { Events } from '../lib/events.ts';
import type { Lease } from '../lib/image-queue.ts';
import type { Images, Outcome, Work } from '../lib/images.ts';
import type { People } from '../lib/people.ts';
import type { RecognizerClient } from './recognizer-client.ts';
import { toOutcome } from './to-outcome.ts';
import { identifyWhenPossible, type LeaseOptions, workOnLease } from './work-on-lease.ts';

export interface ProcessOptions extends LeaseOptions {
  readonly images: Pick<Images, 'findWork' | 'recordOutcome'>;
  readonly people: Pick<People, 'findPersonByImage'>;
  readonly recognizer: Pick<RecognizerClient, 'identify' | 'breaker'>;
  readonly events: Pick<Events, 'publish'>;
  /** After so many tries an image is recorded as failed. */
  readonly maxDeliveries: number;
}

/**
 * Takes one image from its lease to its outcome.
 *
 * The outcome is written before the lease is ended, and only where the image is still pending, so that a message that
 * comes twice changes nothing. What may pass is handed back with a growing delay; a picture that will never be readable,
 * or one that failed too often, gets an outcome that says so.
 *
 * @returns false when the image was handed back
 */
export function processImage(lease: Lease, options: ProcessOptions): Promise<boolean> {
  const { images, measures } = options;
  return workOnLease(lease, { image: lease.id }, options, async () => {
    const startedAt = performance.now();
    const work = await measures.time('read', () => images.findWork(lease.id));
    if (work === null || work.status !== 'pending') return null;
    const outcome = await findOutcome(work, lease, options);
    if (!(await measures.time('write', () => images.recordOutcome(lease.id, outcome)))) return null;
    measures.countImage(outcome, work.attempt > 0 ? null : work.ageMs + performance.now() - startedAt);
    options.events.publish({ kind: 'image.finished', imageId: lease.id, status: outcome.status });
    return { status: outcome.status, ...('code' in outcome ? { reason: outcome.code } : {}) };
  });
}

/** @throws what may pass */
async function findOutcome({ path }: Work, lease: Lease, options: ProcessOptions): Promise<Outcome> {
  try {
    assertNotEndless(lease, options.maxDeliveries);
    const response = await options.measures.time('recognize', () => identifyWhenPossible(path, options));
    return await toOutcome(response, options.people);
  } catch (error) {
    if (error instanceof EndlessWork) return { status: 'failed', ...tooManyTries(lease, error) };
    if (error instanceof PermanentError) return { status: 'unreadable', code: error.code, message: error.message };
    if (options.signal.aborted || lease.deliveries < options.maxDeliveries) throw error;
    return { status: 'failed', ...tooManyTries(lease, error) };
  }
}

/** Handed out again and again without a word of how it went. */
export class EndlessWork extends Error {
  constructor() {
    super('Whoever looked at it has died, or was stopped, before it had an end.');
    this.name = 'EndlessWork';
  }
}

/**
 * Ends work that kills whoever takes it, before it does so again: its tries do not end with an error that could be counted.
 * Being handed out twice as often as an error allows leaves room for restarts in good order.
 *
 * @throws EndlessWork
 */
export function assertNotEndless(lease: Pick<Lease, 'deliveries'>, maxDeliveries: number): void {
  if (lease.deliveries > 2 * maxDeliveries) throw new EndlessWork();
}

/** Why something that was tried so often is not tried again. */
export function tooManyTries(lease: Pick<Lease, 'deliveries'>, error: unknown): { code: string; message: string } {
  const message = `Given up after ${lease.deliveries} tries; the last error: ${messageOf(error)}`;
  return { code: 'too_many_tries', message };
}
