import { setTimeout as sleep } from 'node:timers/promises';
import { LaunchError } from './launch-error.ts';
import type { Progress } from './progress.ts';
import type { Supervised } from './supervise.ts';

export interface StopRequests {
  /** Aborted by the first request to stop. */
  readonly signal: AbortSignal;
  /** Everything that a second request ends at once. */
  onStarted(process: Supervised): void;
}

/**
 * Ctrl-C reaches this process twice, from the terminal and through `npm start`'s set-up, and npm may pass it on once
 * more: what comes within this time is the same request.
 */
const SAME_REQUEST_MS = 1_000;

/**
 * Turns SIGINT, SIGTERM, SIGHUP and the death of the set-up that started us into one request to stop in order. A second
 * SIGINT or SIGTERM kills everything at once and exits with 130.
 */
export function listenForStop(progress: Progress): StopRequests {
  const stopping = new AbortController();
  const started: Supervised[] = [];
  let firstAt = 0;
  const request = () => {
    if (firstAt === 0) {
      firstAt = Date.now();
      progress.say('Stopping … (Ctrl-C again: at once)');
      stopping.abort();
    } else if (Date.now() - firstAt > SAME_REQUEST_MS) {
      for (const process of started) process.kill();
      process.exit(130);
    }
  };
  process.on('SIGINT', request);
  process.on('SIGTERM', request);
  const requestOnce = () => {
    if (firstAt === 0) request();
  };
  process.on('SIGHUP', requestOnce);
  if (process.connected) process.on('disconnect', requestOnce);
  return { signal: stopping.signal, onStarted: (process) => void started.push(process) };
}

/** Resolves when the signal aborts. */
export async function untilAborted(signal: AbortSignal): Promise<void> {
  while (!signal.aborted) await sleep(2 ** 30, null, { signal }).catch(() => {});
}

/** What being asked to stop throws out of whatever was being waited for. */
export function isAbort(error: unknown, signal: AbortSignal): boolean {
  return signal.aborted && !(error instanceof LaunchError);
}
