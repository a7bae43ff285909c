/** The code of a photo whose content must never be enrolled from the folder (PhotoJob.refusedHashes). */
export const PHOTO_REFUSED = 'photo_refused';
