import { setTimeout as sleep } from 'node:timers/promises';
import type { Log } from '../lib/log.ts';

/** Looking for changes may take this share of the time, however much there is to look at or slow the disk. */
const POLL_SHARE = 20;

/**
 * Does `work` again and again. What it throws is logged once per outage.
 *
 * @param work returns how long it took to look for changes, ms; what it then did about them does not count
 * @returns `once`: the work has succeeded for the first time; `ended`: it will not be done again
 */
export function repeat(
  work: () => Promise<number>,
  options: { pollMs: number; signal: AbortSignal; log: Log; failure: string },
): { once: Promise<void>; ended: Promise<void> } {
  const { pollMs, signal, log, failure } = options;
  let succeed: () => void;
  const once = new Promise<void>((resolve) => {
    succeed = resolve;
  });
  const loop = async () => {
    let broken = false;
    while (!signal.aborted) {
      let lookingMs = 0;
      try {
        lookingMs = await work();
        if (broken) log.info('back to normal');
        broken = false;
        succeed();
      } catch (error) {
        if (!broken && !signal.aborted) log.error({ err: error }, failure);
        broken = true;
      }
      const pause = Math.max(pollMs, POLL_SHARE * lookingMs);
      await sleep(pause, undefined, { signal }).catch(() => undefined);
    }
  };
  return { once, ended: loop() };
}
