import { setTimeout as sleep } from 'node:timers/promises';
import type { Log } from '../lib/log.ts';
import { createGallerySearch, type GallerySearch } from './gallery-search.ts';
import { readSnapshot, removeSnapshot, writeSnapshot } from './gallery-snapshot.ts';

/** How often it is looked whether somebody has to vanish from the snapshot, ms. */
const LOOK_MS = 500;
/** Additions are not worth a snapshot at once: they are read from the database again. */
const MIN_PAUSE_MS = 60_000;
/** Writing may take this share of the time. */
const WRITE_SHARE = 20;

export interface SnapshotKeeper {
  close(): Promise<void>;
}

/**
 * The gallery as the last process has left it, or an empty one.
 *
 * @param folder null for none
 */
export async function restoreGallery(options: {
  folder: string | null;
  model: string;
  log: Log;
}): Promise<{ search: GallerySearch; restored: boolean }> {
  const { folder, model, log } = options;
  if (folder === null) return { search: createGallerySearch(), restored: false };
  try {
    const found = await readSnapshot(folder, model);
    if (found !== null) {
      log.info({ knownFaces: found.faces.size, revision: found.revision }, 'gallery restored from its snapshot');
      return { search: createGallerySearch(found), restored: true };
    }
  } catch (error) {
    log.warn({ err: error, folder }, 'the snapshot of the gallery is of no use: everything is read from the database');
    await removeSnapshot(folder).catch(() => undefined);
  }
  return { search: createGallerySearch(), restored: false };
}

/** Keeps a snapshot on disk: soon after somebody was removed, in due course after other changes. */
export function keepSnapshot(options: {
  folder: string;
  search: GallerySearch;
  model: string;
  log: Log;
  restored: boolean;
}): SnapshotKeeper {
  const { folder, search, model, log } = options;
  const stop = new AbortController();
  let saved = { revision: options.restored ? search.revision : -1, forgotten: 0 };
  let nextAt = 0;
  let broken = false;

  const isDue = () =>
    search.forgotten > saved.forgotten || (search.revision !== saved.revision && Date.now() >= nextAt);

  const save = async () => {
    const started = Date.now();
    try {
      const written = await writeSnapshot(folder, search, model);
      // Somebody was removed meanwhile: the next round tries again, and what is on disk must not outlive them.
      if (written === null) return await forgetOnDisk();
      const { blockedMs, ...state } = written;
      saved = state;
      broken = false;
      const ms = Date.now() - started;
      log.debug({ revision: state.revision, ms, blockedMs: Math.round(blockedMs) }, 'snapshot of the gallery written');
    } catch (error) {
      if (!broken) log.warn({ err: error, folder }, 'the snapshot of the gallery cannot be written');
      broken = true;
      await forgetOnDisk();
    }
    nextAt = Date.now() + Math.max(MIN_PAUSE_MS, WRITE_SHARE * (Date.now() - started));
  };

  /** Better no snapshot than one that holds somebody who was erased. */
  const forgetOnDisk = async () => {
    if (search.forgotten === saved.forgotten) return;
    await removeSnapshot(folder).catch((error) => {
      log.error({ err: error, folder }, 'the snapshot holds faces that were removed and cannot be deleted: delete it');
    });
    saved = { revision: -1, forgotten: search.forgotten };
  };

  const loop = async () => {
    while (!stop.signal.aborted) {
      if (isDue()) await save();
      await sleep(LOOK_MS, undefined, { signal: stop.signal }).catch(() => undefined);
    }
    await forgetOnDisk();
  };
  const ended = loop();

  return {
    async close() {
      stop.abort();
      await ended;
    },
  };
}
