import { setTimeout as sleep } from 'node:timers/promises';
import { messageOf } from '../../lib/errors.ts';
import type { Events } from '../../lib/events.ts';
import type { FaceDecision, Faces, ImageProbes, StoredProbe } from '../../lib/faces.ts';
import type { ImageStatus } from '../../lib/images.ts';
import { probesToMatch, toMatchProbe } from '../../lib/match-probes.ts';
import { listMarkedImages, readGalleryRevision, readStatuses } from '../../lib/rematch-images.ts';
import type { JobContext } from '../../lib/run-jobs.ts';
import { noteChangedImages } from '../../lib/webhook-events.ts';
import type { Decision, MatchResponse } from '../../proto/face.ts';
import { RecognizerUnavailable } from '../circuit-breaker.ts';
import { MatchRefused, type RecognizerClient } from '../recognizer-client.ts';

export interface DecideAgainOptions {
  readonly faces: Pick<Faces, 'readProbes' | 'rewriteDecisions'>;
  readonly recognizer: Pick<RecognizerClient, 'match' | 'breaker'>;
  readonly events: Pick<Events, 'publish'>;
}

/** Images that are written together, and faces that are asked about in one call at most (a call may hold 4 MB). */
const BATCH = 16;
const FACES_PER_CALL = 2_000;
/** Batches in hand side by side: while one waits for the database, the recognizer works on another. */
const LANES = 4;
const BEHIND_WAIT_MS = 100;
const FAILURE_WAIT_MS = 1_000;
const REFUSED_WAIT_MS = 10_000;
const LOOK_EVERY_MS = 250;

/**
 * Decides the faces of every marked image again, newest first, once: whoever is marked again meanwhile waits for the next
 * time. An event is told of every image whose answer is another one, as soon as it is.
 *
 * @param minRevision of the gallery that decides
 * @returns how many images were looked at, and how many changed
 */
export async function decideMarkedImages(
  options: DecideAgainOptions,
  context: JobContext,
  minRevision: number,
): Promise<{ looked: number; changed: number }> {
  const { db, signal } = context;
  let looked = 0;
  let changed = 0;
  let before = Number.MAX_SAFE_INTEGER;
  const refused = new Set<string | null>();
  const lanes = openLanes(LANES);

  async function decideBatch(imageIds: readonly number[]): Promise<void> {
    const photos = await options.faces.readProbes(imageIds);
    for (const { model, ids } of groupImages(imageIds, photos)) {
      if (refused.has(model)) continue;
      const decided = await decideImages({ ...options, context, minRevision, model }, ids, photos);
      if (decided === null) refused.add(model);
      changed += decided ?? 0;
    }
  }

  for (;;) {
    signal.throwIfAborted();
    const imageIds = await listMarkedImages(db, before, BATCH);
    const last = imageIds.at(-1);
    if (last === undefined) break;
    await lanes.start(() => decideBatch(imageIds));
    looked += imageIds.length;
    before = last;
  }
  await lanes.end();
  if (refused.size > 0) await pauseWhileUnchanged(context, minRevision);
  return { looked, changed };
}

/** Runs so much work side by side at most. After a failure nothing more is started, and what runs is waited for. */
function openLanes(count: number) {
  const running = new Set<Promise<void>>();
  const failures: unknown[] = [];
  const throwFailure = async () => {
    if (failures.length === 0) return;
    await Promise.all(running);
    throw failures[0];
  };
  return {
    /** Resolves when there is room for more. */
    async start(work: () => Promise<void>): Promise<void> {
      const lane: Promise<void> = work()
        .catch((error: unknown) => void failures.push(error))
        .finally(() => running.delete(lane));
      running.add(lane);
      if (running.size >= count) await Promise.race(running);
      await throwFailure();
    },
    async end(): Promise<void> {
      await Promise.all(running);
      await throwFailure();
    },
  };
}

