import { setTimeout as sleep } from 'node:timers/promises';
import type { ModelName } from '../lib/descriptor-models.ts';
import type { Log } from '../lib/log.ts';
import { enrolFolder } from './enrol-folder.ts';
import type { KnownPhotos } from './known-photos.ts';
import { repeat } from './repeat.ts';
import type { WorkerPool } from './worker-pool.ts';

/** A folder that takes longer to encode keeps nobody waiting: those who are known already can be recognised. */
const READY_AFTER_MS = 60_000;

export interface FolderKeeper {
  /** Settles when everybody in the folder has been enrolled for the first time, or everybody but those of a huge folder. */
  readonly enrolled: Promise<void>;
  close(): Promise<void>;
}

/** Keeps the known photos in the database like those of a folder, until it is closed. */
export function keepFolder(options: {
  folder: string;
  photos: KnownPhotos;
  pool: WorkerPool;
  /** What new photos are described by now. */
  model: () => ModelName;
  knownModels: readonly string[];
  enrolPoorFaces: boolean;
  /** Brings the gallery up to date after photos were enrolled. */
  refresh: () => Promise<void>;
  log: Log;
  pollMs: number;
}): FolderKeeper {
  const { log, pollMs, model, refresh } = options;
  const stop = new AbortController();
  const { signal } = stop;
  const enrolment = { ...options, signal, troubles: new Map<string, number>(), refused: new Set<string>() };
  const enrol = async () => {
    const { changed, scanMs } = await enrolFolder({ ...enrolment, model: model() });
    if (changed > 0) await refresh();
    return scanMs;
  };
  const { once, ended } = repeat(enrol, {
    ...{ pollMs, signal, log },
    failure: 'the folder of known people cannot be enrolled: those already known stay',
  });
  const patience = sleep(READY_AFTER_MS, undefined, { signal, ref: false }).catch(() => undefined);
  return {
    enrolled: Promise.race([once, patience]),
    async close() {
      stop.abort();
      await ended;
    },
  };
}
