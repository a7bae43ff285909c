import { setTimeout as sleep } from 'node:timers/promises';
import { messageOf } from '../lib/errors.ts';
import type { Lease } from '../lib/image-queue.ts';
import type { Log } from '../lib/log.ts';
import { describeSpan, failActiveSpan } from '../lib/spans.ts';
import { OUR_ATTRIBUTES } from '../lib/trace-names.ts';
import type { IdentifyResponse } from '../proto/face.ts';
import { RecognizerUnavailable } from './circuit-breaker.ts';
import type { Ended, WorkMeasures } from './measure-work.ts';
import { RecognizerBusy, type RecognizerClient } from './recognizer-client.ts';

export interface LeaseOptions {
  /** How often the lease is extended while the work goes on. */
  readonly extendEveryMs: number;
  readonly measures: WorkMeasures;
  readonly log: Log;
  /** Aborted when the worker is to stop: what waits is handed back. */
  readonly signal: AbortSignal;
}

/**
 * Does `work` under a lease: returns = done, the queue may forget it; throws = it is handed back with a growing delay.
 *
 * @param what names the work in the log, e.g. `{ image: 7 }`
 * @param work resolves to what is to be counted and logged of it, or null when there was nothing to do
 * @returns false when it was handed back
 */
export async function workOnLease(
  lease: Lease,
  what: Record<string, number>,
  options: LeaseOptions,
  work: () => Promise<Ended | null>,
): Promise<boolean> {
  const { log } = options;
  const extending = setInterval(() => lease.extend(), options.extendEveryMs);
  const startedAt = performance.now();
  try {
    const done = await work();
    if (done === null) log.debug(what, 'nothing to do: deleted, or done already');
    else {
      describeSpan({ [OUR_ATTRIBUTES.outcome]: done.status, [OUR_ATTRIBUTES.reason]: done.reason });
      log.info({ ...what, ms: Math.round(performance.now() - startedAt), ...done }, 'done');
      options.measures.countEnd(lease.kind, done);
    }
    lease.done();
    return true;
  } catch (error) {
    if (options.signal.aborted) {
      log.info(what, 'handed back: stopping');
      lease.retryIn(0);
      return false;
    }
    failActiveSpan(error);
    const delayMs = retryDelay(lease.deliveries);
    log.warn({ err: error, ...what, try: lease.deliveries, delayMs }, `trying again later: ${messageOf(error)}`);
    lease.retryIn(delayMs);
    return false;
  } finally {
    clearInterval(extending);
  }
}

const BUSY_WAIT_MS = 250;

/**
 * Keeps the photo in hand while the recognizer has no room or is away: neither says anything about the photo, so neither
 * may use up its tries.
 */
export async function identifyWhenPossible(
  path: string,
  options: { readonly recognizer: Pick<RecognizerClient, 'identify' | 'breaker'>; readonly signal: AbortSignal },
): Promise<IdentifyResponse> {
  const { recognizer, signal } = options;
  let leave = () => {};
  try {
    for (;;) {
      try {
        return await recognizer.identify(path);
      } catch (error) {
        if (error instanceof RecognizerBusy) await sleep(BUSY_WAIT_MS * (0.5 + Math.random()), undefined, { signal });
        else if (error instanceof RecognizerUnavailable) {
          leave();
          leave = await recognizer.breaker.admit(signal, { inHand: true });
        } else throw error;
        signal.throwIfAborted();
      }
    }
  } finally {
    leave();
  }
}

const FIRST_DELAY_MS = 1_000;
const LONGEST_DELAY_MS = 60_000;

/** Doubles from 1 s to 1 min, with jitter of a quarter, so that what failed together does not come back together. */
export function retryDelay(deliveries: number): number {
  const delay = Math.min(LONGEST_DELAY_MS, FIRST_DELAY_MS * 2 ** (deliveries - 1));
  return Math.round(delay * (0.75 + Math.random() * 0.5));
}