/** Null: of images without any descriptor there is nothing to decide, but their mark is cleared. */
function groupImages(imageIds: readonly number[], photos: ReadonlyMap<number, ImageProbes>) {
  const groups: { model: string | null; ids: number[]; faces: number }[] = [];
  for (const id of imageIds) {
    const { model = null, probes = [] } = photos.get(id) ?? {};
    let group = groups.findLast((one) => one.model === model);
    if (group === undefined || group.faces + probes.length > FACES_PER_CALL) {
      group = { model, ids: [], faces: 0 };
      groups.push(group);
    }
    group.ids.push(id);
    group.faces += probes.length;
  }
  return groups;
}

interface Batch extends DecideAgainOptions {
  readonly context: JobContext;
  readonly minRevision: number;
  readonly model: string | null;
}

/** @returns how many changed; null when the recognizer cannot compare faces of this model: the images stay marked */
async function decideImages(
  batch: Batch,
  imageIds: readonly number[],
  photos: ReadonlyMap<number, ImageProbes>,
): Promise<number | null> {
  const { faces, events, context, minRevision, model } = batch;
  const asked = imageIds.map((id) => probesToMatch(photos.get(id)?.probes ?? []));
  const response = model === null ? null : await matchWhenPossible(batch, model, asked);
  if (model !== null && response === null) return null;
  const revision = response?.galleryRevision ?? minRevision;
  const decided = new Map(
    imageIds.map((id, index) => [id, toDecisions(asked[index] ?? [], response?.photos[index]?.decisions ?? [])]),
  );
  const statuses = await context.write(async (connection) => {
    const changed = await faces.rewriteDecisions(connection, model ?? '', revision, decided);
    const found = await readStatuses<ImageStatus>(connection, changed);
    await noteChangedImages(connection, found);
    return found;
  });
  for (const [imageId, status] of statuses) events.publish({ kind: 'image.changed', imageId, status });
  return statuses.size;
}

/** By the face's id. */
export function toDecisions(probes: readonly StoredProbe[], decisions: readonly Decision[]): Map<number, FaceDecision> {
  if (probes.length !== decisions.length) {
    throw new Error(
      `The recognizer was asked about ${probes.length} faces of a photo and answered ${decisions.length}.`,
    );
  }
  return new Map(decisions.map((decision, index) => [probes[index]?.faceId ?? 0, toFaceDecision(decision)]));
}

function toFaceDecision({ match, nearestDistance, threshold, candidates }: Decision): FaceDecision {
  return {
    personId: match?.personId || null,
    personImageId: match?.personImageId || null,
    distance: match?.distance ?? (nearestDistance || null),
    threshold,
    candidates,
  };
}

/** Waits as long as it takes. @returns null when the recognizer cannot compare these faces */
export async function matchWhenPossible(
  { recognizer, context, minRevision }: Pick<Batch, 'recognizer' | 'context' | 'minRevision'>,
  model: string,
  photos: readonly (readonly StoredProbe[])[],
): Promise<MatchResponse | null> {
  const { signal, log } = context;
  const request = {
    model,
    minGalleryRevision: minRevision,
    photos: photos.map((probes) => ({ probes: probes.map(toMatchProbe) })),
  };
  for (;;) {
    signal.throwIfAborted();
    try {
      return await recognizer.match(request);
    } catch (error) {
      if (error instanceof RecognizerUnavailable) await recognizer.breaker.untilClosed(signal);
      else if (error instanceof MatchRefused && error.reason === 'behind') await pause(BEHIND_WAIT_MS, signal);
      else if (error instanceof MatchRefused) {
        log.warn({ model, reason: error.reason }, `stored faces wait to be matched again: ${messageOf(error)}`);
        return null;
      } else {
        log.debug({ err: error }, `matching is tried again: ${messageOf(error)}`);
        await pause(FAILURE_WAIT_MS, signal);
      }
    }
  }
}

/** Those that nobody can decide now must not keep others waiting: it ends early when the gallery changes. */
async function pauseWhileUnchanged({ db, signal }: JobContext, revision: number): Promise<void> {
  const until = performance.now() + REFUSED_WAIT_MS;
  while (!signal.aborted && performance.now() < until && (await readGalleryRevision(db)) === revision) {
    await pause(LOOK_EVERY_MS, signal);
  }
}

/** Ends early when `signal` is aborted. */
async function pause(ms: number, signal: AbortSignal): Promise<void> {
  await sleep(ms, undefined, { signal }).catch(() => undefined);
}
