import type { StoredProbe } from './faces.ts';

/** Of every model that we know. */
const DESCRIPTOR_LENGTH = 128;

/**
 * The stored faces of a photo that the recognizer decides about: without those of which a person has said that they are
 * nobody's, and without what is no descriptor.
 */
export function probesToMatch(probes: readonly StoredProbe[]): readonly StoredProbe[] {
  return probes.filter(
    ({ decidedBy, personId, descriptor }) =>
      (decidedBy === 'gallery' || personId !== null) && descriptor.length === DESCRIPTOR_LENGTH,
  );
}

/** A stored face as the recognizer's Match is asked about it. */
export function toMatchProbe({ descriptor, faceId, qualityReasons, decidedBy, personId }: StoredProbe) {
  return {
    descriptor: Array.from(descriptor),
    faceId,
    qualityReasons: [...qualityReasons],
    personId: (decidedBy === 'user' && personId) || 0,
  };
}
