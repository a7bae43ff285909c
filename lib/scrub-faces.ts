import type { Queryable, Row } from './database.ts';
import { eraseFaceVersions } from './descriptor-versions.ts';
import { updateImageSummaries } from './image-summary.ts';

export interface ScrubbedFaces {
  readonly faceIds: readonly number[];
  readonly imageIds: readonly number[];
  /** How many of the faces had a descriptor. */
  readonly descriptors: number;
}

/** What tells of a face other than where it is in the photo; its box stays. */
const FORGOTTEN = `descriptor = NULL, candidates = NULL, person_id = NULL, person_image_id = NULL, distance = NULL,
  quality = NULL, decided_by = 'gallery', erased_at = CURRENT_TIMESTAMP(3)`;

/**
 * Erases what is known of faces, and has the photos that show them summed up and decided again. What was said about the
 * faces goes, too: without a descriptor it means nothing.
 *
 * @param ids at most some hundred, locked or of no interest to others
 * @param revision of `bumpRevision`, in the same transaction
 */
export async function scrubFaces(
  connection: Queryable,
  ids: readonly number[],
  revision: number,
): Promise<ScrubbedFaces> {
  if (ids.length === 0) return { faceIds: [], imageIds: [], descriptors: 0 };
  const [rows] = await connection.query<Row[]>(
    'SELECT id, image_id, descriptor IS NOT NULL AS described FROM faces WHERE id IN (?) FOR UPDATE',
    [ids],
  );
  await connection.query(
    'UPDATE person SET revision = ? WHERE id IN (SELECT person_id FROM face_rejections WHERE face_id IN (?))',
    [revision, ids],
  );
  await connection.query('DELETE FROM face_rejections WHERE face_id IN (?)', [ids]);
  // First over the old bytes, at their place: a NULL would leave them in the page until somebody needs the room.
  await connection.query('UPDATE faces SET descriptor = REPEAT(CHAR(0), LENGTH(descriptor)) WHERE id IN (?)', [ids]);
  await eraseFaceVersions(connection, ids);
  await connection.query(`UPDATE faces SET ${FORGOTTEN} WHERE id IN (?)`, [ids]);
  const imageIds = [...new Set(rows.map((row) => row.image_id as number))];
  await updateImageSummaries(connection, imageIds);
  await connection.query('UPDATE images SET rematch = 2 WHERE id IN (?)', [imageIds]);
  return {
    faceIds: rows.map((row) => row.id),
    imageIds,
    descriptors: rows.filter((row) => row.described === 1).length,
  };
}
