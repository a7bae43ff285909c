import type { GalleryEntry, StoredGallery } from '../lib/gallery.ts';
import type { EncodedPhoto, People } from '../lib/people.ts';

/** Where descriptors of known photos are kept: the database, or memory when the recognizer runs alone. */
export interface KnownPhotos extends StoredGallery, Omit<People, 'findPersonByImage'> {
  /**
   * Only in memory: photos that have left the folder are not known any more. A database keeps them.
   *
   * @returns how many were forgotten
   */
  forgetOthers?(imageNames: ReadonlySet<string>): number;
}

/**
 * Keeps known photos for as long as the process lives. People and photos have no rows, so their ids are negative, and
 * nobody outside is told of them; people are told apart by their names.
 */
export function keepKnownPhotosInMemory(): KnownPhotos {
  const photos = new Map<string, EncodedPhoto & { readonly revision: number }>();
  const removals: { readonly id: number; readonly revision: number }[] = [];
  const photoIds = countNames();
  const personIds = countNames();
  let revision = 0;

  const toEntries = (model: string, after: number) =>
    [...photos.values()].flatMap(({ imageName, personName, descriptor, ...photo }): GalleryEntry[] =>
      descriptor === null || photo.model !== model || photo.revision <= after
        ? []
        : [{ personImageId: photoIds(imageName), personId: personIds(personName), personName, imageName, descriptor }],
    );

  return {
    galleryRevision: async () => revision,

    // Everything is one page, which no other follows.
    loadGalleryPage: async (model, { after }) => (after === Number.MIN_SAFE_INTEGER ? toEntries(model, -1) : []),

    async loadGalleryChanges(model, after) {
      const changed = toEntries(model, after);
      const useless = [...photos.values()].filter((photo) => photo.descriptor === null || photo.model !== model);
      const gone = removals.filter((removal) => removal.revision > after).map(({ id }) => id);
      const removedIds = [...gone, ...useless.map((photo) => photoIds(photo.imageName))];
      return { revision, changed, removedIds, complete: true };
    },

    // Nobody else writes here.
    compareGallery: async () => true,

    listKnownPhotos: async () => [...photos.values()].map(({ model, ...photo }) => ({ ...photo, models: [model] })),

    async recordKnownPhoto(photo) {
      revision++;
      photos.set(photo.imageName, { ...photo, revision });
      return true;
    },

    listRefusedHashes: async () => [],

    async touchKnownPhoto(imageName, file) {
      const photo = photos.get(imageName);
      if (photo) photos.set(imageName, { ...photo, ...file });
    },

    forgetOthers(imageNames) {
      const gone = [...photos.keys()].filter((imageName) => !imageNames.has(imageName));
      if (gone.length > 0) revision++;
      for (const imageName of gone) {
        photos.delete(imageName);
        removals.push({ id: photoIds(imageName), revision });
      }
      return gone.length;
    },
  };
}

/** @returns a function that gives each name its own negative number */
function countNames(): (name: string) => number {
  const ids = new Map<string, number>();
  return (name) => {
    const id = ids.get(name) ?? -1 - ids.size;
    ids.set(name, id);
    return id;
  };
}
