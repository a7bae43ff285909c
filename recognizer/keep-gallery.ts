import { setTimeout as sleep } from 'node:timers/promises';
import type { Log } from '../lib/log.ts';
import { followGallery } from './follow-gallery.ts';
import type { GallerySearch } from './gallery-search.ts';
import type { DecisionRulesKeeper } from './keep-decision-rules.ts';
import type { KnownPhotos } from './known-photos.ts';
import { repeat } from './repeat.ts';

/** Plain SQL does not count the gallery's revision up: every so many polls the whole gallery is compared. */
const POLLS_PER_COMPARISON = 30;
/** An index that takes longer to build keeps nobody waiting: until it is there, everybody is compared. */
const READY_AFTER_MS = 60_000;

export interface GalleryKeeper {
  /** Settles when the gallery holds everybody whom the database knows. */
  readonly loaded: Promise<void>;
  /** When the database was last looked into for changes; null before the first time. */
  readonly readAt: Date | null;
  /** Reads at once what has changed in the database. @throws when it cannot be read */
  refresh(): Promise<void>;
  close(): Promise<void>;
}

/** Keeps the gallery in memory like the database, until it is closed. */
export function keepGallery(options: {
  search: GallerySearch;
  /** The search holds what a snapshot told. */
  restored: boolean;
  photos: KnownPhotos;
  rules: Pick<DecisionRulesKeeper, 'follow'>;
  model: string;
  log: Log;
  pollMs: number;
}): GalleryKeeper {
  const { log, pollMs } = options;
  const stop = new AbortController();
  const { signal } = stop;
  const follower = followGallery(options);
  let readAt: Date | null = null;
  const follow = async () => {
    await options.rules.follow();
    const lookingMs = await follower.follow();
    readAt = new Date();
    return lookingMs;
  };
  const compare = async () => {
    const started = Date.now();
    await follower.compare();
    return Date.now() - started;
  };
  const following = repeat(follow, {
    ...{ pollMs, signal, log },
    failure: 'the gallery cannot be read: the one in memory stays',
  });
  const comparing = repeat(compare, {
    ...{ pollMs: POLLS_PER_COMPARISON * pollMs, signal, log },
    failure: 'the gallery cannot be compared with the database',
  });

  const patience = sleep(READY_AFTER_MS, undefined, { signal, ref: false }).catch(() => undefined);

  return {
    loaded: following.once.then(() => Promise.race([options.search.settled(), patience])),
    get readAt() {
      return readAt;
    },
    async refresh() {
      await follow();
    },
    async close() {
      stop.abort();
      await Promise.all([following.ended, comparing.ended]);
    },
  };
}
