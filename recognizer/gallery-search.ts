import { setImmediate as nextTurn } from 'node:timers/promises';
import type { GalleryEntry } from '../lib/gallery.ts';
import { createGalleryIndex, DIMENSIONS, type GalleryIndex } from './gallery-index.ts';
import { createKnownFaces, digestOf, type KnownFaces, type Look } from './known-faces.ts';
import { collectNearest, type NearestPerson } from './nearest-people.ts';

/** Up to so many faces are compared one by one: it takes as long as one search of the index. Also how many may wait for it. */
export const EXACT_FACES = 4_000;
/** Looks that the index is asked for at first: their faces are compared exactly. */
const LOOKS_WANTED = 32;
/** Where one person has so many looks that nobody else is among those found, more are asked for, up to this. */
const MAX_LOOKS_WANTED = 1024;
/** Adding to the index pauses after this time, ms, so that whoever shares the thread is not kept waiting. */
const SLICE_MS = 4;

export interface GalleryChanges {
  /** New and changed faces, whole. */
  readonly changed: readonly GalleryEntry[];
  /** Those that are not known are passed over. */
  readonly removedIds: readonly number[];
}

export interface GallerySearch {
  /** Known faces. */
  readonly size: number;
  readonly revision: number;
  readonly digest: number;
  /** Counts the faces that were taken out or replaced since the start. */
  readonly forgotten: number;
  readonly faces: KnownFaces;
  /**
   * The people nearest to a probe, nearest first, each once with their nearest face. Exact as far as the index finds
   * them: a person whose face is nearest of all is found in more than 99.5 of 100 cases, in a small gallery always.
   *
   * @param options.count at most so many
   * @param options.limit none farther than this
   */
  nearestPeople(probe: Float32Array, options: { count: number; limit: number }): NearestPerson[];
  findPerson(personId: number): { name: string } | undefined;
  findImageName(personImageId: number): string | undefined;
  /** Takes effect at once; the index follows by itself, see `settled`. */
  apply(changes: GalleryChanges, revision: number): void;
  /** While `load` runs the index waits, so that nobody is put into it with their first face and again with each other. */
  load(load: () => Promise<void>): Promise<void>;
  /** Takes the place of everything that was known before. */
  replace(entries: readonly GalleryEntry[], revision: number): void;
  /** Resolves when the index holds what it should, and nothing that was removed; not while `load` runs. */
  settled(): Promise<void>;
  /** What has been removed is not in it only once `settled` has resolved and nothing was applied since. */
  readonly index: GalleryIndex;
}

/** What a snapshot brings back. */
export interface RestoredGallery {
  readonly faces: KnownFaces;
  readonly index: GalleryIndex;
  readonly revision: number;
}

