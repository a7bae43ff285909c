import { type Actor, recordAudit } from './audit.ts';
import type { Database, Queryable, Row, WriteResult } from './database.ts';
import { PermanentError } from './errors.ts';
import { bringImageUpToDate, faceNotFound, lockFace } from './face-row.ts';
import { bumpRevision } from './gallery.ts';
import { lockPerson } from './persons.ts';
import { removeReferences } from './references.ts';

/**
 * "Not this person": frees the face, and remembers it, also for faces that are like it. A reference that was made of the
 * face goes.
 *
 * @param personId who it is not; by default whose face it is now
 * @throws PermanentError `face_not_found`, `face_erased`, `person_not_found`, or `face_not_named` when it is nobody's
 * @returns the face's image
 */
export function rejectFace(db: Database, faceId: number, personId: number | undefined, actor: Actor): Promise<number> {
  return db.transact(async (connection) => {
    const revision = await bumpRevision(connection);
    const rejected = personId ?? (await readPersonOf(connection, faceId));
    await lockPerson(connection, rejected);
    const face = await lockFace(connection, faceId);
    // A job has named it anew in between: this is not the answer that was looked at.
    if (personId === undefined && face.personId !== rejected) throw notNamed(faceId);
    await connection.query('INSERT IGNORE INTO face_rejections (person_id, face_id) VALUES (?, ?)', [rejected, faceId]);
    await connection.query('UPDATE person SET revision = ? WHERE id = ?', [revision, rejected]);
    const [references] = await connection.query<Row[]>(
      'SELECT id FROM person_images WHERE face_id = ? AND person_id = ?',
      [faceId, rejected],
    );
    await removeReferences(
      connection,
      references.map((row) => row.id),
      revision,
    );
    await connection.query(
      `UPDATE faces SET person_id = NULL, person_image_id = NULL, decided_by = 'gallery'
        WHERE id = ? AND person_id = ?`,
      [faceId, rejected],
    );
    await bringImageUpToDate(connection, face.imageId);
    const whom = { personId: rejected, imageId: face.imageId, faceId };
    await recordAudit(connection, actor, { action: 'face.rejected', ...whom });
    return face.imageId;
  });
}

/**
 * Somebody has said that the faces are this person's after all.
 *
 * @param revision of `bumpRevision`, in the same transaction
 */
export async function forgetRejections(
  connection: Queryable,
  faceIds: readonly number[],
  personId: number,
  revision: number,
): Promise<void> {
  const [removed] = await connection.query<WriteResult>(
    'DELETE FROM face_rejections WHERE person_id = ? AND face_id IN (?)',
    [personId, faceIds],
  );
  if (removed.affectedRows === 0) return;
  await connection.query('UPDATE person SET revision = ? WHERE id = ?', [revision, personId]);
}

async function readPersonOf(connection: Queryable, faceId: number): Promise<number> {
  const [rows] = await connection.query<Row[]>('SELECT person_id FROM faces WHERE id = ?', [faceId]);
  if (rows[0] === undefined) throw faceNotFound(faceId);
  if (rows[0].person_id === null) throw notNamed(faceId);
  return rows[0].person_id;
}

function notNamed(id: number): PermanentError {
  return new PermanentError('face_not_named', `Face ${id} is nobody's: there is nobody that it could not be.`);
}
