import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { dropSomeVersions } from '../../lib/drop-versions.ts';
import { messageOf } from '../../lib/errors.ts';
import { eraseLeftVersions, findImagesWithout } from '../../lib/face-versions.ts';
import { readJobState, saveJob } from '../../lib/jobs.ts';
import { countVersions, recordComparison, recordCounts, recordPrepared } from '../../lib/model-progress.ts';
import { readActiveModel, readModels, type StoredModel } from '../../lib/models.ts';
import { findReferencesWithout } from '../../lib/reference-versions.ts';
import { readGalleryRevision, readLastFaceId } from '../../lib/rematch-images.ts';
import type { Job, JobContext } from '../../lib/run-jobs.ts';
import { MatchRefused } from '../recognizer-client.ts';
import { type CompareOptions, compareModel } from './compare-model.ts';
import { type DescribeAgainOptions, describeImage, describeReferences, ModelNowhereError } from './describe-again.ts';
import { type SwitchOptions, switchSome } from './switch-model.ts';

export const MODELS = 'models';

export type ModelJobOptions = DescribeAgainOptions & SwitchOptions & CompareOptions & { readonly concurrency: number };

const POLL_MS = 1_000;
/** Everything is looked through again so often: for what was written by others, and past the places that are kept. */
const RECHECK_MS = 10 * 60_000;
/** Faces of which the place is noted, and references that are written together. */
const PAGE = 64;
/** Rows that are removed in one transaction. */
const DROPPED = 500;
const REFUSED_WAIT_MS = 5_000;

/** How far it is with one model. */
const placeSchema = z.object({
  requestedAt: z.string(),
  /** Faces up to this id have been looked at; 0: from the beginning. */
  face: z.number(),
  /** So have the references as they were at this revision of the gallery; -1: never. */
  revision: z.number(),
  checkedAt: z.number(),
});
const stateSchema = z.object({
  places: z.record(z.string(), placeSchema),
  /** To which model faces are switched, and how far that is. */
  switching: z.object({ model: z.string(), face: z.number() }).optional(),
});
type State = z.infer<typeof stateSchema>;
type Place = z.infer<typeof placeSchema>;

/**
 * Keeps a descriptor of every model that is wanted for every face and reference, from their photos; counts, compares, and
 * when another model has been activated gives the stored faces its descriptors and answers. What an older recognizer
 * answers meanwhile is described again, too.
 *
 * Where it is stands in the job's row, so that whoever leads next goes on there; what is done twice changes nothing.
 */
export function createModelJob(options: ModelJobOptions): Job {
  return {
    name: MODELS,
    async run(context) {
      const { signal, log } = context;
      const state = stateSchema.parse((await readJobState(context.db, MODELS)) ?? { places: {} });
      let refused = false;
      while (!signal.aborted) {
        try {
          await dropUnwanted(context, state);
          await followModels(options, context, state);
          refused = false;
          await pause(POLL_MS, signal);
        } catch (error) {
          if (!(error instanceof MatchRefused || error instanceof ModelNowhereError)) throw error;
          if (!refused) log.warn(`no recognizer describes faces by another model yet: ${messageOf(error)}`);
          refused = true;
          await pause(REFUSED_WAIT_MS, signal);
        }
      }
    },
  };
}

async function followModels(options: ModelJobOptions, context: JobContext, state: State): Promise<void> {
  const { db, write, log } = context;
  const models = (await readModels(db)).filter((model) => !model.dropping);
  if (models.length === 0) return;
  const active = await readActiveModel(db);
  let worked = (await switchAll(options, context, state, { active, models })) > 0;
  // What answers comes first: new photos may wait for it.
  for (const model of models.toSorted((a, b) => Number(b.name === active) - Number(a.name === active))) {
    if (!(await describeMissing(options, context, state, model))) continue;
    worked = true;
    // They may come before those that were switched last.
    delete state.switching;
  }
  const unfinished = models.filter((model) => model.counts === null || model.preparedAt === null);
  if (!worked && unfinished.length === 0 && models.every((one) => one.name === active || one.comparison)) return;
  const counts = await countVersions(
    db,
    models.map((model) => model.name),
  );
  await write((connection) => recordCounts(connection, counts));
  for (const model of models) {
    await write((connection) => recordPrepared(connection, model.name, model.requestedAt));
    if (model.name === active || model.comparison !== null) continue;
    const comparison = await compareModel(options, context, model.name);
    await write((connection) => recordComparison(connection, model.name, model.requestedAt, comparison));
    const { examples, ...found } = comparison;
    log.info({ model: model.name, ...found }, 'a model has been compared with the answers that are stored');
  }
  const total = await readLastFaceId(db);
  await write((connection) => saveJob(connection, MODELS, { state, done: total, total, run: 'finished' }));
}

