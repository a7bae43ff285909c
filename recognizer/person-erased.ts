/** The code of a photo whose content is among those of people who were erased (PhotoJob.refusedHashes). */
export const PERSON_ERASED = 'person_erased';
