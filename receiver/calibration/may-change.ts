import type { DecidedFaceRow } from '../../lib/decided-faces.ts';
import { MAX_CANDIDATES, type StoredCandidate } from '../../lib/stored-candidates.ts';

/** A change of a threshold, of the gallery or of a person, from one distance to another, in whichever direction. */
export interface ThresholdChange {
  /** The lesser of the two. */
  readonly low: number;
  readonly high: number;
}

/**
 * Whether another threshold can change whose the faces of a photo are, as far as their stored candidates tell. It may say
 * yes without need, never no: the recognizer then decides.
 *
 * Three things can change an answer: somebody comes or goes by the threshold itself; two faces compete for one person, for
 * what it costs to leave a face without a name changes with the threshold; and people beyond those that are kept as
 * candidates. That a poor face's threshold is a smaller one is minded; by how much is the recognizer's knowledge.
 */
export function mayChange(faces: readonly DecidedFaceRow[], change: ThresholdChange): boolean {
  const seen = new Set<number>();
  for (const face of faces) {
    if (face.candidates === null) return true;
    const near = face.candidates.filter(({ distance }) => distance <= change.high);
    if (face.decidedBy === 'gallery' && isOpen(face, near, change)) return true;
    if (near.some(({ personId }) => seen.has(personId))) return true;
    for (const { personId } of near) seen.add(personId);
  }
  return false;
}

/** @param near its candidates within the larger threshold */
function isOpen(face: DecidedFaceRow, near: readonly StoredCandidate[], { low }: ThresholdChange): boolean {
  if (near.length === MAX_CANDIDATES) return true;
  if (near.some(({ distance }) => distance > low)) return true;
  if (near.length > 0 && face.qualityReasons().length > 0) return true;
  // Out of date, or granted by a threshold of the person's own that is larger than either.
  return face.personId !== null && !near.some(({ personId }) => personId === face.personId);
}
