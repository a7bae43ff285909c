import { setTimeout as sleep } from 'node:timers/promises';
import {
  countNewFaces,
  isAnyReshaped,
  markLookedAt,
  type NewFaces,
  readClusteredFaces,
  readClustersThatShrank,
  readFacesThatLeft,
  readMembers,
  readNewFaces,
  readSplits,
  releaseFaces,
  takeReshaped,
  type UnknownFace,
} from '../../lib/cluster-faces.ts';
import type { Queryable } from '../../lib/database.ts';
import type { Events } from '../../lib/events.ts';
import { saveJob } from '../../lib/jobs.ts';
import type { Job, JobContext } from '../../lib/run-jobs.ts';
import { type ClustersWritten, writeClusters } from '../../lib/write-clusters.ts';
import { type ClusterSpace, createClusterSpace, MIN_CLUSTER_SIZE } from './grow-clusters.ts';

export const CLUSTERS = 'clusters';

export interface ClusterFacesOptions {
  readonly events: Pick<Events, 'publish'>;
}

const POLL_MS = 1_000;
/** Deleted photos tell nobody: sizes are compared now and then. */
const SHRINKING_EVERY_MS = 10_000;
const PAGE = 2_000;
/** Faces that are written in one transaction. */
const BATCH = 500;
/** Longer than this nothing else in the process waits for a search. */
const TURN_MS = 10;

/** Spaces of the models that faces were described by; they are never compared. */
interface Spaces {
  of(model: string): ClusterSpace;
  all(): Iterable<[string, ClusterSpace]>;
}

/**
 * Keeps the clusters of unknown faces: faces that are new join them, or begin them; faces that have got a person, or were
 * erased, leave. What is known of each face stands in its row, so whoever leads next goes on from there: it reads the
 * faces, and compares only those that nobody has looked at.
 */
export function createClusterJob(options: ClusterFacesOptions): Job {
  return {
    name: CLUSTERS,
    async run(context) {
      const { signal } = context;
      const spaces = await restoreSpaces(context);
      let comparedAt = Number.NEGATIVE_INFINITY;
      while (!signal.aborted) {
        await adoptReshaped(context, spaces);
        await letFacesGo(context, spaces);
        if (performance.now() - comparedAt > SHRINKING_EVERY_MS) {
          await shrink(context, spaces);
          comparedAt = performance.now();
        }
        await growAll(options, context, spaces);
        await sleep(POLL_MS, undefined, { signal }).catch(() => undefined);
      }
    },
  };
}

function openSpaces(): Spaces {
  const spaces = new Map<string, ClusterSpace>();
  return {
    of(model) {
      const space = spaces.get(model) ?? createClusterSpace();
      spaces.set(model, space);
      return space;
    },
    all: () => spaces,
  };
}

async function restoreSpaces(context: JobContext): Promise<Spaces> {
  const { db, log } = context;
  const startedAt = performance.now();
  // Nobody who has left is read below.
  for (;;) {
    const left = await readFacesThatLeft(db, BATCH);
    if (left.length === 0) break;
    await context.write((connection) => releaseFaces(connection, left));
  }
  const spaces = openSpaces();
  const turn = takeTurns(context);
  let faces = 0;
  for (let after = 0; ; ) {
    const page = await readClusteredFaces(db, after, PAGE);
    for (const face of page) {
      spaces.of(face.model).restore(face, face);
      await turn();
    }
    faces += page.length;
    after = page.at(-1)?.id ?? after;
    if (page.length < PAGE) break;
  }
  for (const { model, clusterId, otherId } of await readSplits(db)) spaces.of(model).setApart(clusterId, otherId);
  log.info({ faces, ms: Math.round(performance.now() - startedAt) }, 'unknown faces read');
  return spaces;
}

/** Lets others have their turn every few milliseconds: the process has photos to look after. */
function takeTurns({ signal }: JobContext): () => Promise<void> {
  let until = performance.now() + TURN_MS;
  return async () => {
    if (performance.now() < until) return;
    await new Promise((resolve) => setImmediate(resolve));
    signal.throwIfAborted();
    until = performance.now() + TURN_MS;
  };
}

/** Takes over what a person has split. */
async function adoptReshaped(context: JobContext, spaces: Spaces): Promise<void> {
  const { db, write } = context;
  if (!(await isAnyReshaped(db))) return;
  const reshaped = await write(takeReshaped);
  for (const face of await readMembers(db, reshaped)) {
    const space = spaces.of(face.model);
    space.remove(face.id);
    space.restore(face, face);
  }
  for (const { model, clusterId, otherId } of await readSplits(db)) spaces.of(model).setApart(clusterId, otherId);
  await save(context, spaces);
}

