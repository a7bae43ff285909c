import { IS_UNKNOWN } from './cluster-faces.ts';
import type { Queryable, Row } from './database.ts';
import { eraseFaceVersions } from './descriptor-versions.ts';
import { bumpRevision } from './gallery.ts';

/** All there are: so that the index tells unknown faces from the rest. */
const STATES = '(0, 1, 2)';

/**
 * A page of unknown faces, by id, and which of them are of images that ended before a time.
 *
 * @param after only greater ids
 * @returns the id to go on after; null on the last page
 */
export async function readOldStrangers(
  db: Queryable,
  { before, after, limit }: { before: Date; after: number; limit: number },
): Promise<{ faceIds: number[]; next: number | null }> {
  const [rows] = await db.query<Row[]>(
    `SELECT f.id, i.finished_at < ? AS old FROM faces f JOIN images i ON i.id = f.image_id
      WHERE f.cluster_state IN ${STATES} AND f.person_id IS NULL AND f.erased_at IS NULL AND f.id > ?
      ORDER BY f.id LIMIT ?`,
    [before, after, limit],
  );
  const last: number | undefined = rows.at(-1)?.id;
  return {
    faceIds: rows.filter((row) => row.old === 1).map((row) => row.id),
    next: last === undefined || rows.length < limit ? null : last,
  };
}

/**
 * Erases what is known of faces that are unknown still: where they are in their photo stays. Call it in a transaction.
 *
 * @returns how many were erased
 */
export async function eraseStrangers(connection: Queryable, faceIds: readonly number[]): Promise<number> {
  if (faceIds.length === 0) return 0;
  await forgetRejections(connection, faceIds);
  const [rows] = await connection.query<Row[]>(`SELECT id FROM faces WHERE id IN (?) AND ${IS_UNKNOWN} FOR UPDATE`, [
    faceIds,
  ]);
  const ids = rows.map((row) => row.id as number);
  if (ids.length === 0) return 0;
  // First over the old bytes, at their place: a NULL would leave them in the page until somebody needs the room.
  await connection.query('UPDATE faces SET descriptor = REPEAT(CHAR(0), LENGTH(descriptor)) WHERE id IN (?)', [ids]);
  await eraseFaceVersions(connection, ids);
  // The job that clusters faces sees by cluster_state that they have left.
  await connection.query(
    `UPDATE faces SET descriptor = NULL, candidates = NULL, distance = NULL, quality = NULL, cluster_id = NULL,
       erased_at = CURRENT_TIMESTAMP(3) WHERE id IN (?)`,
    [ids],
  );
  return ids.length;
}

/** "Not this person" said of a face without a descriptor holds for no other face; copies of the gallery must learn of it. */
async function forgetRejections(connection: Queryable, faceIds: readonly number[]): Promise<void> {
  const [rejections] = await connection.query<Row[]>('SELECT person_id FROM face_rejections WHERE face_id IN (?)', [
    faceIds,
  ]);
  if (rejections.length === 0) return;
  const revision = await bumpRevision(connection);
  await connection.query('UPDATE person SET revision = ? WHERE id IN (?)', [
    revision,
    rejections.map((row) => row.person_id),
  ]);
  await connection.query('DELETE FROM face_rejections WHERE face_id IN (?)', [faceIds]);
}
