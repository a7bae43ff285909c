import { type Actor, recordAudit } from './audit.ts';
import { changeOnce } from './change-once.ts';
import type { Database, Queryable } from './database.ts';
import { bumpRevision } from './gallery.ts';
import { lockPerson } from './persons.ts';

/**
 * Makes several people one: everything that was theirs is the target's from now on, and they are gone.
 *
 * What people said about faces stays: a face that was said to be one of them is the target's, and that wins over "not this
 * person" said of another of them. What was decided by distance is decided again by a job, also where the target is now
 * in a photo twice.
 *
 * @throws PermanentError `person_not_found`
 */
export function mergePeople(db: Database, target: number, sources: readonly number[], actor: Actor): Promise<void> {
  const others = [...new Set(sources)].filter((id) => id !== target);
  return changeOnce(db, actor, async (connection) => {
    const revision = await bumpRevision(connection);
    for (const id of [target, ...others].sort((a, b) => a - b)) await lockPerson(connection, id);
    if (others.length === 0) return;
    await connection.query('UPDATE enrolments SET person_id = ? WHERE person_id IN (?)', [target, others]);
    await connection.query('UPDATE person_images SET person_id = ?, revision = ? WHERE person_id IN (?)', [
      target,
      revision,
      others,
    ]);
    await markImagesOf(connection, others, 2);
    await markImagesOf(connection, [target], 1);
    await connection.query('UPDATE faces SET person_id = ? WHERE person_id IN (?)', [target, others]);
    await moveRejections(connection, target, others);
    await connection.query('UPDATE images SET person = ? WHERE person IN (?)', [target, others]);
    await connection.query('UPDATE person SET revision = ? WHERE id = ?', [revision, target]);
    await connection.query('DELETE FROM person WHERE id IN (?)', [others]);
    await recordAudit(
      connection,
      actor,
      { action: 'person.merged', personId: target, details: { people: others } },
      ...others.map((personId) => ({ action: 'person.merged', personId, details: { into: target } }) as const),
    );
  });
}

function markImagesOf(connection: Queryable, people: readonly number[], mark: 1 | 2): Promise<unknown> {
  return connection.query(
    'UPDATE images SET rematch = GREATEST(rematch, ?) WHERE id IN (SELECT image_id FROM faces WHERE person_id IN (?))',
    [mark, people],
  );
}

async function moveRejections(connection: Queryable, target: number, others: readonly number[]): Promise<void> {
  await connection.query(
    `INSERT IGNORE INTO face_rejections (person_id, face_id, created_at)
     SELECT ?, face_id, created_at FROM face_rejections WHERE person_id IN (?)`,
    [target, others],
  );
  await connection.query('DELETE FROM face_rejections WHERE person_id IN (?)', [others]);
  await connection.query(
    `DELETE FROM face_rejections WHERE person_id = ?
        AND face_id IN (SELECT id FROM faces WHERE person_id = ? AND decided_by = 'user')`,
    [target, target],
  );
  // A reference was made of the face because somebody named it: that, too, says whose it is.
  await connection.query(
    `DELETE FROM face_rejections WHERE person_id = ?
        AND face_id IN (SELECT face_id FROM person_images WHERE person_id = ? AND face_id IS NOT NULL)`,
    [target, target],
  );
}
