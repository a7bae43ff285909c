import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { readJobState, saveJob } from '../../lib/jobs.ts';
import {
  type GalleryChanges,
  markImages,
  REMATCH,
  readFacePage,
  readGalleryChanges,
  readGalleryRevision,
  readLastFaceId,
} from '../../lib/rematch-images.ts';
import type { Job, JobContext } from '../../lib/run-jobs.ts';
import { type DecideAgainOptions, decideMarkedImages } from './decide-again.ts';
import { findAffectedBy } from './find-affected.ts';

const stateSchema = z.object({
  /** Every stored face has been looked at for the changes up to here. */
  doneRevision: z.number(),
  /** The greatest id of a reference then. */
  lastReferenceId: z.number(),
  /** A look at the stored faces that goes on: for the changes up to `target`, the faces from `cursor` down to 1 are left. */
  scan: z.object({ target: z.number(), lastReferenceId: z.number(), top: z.number(), cursor: z.number() }).optional(),
});
type State = z.infer<typeof stateSchema>;

const POLL_MS = 250;
const PAGE = 4_000;
/** While a long scan goes on, what it has found is decided this often, and its place noted. */
const DECIDE_EVERY_MS = 1_000;
const SAVE_EVERY_MS = 500;

/**
 * Keeps the names in photos that were looked at before true to the gallery, without looking at them again: whenever the
 * gallery's revision has grown, it finds the images whose names the changes may alter (by exact distances of the stored
 * descriptors), marks them, and has the recognizer decide those again. Images that others have marked come first.
 *
 * Where it is stands in the job's row, written together with the marks: whoever leads next goes on there.
 */
export function createRematchJob(options: DecideAgainOptions): Job {
  return {
    name: REMATCH,
    async run(context) {
      let state = stateSchema.parse(
        (await readJobState(context.db, REMATCH)) ?? { doneRevision: 0, lastReferenceId: 0 },
      );
      while (!context.signal.aborted) {
        const revision = await readGalleryRevision(context.db);
        await decideMarkedImages(options, context, revision);
        if (revision > state.doneRevision || state.scan) state = await scanFaces(options, context, state);
        else await sleep(POLL_MS, undefined, { signal: context.signal }).catch(() => undefined);
      }
    },
  };
}

/** One look at all stored faces, and decisions about those that it finds. @returns the state after it */
async function scanFaces(options: DecideAgainOptions, context: JobContext, before: State): Promise<State> {
  const { db, log, signal, write } = context;
  const startedAt = performance.now();
  const changes = await db.transact((connection) =>
    readGalleryChanges(connection, before.doneRevision, before.lastReferenceId),
  );
  if (changes.concernNobody && before.scan === undefined) {
    const after = { doneRevision: changes.target, lastReferenceId: changes.lastReferenceId };
    await write((connection) => saveJob(connection, REMATCH, { state: after }));
    return after;
  }
  const scan = before.scan ?? (await beginScan(context, before, changes));
  const { target, top } = scan;
  const affected = findAffectedBy(changes);
  let decidedAt = performance.now();
  let savedAt = decidedAt;
  let marked = 0;
  for await (const { faces, next } of readPages(db, scan.cursor)) {
    signal.throwIfAborted();
    const imageIds = await affected.findImages(faces);
    if (imageIds.length > 0 || performance.now() - savedAt > SAVE_EVERY_MS) {
      const done = top - next;
      marked += await write(async (connection) => {
        await saveJob(connection, REMATCH, { state: { ...before, scan: { ...scan, cursor: next } }, done });
        return markImages(connection, imageIds);
      });
      options.events.publish({ kind: 'job.progress', job: REMATCH, done, total: top });
      savedAt = performance.now();
    }
    if (performance.now() - decidedAt > DECIDE_EVERY_MS) {
      await decideMarkedImages(options, context, target);
      decidedAt = performance.now();
    }
  }
  const foundAt = performance.now();
  const { changed } = await decideMarkedImages(options, context, target);
  const after = { doneRevision: target, lastReferenceId: scan.lastReferenceId };
  await write((connection) => saveJob(connection, REMATCH, { state: after, done: top, run: 'finished' }));
  const ms = { find: Math.round(foundAt - startedAt), decide: Math.round(performance.now() - foundAt) };
  log.info(
    { revision: target, faces: top, images: marked, changed, ms },
    'stored faces are up to date with the gallery',
  );
  return after;
}

/** Pages of faces from `cursor` down; each is read while the one before it is worked on. */
async function* readPages(db: JobContext['db'], cursor: number) {
  let reading = readFacePage(db, cursor, PAGE);
  for (;;) {
    const { faces, next } = await reading;
    if (next !== null) {
      reading = readFacePage(db, next, PAGE);
      // Nobody may be there to hear of it, when the work on this page fails.
      reading.catch(() => undefined);
    }
    yield { faces, next: next ?? 0 };
    if (next === null) return;
  }
}

async function beginScan({ db, write }: JobContext, before: State, changes: GalleryChanges) {
  const top = await readLastFaceId(db);
  const { target, lastReferenceId } = changes;
  const scan = { target, lastReferenceId, top, cursor: top };
  await write((connection) =>
    saveJob(connection, REMATCH, { state: { ...before, scan }, done: 0, total: top, run: 'started' }),
  );
  return scan;
}
