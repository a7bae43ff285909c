import { setTimeout as sleep } from 'node:timers/promises';
import { messageOf, PermanentError } from '../lib/errors.ts';
import type { Events } from '../lib/events.ts';
import type { Lease } from '../lib/image-queue.ts';
import type { Images, Outcome } from '../lib/images.ts';
import type { Log } from '../lib/log.ts';
import type { People } from '../lib/people.ts';
import type { IdentifyResponse } from '../proto/face.ts';
import { RecognizerBusy, type RecognizerClient, RecognizerUnavailable } from './recognizer-client.ts';
import { toOutcome } from './to-outcome.ts';

export interface ProcessOptions {
  readonly images: Pick<Images, 'findWork' | 'recordOutcome'>;
  readonly people: Pick<People, 'findPersonByImage'>;
  readonly recognizer: Pick<RecognizerClient, 'identify' | 'untilAvailable'>;
  readonly events: Pick<Events, 'publish'>;
  /** After so many tries an image is recorded as failed. */
  readonly maxDeliveries: number;
  /** How often the lease is extended while the work goes on. */
  readonly extendEveryMs: number;
  readonly log: Log;
  /** Aborted when the worker is to stop: an image that waits is handed back. */
  readonly signal: AbortSignal;
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
export async function processImage(lease: Lease, options: ProcessOptions): Promise<boolean> {
  const { log } = options;
  const extending = setInterval(() => lease.extend(), options.extendEveryMs);
  const startedAt = performance.now();
  try {
    const outcome = await findOutcome(lease, options);
    if (outcome === null) {
      log.debug({ image: lease.id }, 'nothing to do: deleted, or done already');
    } else if (await options.images.recordOutcome(lease.id, outcome)) {
      options.events.publish({ kind: 'image.finished', imageId: lease.id, status: outcome.status });
      const ms = Math.round(performance.now() - startedAt);
      log.info(
        { image: lease.id, status: outcome.status, ms, ...('code' in outcome ? { reason: outcome.code } : {}) },
        'done',
      );
    }
    lease.done();
    return true;
  } catch (error) {
    if (options.signal.aborted) {
      log.info({ image: lease.id }, 'handed back: stopping');
      lease.retryIn(0);
      return false;
    }
    const delayMs = retryDelay(lease.deliveries);
    log.warn(
      { err: error, image: lease.id, try: lease.deliveries, delayMs },
      `trying again later: ${messageOf(error)}`,
    );
    lease.retryIn(delayMs);
    return false;
  } finally {
    clearInterval(extending);
  }
}

/** @returns null when there is nothing to do @throws what may pass */
async function findOutcome(lease: Lease, options: ProcessOptions): Promise<Outcome | null> {
  const work = await options.images.findWork(lease.id);
  if (work === null || work.status !== 'pending') return null;
  try {
    return await toOutcome(await identifyWhenPossible(work.path, options), options.people);
  } catch (error) {
    if (error instanceof PermanentError) return { status: 'unreadable', code: error.code, message: error.message };
    if (options.signal.aborted || lease.deliveries < options.maxDeliveries) throw error;
    const message = `Given up after ${lease.deliveries} tries; the last error: ${messageOf(error)}`;
    return { status: 'failed', code: 'too_many_tries', message };
  }
}

const BUSY_WAIT_MS = 250;

/**
 * Keeps the image in hand while the recognizer has no room or is away: neither says anything about the image, so neither
 * may use up its tries.
 */
async function identifyWhenPossible(path: string, options: ProcessOptions): Promise<IdentifyResponse> {
  const { recognizer, signal } = options;
  for (;;) {
    try {
      return await recognizer.identify(path);
    } catch (error) {
      if (error instanceof RecognizerBusy) await sleep(BUSY_WAIT_MS * (0.5 + Math.random()), undefined, { signal });
      else if (error instanceof RecognizerUnavailable) await recognizer.untilAvailable(signal);
      else throw error;
      signal.throwIfAborted();
    }
  }
}

const FIRST_DELAY_MS = 1_000;
const LONGEST_DELAY_MS = 60_000;

/** Doubles from 1 s to 1 min, with jitter of a quarter, so that images that failed together do not come back together. */
export function retryDelay(deliveries: number): number {
  const delay = Math.min(LONGEST_DELAY_MS, FIRST_DELAY_MS * 2 ** (deliveries - 1));
  return Math.round(delay * (0.75 + Math.random() * 0.5));
}