/** The known faces of one model and the search for the nearest, in this thread's memory. */
export function createGallerySearch(restored?: RestoredGallery): GallerySearch {
  const faces = restored?.faces ?? createKnownFaces();
  const index = restored?.index ?? createGalleryIndex();
  const indexed = new Map<number, Look>();
  /** Looks that are not in the index: their faces are compared one by one. */
  const waiting = new Set<Look>();
  let waitingFaces = 0;
  let nextKey = 1;
  let revision = restored?.revision ?? 0;
  let forgotten = 0;
  const loads = new Set<Promise<void>>();
  let work: Promise<void> | null = null;
  let failure: unknown;

  for (const person of faces.people.values()) {
    for (const look of person.looks) {
      if (look.key > 0) indexed.set(look.key, look);
      else wait(look);
      nextKey = Math.max(nextKey, look.key + 1);
    }
  }

  function wait(look: Look): void {
    waiting.add(look);
    waitingFaces += look.slots.length;
  }

  /** A look that changes leaves the index first, so that the index never holds what is not true any more. */
  function takeOut(look: Look): void {
    if (look.key > 0) {
      index.remove(look.key);
      indexed.delete(look.key);
      look.key = 0;
    }
    if (!waiting.has(look)) wait(look);
  }

  function forget(id: number): void {
    const slot = faces.findSlot(id);
    if (slot === undefined) return;
    const look = faces.remove(slot, takeOut);
    waitingFaces--;
    if (look.slots.length === 0) waiting.delete(look);
    forgotten++;
  }

  function learn(entry: GalleryEntry): void {
    const slot = faces.findSlot(entry.personImageId);
    if (slot !== undefined && faces.digestAt(slot) === digestOf(entry)) return;
    forget(entry.personImageId);
    faces.add(entry, takeOut);
    waitingFaces++;
  }

  function apply({ changed, removedIds }: GalleryChanges, newRevision: number): void {
    for (const id of removedIds) forget(id);
    for (const entry of changed) learn(entry);
    revision = newRevision;
    startWork();
  }

  const isBehind = () => index.vacant > 0 || (index.size > 0 && waitingFaces > 0 && work !== null);
  const mustWork = () => index.vacant > 0 || waitingFaces > EXACT_FACES;

  async function catchUp(): Promise<void> {
    let batch = 8;
    while (isBehind() || mustWork()) {
      const started = performance.now();
      advance(batch);
      const took = performance.now() - started;
      batch = Math.max(2, Math.min(256, Math.floor(batch * Math.min(2, SLICE_MS / took))));
      await nextTurn();
    }
  }

  /** First those who wait, which take the places of removed ones; what is then left of the removed is overwritten. */
  function advance(batch: number): void {
    const looks: Look[] = [];
    for (const look of waiting) {
      if (looks.length === batch) break;
      looks.push(look);
    }
    if (looks.length === 0) {
      index.overwriteVacant(batch);
      return;
    }
    const points = new Float32Array(looks.length * DIMENSIONS);
    for (const [position, look] of looks.entries()) faces.writeCentroid(look, points, position * DIMENSIONS);
    const keys = looks.map(() => nextKey++);
    index.add(keys, points);
    for (const [position, look] of looks.entries()) {
      look.key = keys[position] ?? 0;
      indexed.set(look.key, look);
      waiting.delete(look);
      waitingFaces -= look.slots.length;
    }
  }

  function startWork(): void {
    if (work !== null || loads.size > 0 || !mustWork()) return;
    // Deferred, so that `work` is set when catchUp looks at it.
    work = nextTurn()
      .then(catchUp)
      .catch((error) => {
        failure = error;
      })
      .finally(() => {
        work = null;
        // What was applied after it had looked for the last time would wait for the next change otherwise.
        if (failure === undefined) startWork();
      });
  }

  startWork();
  return {
    faces,
    index,
    get size() {
      return faces.size;
    },
    get revision() {
      return revision;
    },
    get digest() {
      return faces.digest;
    },
    get forgotten() {
      return forgotten;
    },

    nearestPeople(probe, { count, limit }) {
      const nearest = collectNearest(probe, faces);
      for (const look of waiting) nearest.consider(look);
      for (let wanted = LOOKS_WANTED; index.size > 0; wanted *= 2) {
        const keys = index.search(probe, wanted);
        for (const key of keys) {
          const look = indexed.get(key);
          if (look) nearest.consider(look);
        }
        if (nearest.people >= count || wanted >= Math.min(MAX_LOOKS_WANTED, index.size)) break;
      }
      return nearest.list(count, limit);
    },

    findPerson: (personId) => faces.people.get(personId),
    findImageName(personImageId) {
      const slot = faces.findSlot(personImageId);
      return slot === undefined ? undefined : faces.faceAt(slot)?.imageName;
    },

    apply,

    async load(load) {
      const loading = load();
      loads.add(loading);
      try {
        await loading;
      } finally {
        loads.delete(loading);
        startWork();
      }
    },

    replace(entries, newRevision) {
      const kept = new Set(entries.map((entry) => entry.personImageId));
      const removedIds = [...faces.ids()].filter((id) => !kept.has(id));
      apply({ changed: entries, removedIds }, newRevision);
    },

    async settled() {
      // While something is loaded the index stands still: who only waited for its work would ask for ever, in one turn.
      while (work !== null || loads.size > 0) await (work ?? Promise.allSettled(loads));
      if (failure !== undefined) throw new Error('The index of the gallery broke.', { cause: failure });
    },
  };
}
