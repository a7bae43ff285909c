import { createGallerySearch, type GallerySearch } from './gallery-search.ts';

/** A person who is known, by the reference of theirs that is nearest to a probe. */
export interface NearPerson {
  /** Negative, like the id of the reference, without a database: nobody outside knows it. */
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
  /** The state of the database that the faces are of. */
  readonly revision: number;
  /**
   * The people nearest to a face, each once, nearest first.
   *
   * @param probe 128 floats
   * @param options.count at most so many
   * @param options.limit at most so far away; Infinity for however far
   */
  nearestPeople(probe: Float32Array, options: { count: number; limit: number }): NearPerson[];
}

/** The known faces of one model, with the names that the search does without. */
export function createGallery(search: GallerySearch = createGallerySearch()): Gallery {
  return {
    get size() {
      return search.size;
    },
    get revision() {
      return search.revision;
    },
    nearestPeople: (probe, options) =>
      search.nearestPeople(probe, options).map((nearest) => ({
        ...nearest,
        personName: search.findPerson(nearest.personId)?.name ?? '',
        imageName: search.findImageName(nearest.personImageId) ?? '',
      })),
  };
}
