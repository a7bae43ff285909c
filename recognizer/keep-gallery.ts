import { setTimeout as sleep } from 'node:timers/promises';
import type { Log } from '../lib/log.ts';
import { type Enrolment, enrolFolder } from './enrol-folder.ts';
import { followGallery, type GalleryFollower } from './follow-gallery.ts';
import type { GallerySearch } from './gallery-search.ts';
import type { DecisionRulesKeeper } from './keep-decision-rules.ts';
import type { KnownPhotos } from './known-photos.ts';
import type { WorkerPool } from './worker-pool.ts';

/** Plain SQL does not count the gallery's revision up: every so many polls the whole gallery is compared. */
const POLLS_PER_COMPARISON = 30;
/** Looking for changes may take this share of the time, however large the gallery or slow the disk. */
const POLL_SHARE = 20;
/** A folder that takes longer to encode keeps nobody waiting: those who are known already can be recognised. */
const READY_AFTER_MS = 60_000;

export interface GalleryKeeper {
  /** Settles when the gallery holds everybody, or everybody but those of a huge folder. */
  readonly loaded: Promise<void>;
  /** Reads at once what has changed in the database. @throws when it cannot be read */
  refresh(): Promise<void>;
  close(): Promise<void>;
}

/** Keeps the gallery in memory like the database, and the database like the folder of known photos, until it is closed. */
export function keepGallery(options: {
  search: GallerySearch;
  /** The search holds what a snapshot told. */
  restored: boolean;
  photos: KnownPhotos;
  rules: Pick<DecisionRulesKeeper, 'follow'>;
  /** Null when known people come from the database only. */
  folder: string | null;
  model: string;
  pool: WorkerPool;
  enrolPoorFaces: boolean;
  log: Log;
  pollMs: number;
}): GalleryKeeper {
  const { folder, log, pollMs } = options;
  const stop = new AbortController();
  const { signal } = stop;
  const gallery = followGallery(options);
  const follower: GalleryFollower = {
    ...gallery,
    async follow() {
      await options.rules.follow();
      return gallery.follow();
    },
  };
  const enrolment = { ...options, signal, troubles: new Map<string, number>(), refused: new Set<string>() };

  const compare = async () => {
    const started = Date.now();
    await follower.compare();
    return Date.now() - started;
  };
  const following = repeat(follower.follow, {
    pollMs,
    signal,
    log,
    failure: 'the gallery cannot be read: the one in memory stays',
  });
  const enrolling =
    folder === null
      ? { once: Promise.resolve(), ended: Promise.resolve() }
      : repeat(() => enrolAndFollow({ ...enrolment, folder }, follower), {
          pollMs,
          signal,
          log,
          failure: 'the folder of known people cannot be enrolled: those already known stay',
        });
  const comparing = repeat(compare, {
    pollMs: POLLS_PER_COMPARISON * pollMs,
    signal,
    log,
    failure: 'the gallery cannot be compared with the database',
  });
  const patience = sleep(READY_AFTER_MS, undefined, { signal, ref: false }).catch(() => undefined);

  return {
    loaded: following.once
      .then(() => Promise.race([enrolling.once, patience]))
      .then(() => Promise.race([options.search.settled(), patience])),
    async refresh() {
      await follower.follow();
    },
    async close() {
      stop.abort();
      await Promise.all([following.ended, enrolling.ended, comparing.ended]);
    },
  };
}

async function enrolAndFollow(enrolment: Enrolment, follower: GalleryFollower): Promise<number> {
  const { changed, scanMs } = await enrolFolder(enrolment);
  if (changed > 0) await follower.follow();
  return scanMs;
}

/**
 * Does `work` again and again. What it throws is logged once per outage.
 *
 * @param work returns how long it took to look for changes, ms; what it then did about them does not count
 * @returns `once`: the work has succeeded for the first time; `ended`: it will not be done again
 */
function repeat(
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
