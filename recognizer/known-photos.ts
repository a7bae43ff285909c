import type { EncodedPhoto, GalleryEntry, People } from '../lib/people.ts';

/** Where descriptors of known photos are kept: the database, or memory when the recognizer runs alone. */
export interface KnownPhotos
  extends Pick<
    People,
    'galleryRevision' | 'loadGallery' | 'listKnownPhotos' | 'recordKnownPhoto' | 'touchKnownPhoto' | 'listRefusedHashes'
  > {
  /**
   * Only in memory: photos that have left the folder are not known any more. A database keeps them.
   *
   * @returns how many were forgotten
   */
  forgetOthers?(imageNames: ReadonlySet<string>): number;
}

/** Keeps known photos for as long as the process lives; people have no ids, rows have none, and the revision stays 0. */
export function keepKnownPhotosInMemory(): KnownPhotos {
  const photos = new Map<string, EncodedPhoto>();

  return {
    galleryRevision: async () => 0,

    async loadGallery(model) {
      const entries = [...photos.values()].flatMap(({ imageName, personName, descriptor, ...photo }): GalleryEntry[] =>
        descriptor === null || photo.model !== model
          ? []
          : [{ personImageId: 0, personId: 0, personName, imageName, descriptor }],
      );
      return { revision: 0, entries };
    },

    listKnownPhotos: async () => [...photos.values()],

    async recordKnownPhoto(photo) {
      photos.set(photo.imageName, photo);
      return true;
    },

    listRefusedHashes: async () => [],

    async touchKnownPhoto(imageName, file) {
      const photo = photos.get(imageName);
      if (photo) photos.set(imageName, { ...photo, ...file });
    },

    forgetOthers(imageNames) {
      const gone = [...photos.keys()].filter((imageName) => !imageNames.has(imageName));
      for (const imageName of gone) photos.delete(imageName);
      return gone.length;
    },
  };
}
