import type { PresentReferences } from '../lib/enrolments.ts';
import { PermanentError } from '../lib/errors.ts';
import { findMisleading } from '../lib/face-quality.ts';
import { type NearReference, SAME_PICTURE_DISTANCE } from '../lib/references.ts';
import type { Face, Recognition } from '../proto/face.ts';

/**
 * The face of a photo that is to be enrolled, and its number in the photo.
 *
 * @param faceIndex 0 is the largest; null: the photo must show one face only
 * @throws PermanentError `no_face`, `several_faces` or `face_index_invalid`
 */
export function chooseFace(faces: readonly Face[], faceIndex: number | null): { face: Face; index: number } {
  const index = faceIndex ?? 0;
  const face = faces[index];
  if (faces.length === 0) throw new PermanentError('no_face', 'There is no face in the photo.');
  if (faceIndex === null && faces.length > 1) {
    const message = `The photo shows ${faces.length} faces: say which, 0 is the largest.`;
    throw new PermanentError('several_faces', message);
  }
  if (face === undefined) {
    const message = `There is no face ${index}: the photo shows ${faces.length}, counted from 0, the largest.`;
    throw new PermanentError('face_index_invalid', message);
  }
  return { face, index };
}

/**
 * Says whether a face may become a reference of a person without force.
 *
 * @throws PermanentError `poor_quality`, `duplicate_face` or `belongs_to_other`. No message names anybody: it would
 *   outlive their erasure
 */
export function assertWorthEnrolling(face: Face, recognition: Recognition, present: PresentReferences): void {
  const { personId, sameFaceOf, newer } = present;
  const reasons = findMisleading(face.quality?.reasons ?? []);
  if (reasons.length > 0) {
    throw new PermanentError('poor_quality', `The face is too poor to recognise others by: ${reasons.join(', ')}.`);
  }
  if (sameFaceOf === personId) throw duplicate('This face of this photo');
  if (sameFaceOf !== null) throw belongsTo(sameFaceOf, 0);

  const near = [...nearInGallery(face), ...newer].sort((a, b) => a.distance - b.distance);
  const own = near.find((other) => other.personId === personId);
  if (own !== undefined && own.distance < SAME_PICTURE_DISTANCE) throw duplicate('The same picture of the face');
  const [nearest] = near;
  const threshold = face.threshold || recognition.threshold;
  if (nearest !== undefined && nearest.personId !== personId && nearest.distance <= threshold) {
    throw belongsTo(nearest.personId, nearest.distance);
  }
}

type NearPerson = Pick<NearReference, 'personId' | 'distance'>;

/** The people whom the recognizer found near; a recognizer without a database knows none by id. */
function nearInGallery(face: Face): NearPerson[] {
  const near: NearPerson[] = face.candidates.map(({ personId, distance }) => ({ personId, distance }));
  if (near.length === 0 && face.match !== undefined) near.push(face.match);
  return near.filter((person) => person.personId !== 0);
}

function duplicate(what: string): PermanentError {
  return new PermanentError('duplicate_face', `${what} is a reference of this person already.`);
}

function belongsTo(personId: number, distance: number): PermanentError {
  const message = `The face looks like person ${personId}, at a distance of ${distance.toFixed(2)}.`;
  return new PermanentError('belongs_to_other', message);
}
