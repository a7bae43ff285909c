import type { GalleryEntry } from '../lib/people.ts';

export interface Match {
  readonly entry: GalleryEntry;
  /** Euclidean, at most the threshold. */
  readonly distance: number;
}

export interface NamedFace {
  /** Euclidean distance to the nearest known face; null when the gallery is empty. */
  readonly nearestDistance: number | null;
  readonly match: Match | null;
}

/** A face that is to be named. */
export interface Probe {
  /** 128 floats. */
  readonly descriptor: Float32Array;
  /** The largest Euclidean distance that counts as the same person; the worse the face, the smaller. */
  readonly threshold: number;
}

export interface Gallery {
  readonly size: number;
  /** The state of the database that the entries were read from; 0 without a database. */
  readonly revision: number;
  /** Takes the place of everything that was known before. */
  replace(entries: readonly GalleryEntry[], revision: number): void;
  /**
   * Says whose the faces of one photo are, in their order. A face may be that of the person whose nearest known face is
   * within the face's threshold; nobody is in a photo twice: pairs of face and person are granted by ascending distance.
   */
  nameFaces(probes: readonly Probe[]): NamedFace[];
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
    nameFaces(probes) {
      const nearest = probes.map(({ descriptor }) => nearestOfEachPerson(descriptor, entries));
      const matches = grantByDistance(
        nearest.flatMap((people, face) =>
          people.filter((match) => match.distance <= (probes[face]?.threshold ?? 0)).map((match) => ({ face, match })),
        ),
      );
      return nearest.map((people, face) => ({
        nearestDistance: people.length === 0 ? null : Math.min(...people.map((match) => match.distance)),
        match: matches.get(face) ?? null,
      }));
    },
  };
}

function nearestOfEachPerson(probe: Float32Array, entries: readonly GalleryEntry[]): Match[] {
  const nearest = new Map<string, Match>();
  for (const entry of entries) {
    const distance = distanceBetween(probe, entry.descriptor);
    const person = identityOf(entry);
    if (distance < (nearest.get(person)?.distance ?? Number.POSITIVE_INFINITY))
      nearest.set(person, { entry, distance });
  }
  return [...nearest.values()];
}

/** Without a database people have no ids, and their names tell them apart. */
function identityOf(entry: GalleryEntry): string {
  return entry.personId === 0 ? `name ${entry.personName}` : `id ${entry.personId}`;
}

/** Each face and each person once, the nearest pair first. */
function grantByDistance(pairs: { face: number; match: Match }[]): Map<number, Match> {
  const granted = new Map<number, Match>();
  const taken = new Set<string>();
  for (const { face, match } of pairs.sort((a, b) => a.match.distance - b.match.distance)) {
    const person = identityOf(match.entry);
    if (granted.has(face) || taken.has(person)) continue;
    granted.set(face, match);
    taken.add(person);
  }
  return granted;
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
