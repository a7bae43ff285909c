import { type FaceQuality, QUALITY_REASONS } from '../lib/face-quality.ts';
import { summariseFaces } from '../lib/image-summary.ts';
import type { Outcome, SeenFace } from '../lib/images.ts';
import type { People } from '../lib/people.ts';
import type { Face, FaceQuality as FaceQualityMessage, IdentifyResponse, Recognition } from '../proto/face.ts';

/** What a reference recognizer answers when nobody matches. */
const NOT_FOUND = 'not_found';

type FindPerson = Pick<People, 'findPersonByImage'>;

/**
 * Turns a recognizer's answer into the outcome of the image.
 *
 * @throws Error when the answer names a known photo that no row of person_images knows
 */
export async function toOutcome(response: IdentifyResponse, people: FindPerson): Promise<Outcome> {
  if (response.recognition !== undefined) return outcomeOfRecognition(response.recognition, people);
  // A reference recognizer: all that it says is a name.
  const seen = { width: null, height: null };
  if (response.imageName === '' || response.imageName === NOT_FOUND) {
    return { ...seen, status: 'unknown', personId: null, faces: [] };
  }
  const personId = await findPerson(response.imageName, people);
  return { ...seen, status: 'matched', personId, faces: [{ ...NAME_ONLY, personId }] };
}

const NAME_ONLY: SeenFace = {
  box: null,
  confidence: null,
  descriptor: null,
  model: null,
  personId: null,
  personImageId: null,
  distance: null,
  threshold: null,
  quality: null,
  galleryRevision: null,
  candidates: null,
};

async function outcomeOfRecognition(recognition: Recognition, people: FindPerson): Promise<Outcome> {
  const faces = await Promise.all(recognition.faces.map((face) => toSeenFace(face, recognition, people)));
  return { ...summariseFaces(faces), width: recognition.width, height: recognition.height, faces };
}

async function toSeenFace(face: Face, recognition: Recognition, people: FindPerson): Promise<SeenFace> {
  const { match, box } = face;
  // A recognizer that runs without a database knows the photo, not the row.
  const personId = match ? match.personId || (await findPerson(match.imageName, people)) : null;
  return {
    box: box ?? null,
    confidence: face.confidence,
    descriptor: face.descriptor,
    model: recognition.model,
    personId,
    personImageId: match?.personImageId || null,
    distance: match?.distance ?? (face.nearestDistance || null),
    // A recognizer of an earlier version has one threshold for all.
    threshold: face.threshold || recognition.threshold,
    quality: face.quality ? toQuality(face.quality) : null,
    galleryRevision: recognition.galleryRevision,
    // Without a database it has no ids that could be kept.
    candidates: face.candidates.filter(({ personId }) => personId > 0),
  };
}

/** A word that a later recognizer might add is left out: the API promises those of this version. */
export function toQuality(message: FaceQualityMessage): FaceQuality {
  return { ...message, reasons: QUALITY_REASONS.filter((reason) => message.reasons.includes(reason)) };
}

async function findPerson(imageName: string, people: FindPerson): Promise<number> {
  const person = await people.findPersonByImage(imageName);
  if (person !== null) return person.id;
  throw new Error(`The recognizer named the known photo ${imageName}, but no row of person_images has that name.`);
}
