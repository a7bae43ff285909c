import type { GalleryEntry } from '../lib/people.ts';
import { createGallerySearch, type GallerySearch } from './gallery-search.ts';
import type { NearestPerson } from './nearest-people.ts';

/** People that are looked at for each face, at least. */
const CANDIDATES = 5;

export interface Match {
  readonly entry: Omit<GalleryEntry, 'descriptor'>;
  /** Euclidean, at most the threshold. */
  readonly distance: number;
}

export interface NamedFace {
  /** Euclidean distance to the nearest known face; null when the gallery is empty. */
  readonly nearestDistance: number | null;
  readonly match: Match | null;
}

export interface Gallery {
  readonly size: number;
  /** The state of the database that the faces are of. */
  readonly revision: number;
  /**
   * Says whose the faces of one photo are, in their order. A face may be that of the person whose nearest known face is
   * within the threshold; nobody is in a photo twice: pairs of face and person are granted by ascending distance.
   *
   * @param descriptors one for each face, 128 floats
   */
  nameFaces(descriptors: readonly Float32Array[]): NamedFace[];
}

/** Decides by a threshold what the search for the nearest people has found. */
export function createGallery(threshold: number, search: GallerySearch = createGallerySearch()): Gallery {
  const toMatch = ({ personId, personImageId, distance }: NearestPerson): Match => {
    const personName = search.findPerson(personId)?.name ?? '';
    const imageName = search.findImageName(personImageId) ?? '';
    return { entry: { personImageId, personId, personName, imageName }, distance };
  };
  return {
    get size() {
      return search.size;
    },
    get revision() {
      return search.revision;
    },
    nameFaces(descriptors) {
      // Each of the others in the photo may take one person away.
      const options = { count: Math.max(CANDIDATES, descriptors.length), limit: Number.POSITIVE_INFINITY };
      const nearest = descriptors.map((descriptor) => search.nearestPeople(descriptor, options));
      const granted = grantByDistance(
        nearest.flatMap((people, face) =>
          people.filter(({ distance }) => distance <= threshold).map((person) => ({ face, person })),
        ),
      );
      return nearest.map((people, face) => {
        const person = granted.get(face);
        return { nearestDistance: people[0]?.distance ?? null, match: person ? toMatch(person) : null };
      });
    },
  };
}

/** Each face and each person once, the nearest pair first. */
function grantByDistance(pairs: { face: number; person: NearestPerson }[]): Map<number, NearestPerson> {
  const granted = new Map<number, NearestPerson>();
  const taken = new Set<number>();
  for (const { face, person } of pairs.sort((a, b) => a.person.distance - b.person.distance)) {
    if (granted.has(face) || taken.has(person.personId)) continue;
    granted.set(face, person);
    taken.add(person.personId);
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