async function letFacesGo(context: JobContext, spaces: Spaces): Promise<void> {
  for (;;) {
    context.signal.throwIfAborted();
    const left = await readFacesThatLeft(context.db, BATCH);
    if (left.length === 0) return;
    const released = await context.write((connection) => releaseFaces(connection, left));
    for (const id of released) for (const [, space] of spaces.all()) space.remove(id);
    await save(context, spaces);
  }
}

async function shrink(context: JobContext, spaces: Spaces): Promise<void> {
  const shrunk = await readClustersThatShrank(context.db);
  for (const [model, ids] of shrunk) {
    const space = spaces.of(model);
    const here = new Set((await readMembers(context.db, ids)).map((face) => face.id));
    for (const id of space.membersOf(ids)) if (!here.has(id)) space.remove(id);
  }
  await save(context, spaces, { recount: shrunk });
}

async function growAll(options: ClusterFacesOptions, context: JobContext, spaces: Spaces): Promise<void> {
  const { db, log } = context;
  const startedAt = performance.now();
  let batch = await readNewFaces(db, BATCH);
  let waiting = countOf(batch);
  if (waiting === 0) return;
  // Of a long run people want to know at once how much there is to do; a short one is over before anybody looks.
  const isLong = waiting === BATCH;
  if (isLong) {
    waiting = await countNewFaces(db);
    await context.write((connection) => saveJob(connection, CLUSTERS, { done: 0, total: waiting, run: 'started' }));
  }
  for (let done = 0, isLast = false; !isLast; ) {
    const { faces, withoutDescriptor } = batch;
    done += countOf(batch);
    isLast = countOf(batch) < BATCH || done > waiting;
    const progress = { done: isLast ? waiting : Math.min(done, waiting), total: waiting };
    await growBy(context, spaces, faces);
    await save(context, spaces, {
      async note(connection) {
        await markLookedAt(connection, withoutDescriptor);
        const end = isLong ? ('finished' as const) : { ms: performance.now() - startedAt };
        await saveJob(connection, CLUSTERS, { ...progress, ...(isLast && { run: end }) });
      },
    });
    options.events.publish({ kind: 'job.progress', job: CLUSTERS, ...progress });
    if (isLast) log.info({ faces: done, ms: Math.round(performance.now() - startedAt) }, 'unknown faces clustered');
    else batch = await readNewFaces(db, BATCH);
  }
}

const countOf = ({ faces, withoutDescriptor }: NewFaces) => faces.length + withoutDescriptor.length;

async function growBy(context: JobContext, spaces: Spaces, faces: readonly UnknownFace[]): Promise<void> {
  const turn = takeTurns(context);
  for (const face of faces) {
    // It was skipped before, has become unknown again, or is described by another model now.
    for (const [, space] of spaces.all()) space.remove(face.id);
    spaces.of(face.model).add(face);
    await turn();
  }
}

interface AlsoSaved {
  /** Clusters whose size is to be counted again, by model. */
  readonly recount?: ReadonlyMap<string, readonly number[]>;
  /** Written in the same transaction. */
  readonly note?: (connection: Queryable) => Promise<void>;
}

/** Writes what has changed in the spaces since the last time. */
async function save({ write }: JobContext, spaces: Spaces, { recount, note }: AlsoSaved = {}): Promise<void> {
  const changed = [...spaces.all()]
    .map(([model, space]) => ({ model, space, changes: space.takeChanges(recount?.get(model)) }))
    .filter(({ changes }) => changes.faces.size + changes.touched.size > 0);
  if (changed.length === 0 && note === undefined) return;
  const written = await write(async (connection) => {
    const results: ClustersWritten[] = [];
    for (const { model, changes } of changed) {
      results.push(await writeClusters(connection, { model, minSize: MIN_CLUSTER_SIZE, ...changes }));
    }
    await note?.(connection);
    return results;
  });
  for (const [index, { ids, skipped, dissolved }] of written.entries()) {
    const space = changed[index]?.space;
    for (const [from, into] of ids) space?.renumber(from, into);
    for (const id of skipped) space?.remove(id);
    for (const id of dissolved) space?.dissolve(id);
  }
}