/** @returns how many images are of the active model now that were not */
async function switchAll(
  options: ModelJobOptions,
  context: JobContext,
  state: State,
  { active, models }: { active: string; models: readonly StoredModel[] },
): Promise<number> {
  if (state.switching?.model !== active) state.switching = { model: active, face: 0 };
  const wanted = models.map((model) => model.name);
  let images = 0;
  for (;;) {
    const after = state.switching.face;
    const some = await switchSome(options, context, { model: active, wanted, after });
    images += some.images;
    state.switching = { model: active, face: some.last };
    if (!some.more) break;
    await note(context, state, some.last);
  }
  if (images > 0) context.log.info({ model: active, images }, 'stored faces have the descriptors of another model now');
  return images;
}

/** @returns whether there was anything to do */
async function describeMissing(
  options: ModelJobOptions,
  context: JobContext,
  state: State,
  model: StoredModel,
): Promise<boolean> {
  const place = await placeOf(context, state, model);
  const references = await describeMissingReferences(options, context, place, model.name);
  let faces = 0;
  const top = await readLastFaceId(context.db);
  for (;;) {
    context.signal.throwIfAborted();
    const { imageIds, next } = await findImagesWithout(context.db, model.name, place.face, PAGE);
    if (imageIds.length > 0 && faces + references === 0) {
      await context.write((connection) => saveJob(connection, MODELS, { run: 'started' }));
    }
    await sideBySide(options.concurrency, imageIds, (id) => describeImage(options, context, id, model.name));
    faces += imageIds.length;
    if (next === null) break;
    place.face = next;
    await note(context, state, next);
    options.events.publish({ kind: 'job.progress', job: MODELS, done: next, total: Math.max(next, top) });
  }
  // Nobody looks at them again until everything is.
  place.face = Math.max(place.face, top);
  return faces + references > 0;
}

/** @returns how many there were to describe */
async function describeMissingReferences(
  options: ModelJobOptions,
  context: JobContext,
  place: Place,
  model: string,
): Promise<number> {
  const { db } = context;
  const revision = await readGalleryRevision(db);
  if (revision === place.revision) return 0;
  let count = 0;
  for (let after = 0; ; ) {
    context.signal.throwIfAborted();
    const references = await findReferencesWithout(db, model, after, PAGE);
    const last = references.at(-1);
    if (last === undefined) break;
    await describeReferences(options, context, references, model);
    count += references.length;
    after = last.id;
  }
  place.revision = revision;
  return count;
}

/** From the beginning where the model was asked for anew, and now and then. */
async function placeOf(context: JobContext, state: State, { name, requestedAt }: StoredModel): Promise<Place> {
  const known = state.places[name];
  const isCurrent = known?.requestedAt === requestedAt.toISOString() && Date.now() - known.checkedAt < RECHECK_MS;
  if (isCurrent) return known;
  await eraseLeftBehind(context);
  const place = { requestedAt: requestedAt.toISOString(), face: 0, revision: -1, checkedAt: Date.now() };
  state.places[name] = place;
  delete state.switching;
  return place;
}

async function note({ db, write }: JobContext, state: State, done: number): Promise<void> {
  const total = await readLastFaceId(db);
  await write((connection) => saveJob(connection, MODELS, { state, done, total }));
}

async function dropUnwanted({ db, write, signal, log }: JobContext, state: State): Promise<void> {
  for (const { name: model, dropping } of await readModels(db)) {
    if (!dropping) continue;
    const active = await readActiveModel(db);
    for (let more = true; more; ) {
      signal.throwIfAborted();
      more = await write((connection) => dropSomeVersions(connection, { model, active, limit: DROPPED }));
    }
    delete state.places[model];
    log.info({ model }, 'the descriptors of a model have been removed');
  }
}

/** Does the work for each item, so many at a time. */
async function sideBySide(
  count: number,
  items: readonly number[],
  work: (item: number) => Promise<void>,
): Promise<void> {
  const waiting = [...items];
  const lane = async () => {
    for (let item = waiting.shift(); item !== undefined; item = waiting.shift()) await work(item);
  };
  const results = await Promise.allSettled(Array.from({ length: count }, lane));
  for (const result of results) if (result.status === 'rejected') throw result.reason;
}

/** Ends early when `signal` is aborted. */
async function pause(ms: number, signal: AbortSignal): Promise<void> {
  await sleep(ms, undefined, { signal }).catch(() => undefined);
}

/** Erases what was left behind by somebody who erased faces and knew nothing of their other descriptors. */
async function eraseLeftBehind({ write }: Pick<JobContext, 'write'>): Promise<void> {
  while ((await write((connection) => eraseLeftVersions(connection, DROPPED))) > 0);
}
