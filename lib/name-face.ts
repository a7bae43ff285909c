import { type Actor, recordAudit } from './audit.ts';
import { changeOnce } from './change-once.ts';
import type { Database, Queryable, Row } from './database.ts';
import type { Reason } from './enrolments.ts';
import { PermanentError } from './errors.ts';
import { findMisleading } from './face-quality.ts';
import { bringImageUpToDate, type FaceRow, lockFace } from './face-row.ts';
import { bumpRevision } from './gallery.ts';
import { findOrMakePerson } from './people.ts';
import { lockPerson } from './persons.ts';
import { addReferenceOfFace, measureReferencesOf, removeReferences, SAME_PICTURE_DISTANCE } from './references.ts';
import { forgetRejections } from './reject-face.ts';

export interface Naming {
  /** The person's id, or the name of one who is made where there is none. */
  readonly person: number | string;
  /** Whether the face becomes a reference of the person. */
  readonly enrol: boolean;
  /** Also a poor face, or one that is the same picture as a reference. */
  readonly forced: boolean;
}

export interface Named {
  readonly imageId: number;
  readonly personId: number;
  /** The reference that the face has become; null where it has not. */
  readonly referenceId: number | null;
  /** Why not. */
  readonly refusal: Reason | null;
}

/**
 * Records whose face a face is, once and for all: jobs leave it alone, and a rejection of that person is forgotten. With
 * `enrol` the face becomes a reference; a reference that it was of somebody else goes over to the person with it.
 *
 * A face that cannot serve as a reference is named all the same. That it looks like somebody else is no reason here:
 * whoever corrects a wrong name has looked at this very face.
 *
 * @throws PermanentError `face_not_found`, `face_erased`, `person_not_found`
 */
export function nameFace(db: Database, faceId: number, naming: Naming, actor: Actor): Promise<Named> {
  return changeOnce(db, actor, (connection) => writeName(connection, faceId, naming, actor));
}

/**
 * Makes a face that was seen in a photo a reference of a person, and names it. Unlike `nameFace` it is all or nothing.
 *
 * @throws PermanentError as `nameFace`, and `no_descriptor`, `poor_quality`, `duplicate_face`, `belongs_to_other`
 */
export function enrolFace(
  db: Database,
  faceId: number,
  { personId, forced }: { personId: number; forced: boolean },
  actor: Actor,
): Promise<number> {
  return changeOnce(db, actor, async (connection) => {
    const naming = { person: personId, enrol: true, forced };
    const named = await writeName(connection, faceId, naming, actor, assertNobodyElses);
    if (named.referenceId !== null) return named.referenceId;
    const { code, message } = named.refusal ?? { code: 'no_descriptor', message: 'The face cannot be enrolled.' };
    throw new PermanentError(code, message);
  });
}

/** @param check throws when the face must not be this person's */
async function writeName(
  connection: Queryable,
  faceId: number,
  { person, enrol, forced }: Naming,
  actor: Actor,
  check: (face: FaceRow, personId: number, forced: boolean) => void = () => {},
): Promise<Named> {
  const revision = await bumpRevision(connection);
  const personId = typeof person === 'number' ? person : await findOrMakePerson(connection, person, actor);
  await lockPerson(connection, personId);
  const face = await lockFace(connection, faceId);
  check(face, personId, forced);

  const refusal = enrol ? await findRefusal(connection, face, personId, forced) : null;
  let referenceId: number | null = null;
  if (enrol && refusal === null && hasDescriptor(face)) {
    referenceId = await addReferenceOfFace(connection, face, personId, revision);
  } else {
    // A reference of somebody else that was made of this face is wrong from now on.
    await removeReferencesOfFace(connection, face.id, revision, personId);
  }

  await forgetRejections(connection, [face.id], personId, revision);
  // A candidate may tell of a reference that has been removed since.
  const candidate = face.candidates.find((one) => one.personId === personId);
  await connection.query(
    `UPDATE faces SET
       person_image_id = IF(person_id = ?, person_image_id, (SELECT id FROM person_images WHERE id = ?)),
       distance = IF(person_id = ?, distance, ?),
       person_id = ?, decided_by = 'user'
      WHERE id = ?`,
    [personId, candidate?.personImageId ?? null, personId, candidate?.distance ?? null, personId, face.id],
  );
  await bringImageUpToDate(connection, face.imageId);
  const whom = { personId, imageId: face.imageId, faceId: face.id };
  await recordAudit(connection, actor, { action: 'face.named', ...whom });
  if (referenceId !== null) {
    const details = { reference: referenceId, source: 'face' };
    await recordAudit(connection, actor, { action: 'reference.added', ...whom, details });
  }
  return { imageId: face.imageId, personId, referenceId, refusal };
}

async function findRefusal(
  connection: Queryable,
  face: FaceRow,
  personId: number,
  forced: boolean,
): Promise<Reason | null> {
  if (!hasDescriptor(face)) {
    return { code: 'no_descriptor', message: 'The recognizer that saw the face told no descriptor.' };
  }
  if (forced) return null;
  const reasons = findMisleading(face.quality?.reasons ?? []);
  if (reasons.length > 0) {
    const message = `The face is too poor to recognise others by: ${reasons.join(', ')}.`;
    return { code: 'poor_quality', message };
  }
  const [nearest] = await measureReferencesOf(connection, personId, face);
  if (nearest === undefined || nearest.distance >= SAME_PICTURE_DISTANCE) return null;
  if (nearest.id === (await findReferenceOfFace(connection, face.id, personId))) return null;
  return { code: 'duplicate_face', message: 'The same picture of the face is a reference of this person already.' };
}

const hasDescriptor = (face: FaceRow): face is FaceRow & { descriptor: Float32Array; model: string } =>
  face.descriptor !== null && face.model !== null;

function assertNobodyElses(face: FaceRow, personId: number, forced: boolean): void {
  const { personId: owner } = face;
  if (forced || owner === null || owner === personId) return;
  throw new PermanentError('belongs_to_other', `The face is that of person ${owner}.`);
}

async function removeReferencesOfFace(connection: Queryable, faceId: number, revision: number, keep: number) {
  const [rows] = await connection.query<Row[]>('SELECT id FROM person_images WHERE face_id = ? AND person_id <> ?', [
    faceId,
    keep,
  ]);
  await removeReferences(
    connection,
    rows.map((row) => row.id),
    revision,
  );
}

async function findReferenceOfFace(connection: Queryable, faceId: number, personId: number): Promise<number | null> {
  const [rows] = await connection.query<Row[]>('SELECT id FROM person_images WHERE face_id = ? AND person_id = ?', [
    faceId,
    personId,
  ]);
  return rows[0]?.id ?? null;
}
