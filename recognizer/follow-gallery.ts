import type { Log } from '../lib/log.ts';
import type { GallerySearch } from './gallery-search.ts';
import type { KnownPhotos } from './known-photos.ts';

/** Rows that are read and taken over in one turn. */
const PAGE_ROWS = 1_000;
/** Reading everything again, however often somebody changes something by hand, may take this share of the time. */
const READ_SHARE = 20;

export interface GalleryFollower {
  /**
   * Takes over what has changed since the last time; the first time everything, unless a snapshot told it.
   *
   * @returns how long it took to find out whether anything has changed, ms; reading that does not count
   */
  follow(): Promise<number>;
  /** Looks for changes that nobody has marked, and reads everything again where there are some. */
  compare(): Promise<void>;
}

/** Keeps the gallery in memory like the database. */
export function followGallery(options: {
  search: GallerySearch;
  photos: KnownPhotos;
  model: string;
  log: Log;
  /** The search holds what a snapshot told. */
  restored: boolean;
}): GalleryFollower {
  const { search, photos, model, log } = options;
  let started = options.restored;
  let everythingAgainAt = 0;

  /** Page by page, so that the database's copy never lies in memory beside ours. */
  const readEverything = () =>
    search.load(async () => {
      const began = Date.now();
      // Read first: a change that comes while pages are read is then read once more, never missed.
      const revision = await photos.galleryRevision();
      const unseen = new Set(search.faces.ids());
      for (let after = Number.MIN_SAFE_INTEGER; ; ) {
        const page = await photos.loadGalleryPage(model, { after, limit: PAGE_ROWS });
        const last = page.at(-1);
        if (last === undefined) break;
        for (const entry of page) unseen.delete(entry.personImageId);
        search.apply({ changed: page, removedIds: [] }, search.revision);
        after = last.personImageId;
      }
      search.apply({ changed: [], removedIds: [...unseen] }, revision);
      started = true;
      everythingAgainAt = Date.now() + READ_SHARE * (Date.now() - began);
      log.info({ knownFaces: search.size }, 'gallery loaded');
    });

  const takeChanges = async () => {
    const began = Date.now();
    const revision = await photos.galleryRevision();
    const lookingMs = Date.now() - began;
    if (!started) await readEverything();
    else if (revision !== search.revision) await takeChangesSince(search.revision);
    return lookingMs;
  };

  const takeChangesSince = async (after: number) => {
    const changes = await photos.loadGalleryChanges(model, after);
    if (changes.complete) {
      const before = search.size;
      search.apply(changes, changes.revision);
      if (search.size !== before) log.info({ knownFaces: search.size }, 'gallery changed');
    } else if (Date.now() >= everythingAgainAt) await readEverything();
    // Those that are marked need not wait for the others; the revision stays, so that all are asked for again.
    else search.apply(changes, after);
  };

  // One after the other: what was read must be taken over before anything newer is.
  let last: Promise<unknown> = Promise.resolve();
  const inTurn = <Result>(work: () => Promise<Result>): Promise<Result> => {
    const result = last.catch(() => undefined).then(work);
    last = result;
    return result;
  };

  return {
    follow: () => inTurn(takeChanges),

    async compare() {
      if (!started) return;
      const same = await photos.compareGallery(model, (read) =>
        // In turn, but not until the whole database has been compared: changes must not wait for that.
        inTurn(async () => {
          const changes = await read(search.revision);
          if (!changes.complete || changes.revision < search.revision) return null;
          search.apply(changes, changes.revision);
          return { size: search.size, digest: search.digest };
        }),
      );
      if (same !== false) return;
      log.info('the database was changed by hand: the gallery is read again');
      await inTurn(readEverything);
    },
  };
}
