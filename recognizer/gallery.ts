import type { GalleryEntry } from '../lib/people.ts';

/** A person who is known, by the reference of theirs that is nearest to a probe. */
export interface NearPerson {
  /** 0, like the id of the reference, without a database: then the name tells people apart. */
  readonly personId: number;
  readonly personImageId: number;
  readonly personName: string;
  /** Of the reference. */
  readonly imageName: string;
  /** Euclidean. */
  readonly distance: number;
}

export interface Gallery {
  readonly size: number;
  /** The state of the database that the entries were read from; 0 without a database. */
  readonly revision: number;
  /** Takes the place of everything that was known before. */
  replace(entries: readonly GalleryEntry[], revision: number): void;
  /**
   * The people nearest to a face, each once, nearest first.
   *
   * @param probe 128 floats
   * @param options.count at most so many
   * @param options.limit at most so far away; Infinity for however far
   */
  nearestPeople(probe: Float32Array, options: { count: number; limit: number }): NearPerson[];
}

/** The known faces of one model, in memory, searched exactly. */
export function createGallery(): Gallery {
  let entries: readonly GalleryEntry[] = [];
  let revision = 0;
  return {
    get size() {
      return entries.length;
    },
    get revision() {
      return revision;
    },
    replace(newEntries, newRevision) {
      entries = newEntries;
      revision = newRevision;
    },
    nearestPeople(probe, { count, limit }) {
      const nearest = new Map<number | string, { entry: GalleryEntry; distance: number }>();
      for (const entry of entries) {
        const distance = distanceBetween(probe, entry.descriptor);
        const person = entry.personId || entry.personName;
        if (distance > limit || distance >= (nearest.get(person)?.distance ?? Number.POSITIVE_INFINITY)) continue;
        nearest.set(person, { entry, distance });
      }
      const sorted = [...nearest.values()].sort((a, b) => a.distance - b.distance).slice(0, count);
      return sorted.map(({ entry: { descriptor: _, ...person }, distance }) => ({ ...person, distance }));
    },
  };
}

/** Euclidean, of two descriptors of 128 floats and of one model. */
export function distanceBetween(a: Float32Array, b: Float32Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) {
    const difference = (a[i] ?? 0) - (b[i] ?? 0);
    sum += difference * difference;
  }
  return Math.sqrt(sum);
}
