import { join } from 'node:path';
import type { DecisionRulesTable } from '../lib/decision-rules.ts';
import { DEFAULT_MODEL, type ModelName } from '../lib/descriptor-models.ts';
import type { Log } from '../lib/log.ts';
import { createGallery, type Gallery } from './gallery.ts';
import { removeSnapshot } from './gallery-snapshot.ts';
import { type DecisionRulesKeeper, keepDecisionRules } from './keep-decision-rules.ts';
import { keepGallery } from './keep-gallery.ts';
import { keepSnapshot, restoreGallery } from './keep-snapshot.ts';
import type { KnownPhotos } from './known-photos.ts';

export interface GalleryOptions {
  readonly photos: KnownPhotos;
  /** Null without a database. */
  readonly rulesTable: DecisionRulesTable | null;
  readonly threshold: number;
  /** Where snapshots are kept; null for none. */
  readonly snapshots: string | null;
  readonly log: Log;
  readonly pollMs: number;
}

/** All that it takes to name faces by one model. */
export interface ModelGallery {
  readonly model: ModelName;
  readonly gallery: Gallery;
  readonly rules: DecisionRulesKeeper;
  /** Everybody is there. */
  readonly isLoaded: boolean;
  /** When the database was last looked into for changes; null before the first time. */
  readonly readAt: Date | null;
  readonly loaded: Promise<void>;
  /** Reads at once what has changed. @throws when it cannot be read */
  refresh(): Promise<void>;
  /** @param forget deletes the snapshot as well */
  close(forget?: boolean): Promise<void>;
}

/** Opens the gallery of one model, from its snapshot where there is one, and keeps it like the database. */
export async function openGallery(model: ModelName, options: GalleryOptions): Promise<ModelGallery> {
  const { photos, snapshots, log, pollMs } = options;
  const folder = snapshots && folderOf(snapshots, model);
  const { search, restored } = await restoreGallery({ folder, model, log });
  const rules = keepDecisionRules({ table: options.rulesTable, model, threshold: options.threshold });
  const keeper = keepGallery({ search, restored, photos, rules, model, log, pollMs });
  let isLoaded = false;
  let isClosed = false;
  let snapshot: ReturnType<typeof keepSnapshot> | undefined;
  const loaded = keeper.loaded.then(() => {
    if (isClosed) return;
    isLoaded = true;
    if (folder !== null) snapshot = keepSnapshot({ folder, search, model, log, restored });
  });
  return {
    ...{ model, gallery: createGallery(search), rules, loaded },
    get isLoaded() {
      return isLoaded;
    },
    get readAt() {
      return keeper.readAt;
    },
    refresh: () => keeper.refresh(),
    async close(forget = false) {
      isClosed = true;
      await keeper.close();
      await snapshot?.close();
      if (forget && folder !== null) await removeSnapshot(folder);
    },
  };
}

/** Deletes what an earlier process has left of a model that nobody asks for any more. */
export async function forgetSnapshot(snapshots: string | null, model: ModelName): Promise<void> {
  if (snapshots !== null) await removeSnapshot(folderOf(snapshots, model));
}

/** The first model's is where it was before there were others. */
function folderOf(snapshots: string, model: ModelName): string {
  return model === DEFAULT_MODEL ? snapshots : join(snapshots, model);
}
