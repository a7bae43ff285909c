import { setTimeout as sleep } from 'node:timers/promises';
import { messageOf } from '../lib/errors.ts';
import type { Images } from '../lib/images.ts';
import type { Log } from '../lib/log.ts';

const EVERY_MS = 10_000;

/** Keeps making paths findable that a version before this one has added. Runs until `signal` is aborted. */
export async function indexPathsOfOlderVersions(options: {
  readonly images: Pick<Images, 'indexWaitingPaths'>;
  readonly log: Log;
  readonly signal: AbortSignal;
}): Promise<void> {
  const { images, log, signal } = options;
  let failing = false;
  let indexed = 0;
  while (!signal.aborted) {
    try {
      const now = await images.indexWaitingPaths();
      indexed += now;
      failing = false;
      if (now > 0) continue;
      if (indexed > 0) log.info({ indexed }, 'paths that an earlier version has added can now be searched');
      indexed = 0;
    } catch (error) {
      if (!failing) log.warn({ err: error }, `paths cannot be indexed for search: ${messageOf(error)}`);
      failing = true;
    }
    await sleep(EVERY_MS, undefined, { signal }).catch(() => undefined);
  }
}
