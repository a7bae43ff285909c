import { stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { messageOf } from '../../lib/errors.ts';
import { LaunchError } from '../launch-error.ts';
import { ask } from './api.ts';
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

/** Photos after whose submission it is said what became of them. */
const AT_ONCE = 500;

function createSubmitter(folder: string, json: boolean | undefined): () => Promise<void> {
  const seen = new Map<string, string>();
  const submitted = new Map<string, string>();
  let told = '';
  const submit = async (photos: readonly string[]) => {
    const results = await submitPhotos(photos, { upload: 'where needed', onDone: () => {} });
    const changed = results.flatMap(({ source, id }) => (submitted.has(source) && id !== undefined ? [id] : []));
    if (changed.length > 0) await lookAgain(changed);
    for (const done of results) {
      const { source, id, error } = done;
      submitted.set(source, seen.get(source) ?? '');
      print(json, done, `${source}: ${error ? `${error.code}: ${error.message}` : `image ${id}`}`);
    }
  };
  return async () => {
    const complete: string[] = [];
    const { photos, unreadable } = await findPhotos(folder);
    const trouble = unreadable.map(({ message }) => `${message}\n`).join('');
    if (trouble !== told) process.stderr.write(trouble);
    told = trouble;
    for (const photo of photos) {
      const state = await stateOf(photo);
      if (state === null || submitted.get(photo) === state) continue;
      if (seen.get(photo) === state) complete.push(photo);
      seen.set(photo, state);
    }
    for (let start = 0; start < complete.length; start += AT_ONCE) await submit(complete.slice(start, start + AT_ONCE));
  };
}

/**
 * What was written further after it was submitted (a slow copy that stood still for a while) is the same image: unless it
 * could be read as it was, it is looked at again.
 */
async function lookAgain(ids: readonly number[]): Promise<void> {
  await ask('POST', '/v1/images/retry', { ids });
}

/** Null: it is gone already. */
async function stateOf(photo: string): Promise<string | null> {
  const found = await stat(photo).catch(() => null);
  return found && `${found.size} ${found.mtimeMs}`;
}
