import { setTimeout as sleep } from 'node:timers/promises';
import {
  countNewFaces,
  isAnyReshaped,
  markLookedAt,
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
import type { Events } from '../../lib/events.ts';
import { saveJob } from '../../lib/jobs.ts';
import type { Job, JobContext } from '../../lib/run-jobs.ts';
import { writeClusters } from '../../lib/write-clusters.ts';
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
  for (const [model, ids] of await readClustersThatShrank(context.db)) {
    const space = spaces.of(model);
    const here = new Set((await readMembers(context.db, ids)).map((face) => face.id));
    for (const id of space.membersOf(ids)) if (!here.has(id)) space.remove(id);
    await writeChanges(context, model, space, ids);
  }
}

async function growAll(options: ClusterFacesOptions, context: JobContext, spaces: Spaces): Promise<void> {
  const { db, write, log } = context;
  const waiting = await countNewFaces(db);
  if (waiting === 0) return;
  const startedAt = performance.now();
  await write((connection) => saveJob(connection, CLUSTERS, { done: 0, total: waiting, run: 'started' }));
  let done = 0;
  for (;;) {
    const { faces, withoutDescriptor } = await readNewFaces(db, BATCH);
    if (faces.length + withoutDescriptor.length === 0) break;
    await addFaces(context, spaces, faces);
    done += faces.length + withoutDescriptor.length;
    await write(async (connection) => {
      await markLookedAt(connection, withoutDescriptor);
      await saveJob(connection, CLUSTERS, { done: Math.min(done, waiting) });
    });
    options.events.publish({ kind: 'job.progress', job: CLUSTERS, done: Math.min(done, waiting), total: waiting });
    if (done > waiting) break;
  }
  await write((connection) => saveJob(connection, CLUSTERS, { done: waiting, run: 'finished' }));
  log.info({ faces: done, ms: Math.round(performance.now() - startedAt) }, 'unknown faces clustered');
}

async function addFaces(context: JobContext, spaces: Spaces, faces: readonly UnknownFace[]): Promise<void> {
  const turn = takeTurns(context);
  for (const face of faces) {
    // It was skipped before, has become unknown again, or is described by another model now.
    for (const [, space] of spaces.all()) space.remove(face.id);
    spaces.of(face.model).add(face);
    await turn();
  }
  await save(context, spaces);
}

async function save(context: Pick<JobContext, 'write'>, spaces: Spaces): Promise<void> {
  for (const [model, space] of spaces.all()) await writeChanges(context, model, space);
}

/** @param also clusters whose size is to be counted again */
async function writeChanges(
  { write }: Pick<JobContext, 'write'>,
  model: string,
  space: ClusterSpace,
  also: readonly number[] = [],
): Promise<void> {
  const changes = space.takeChanges(also);
  if (changes.faces.size + changes.touched.size === 0) return;
  const written = await write((connection) =>
    writeClusters(connection, { model, minSize: MIN_CLUSTER_SIZE, ...changes }),
  );
  for (const [from, into] of written.ids) space.renumber(from, into);
  for (const id of written.skipped) space.remove(id);
  for (const id of written.dissolved) space.dissolve(id);
}
