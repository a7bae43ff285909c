import type { Queryable } from './database.ts';
import { chunksOf } from './outbox.ts';

/**
 * Brings status and person of images up to date with their faces: matched when one of the faces has a person; the person
 * is that of the best face: what people decided goes first, then the smallest distance. Images that have no outcome, or
 * one without faces, stay as they are.
 */
export async function summariseImages(connection: Queryable, imageIds: readonly number[]): Promise<void> {
  for (const some of chunksOf(imageIds)) {
    await connection.query(
      `UPDATE images SET person = (
           SELECT f.person_id FROM faces f WHERE f.image_id = images.id AND f.person_id IS NOT NULL
            ORDER BY f.decided_by = 'user' DESC, f.distance IS NULL, f.distance, f.face_index LIMIT 1)
        WHERE id IN (?) AND status IN ('matched', 'unknown')`,
      [some],
    );
    // A statement of its own: whether one assignment sees another is a matter of the server.
    await connection.query(
      "UPDATE images SET status = IF(person IS NULL, 'unknown', 'matched') WHERE id IN (?) AND status IN ('matched', 'unknown')",
      [some],
    );
  }
}

export async function summariseImage(connection: Queryable, imageId: number): Promise<void> {
  await summariseImages(connection, [imageId]);
}
