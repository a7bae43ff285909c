import { stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { messageOf } from '../../lib/errors.ts';
import { LaunchError } from '../launch-error.ts';
import { findPhotos } from './find-photos.ts';
import { print } from './print.ts';
import { submitPhotos } from './submit-photos.ts';

export interface WatchOptions {
  /** Seconds. */
  readonly every: number;
  readonly json?: boolean;
}

/**
 * `faceflow watch`: submits the photos of a folder, and each new one as soon as it has been written to its end, which is when
 * it looks the same twice in a row. By looking, not by the file system's events: those of network folders do not come.
 * Goes on until it is interrupted.
 */
export async function watch(folder: string, { every, json }: WatchOptions): Promise<never> {
  if (!(await stat(folder).catch(() => null))?.isDirectory()) throw new LaunchError(`There is no folder ${folder}.`);
  process.stderr.write(`Watching ${resolve(folder)} (Ctrl-C ends it).\n`);
  const submitNew = createSubmitter(resolve(folder), json);
  for (;;) {
    try {
      await submitNew();
    } catch (error) {
      if (!(error instanceof LaunchError)) throw error;
      process.stderr.write(`${messageOf(error)} Trying again in ${every} s.\n`);
    }
    await sleep(every * 1000);
  }
}

function createSubmitter(folder: string, json: boolean | undefined): () => Promise<void> {
  const seen = new Map<string, string>();
  const submitted = new Map<string, string>();
  return async () => {
    const complete: string[] = [];
    for (const photo of await findPhotos(folder)) {
      const state = await stateOf(photo);
      if (state === null || submitted.get(photo) === state) continue;
      if (seen.get(photo) === state) complete.push(photo);
      seen.set(photo, state);
    }
    for (const done of await submitPhotos(complete, { upload: 'where needed', onDone: () => {} })) {
      const { source, id, error } = done;
      submitted.set(source, seen.get(source) ?? '');
      print(json, done, `${source}: ${error ? `${error.code}: ${error.message}` : `image ${id}`}`);
    }
  };
}

/** Null: it is gone already. */
async function stateOf(photo: string): Promise<string | null> {
  const found = await stat(photo).catch(() => null);
  return found && `${found.size} ${found.mtimeMs}`;
}
