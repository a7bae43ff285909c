import { recordAudit } from './audit.ts';
import type { Database, Queryable, Row } from './database.ts';
import { eraseFaceVersions } from './descriptor-versions.ts';
import type { ErasureOptions } from './erase-person.ts';
import { bumpRevision } from './gallery.ts';
import { isUploadNeeded } from './needed-uploads.ts';
import { removeReferences } from './references.ts';

/** What was said about the image's faces is part of the gallery: removing it counts the revision up, first of all. */
class GalleryChanges extends Error {}

/**
 * Removes an image: its row, its faces, references that were made of them (photos named by those are decided again), and
 * its file, if that is an upload which nobody else needs. Whoever has it in hand finds nothing to write to.
 *
 * @returns whose references went with it; null when there is no such image
 */
export async function deleteImage(db: Database, id: number, options: ErasureOptions): Promise<number[] | null> {
  try {
    // Most images are not in the gallery: counting the revision up would have all stored faces looked at again.
    return await db.transact((connection) => remove(connection, id, null, options));
  } catch (error) {
    if (!(error instanceof GalleryChanges)) throw error;
  }
  return db.transact(async (connection) => remove(connection, id, await bumpRevision(connection), options));
}

/** @param revision null: not counted up @throws GalleryChanges when it must be */
async function remove(
  connection: Queryable,
  id: number,
  revision: number | null,
  { actor, isUpload, deleteUpload }: ErasureOptions,
): Promise<number[] | null> {
  const people = revision === null ? [] : await removeFromGallery(connection, id, revision);
  // Over the old bytes, at their place: those of a deleted row may stay in its page for long.
  await connection.query('UPDATE faces SET descriptor = REPEAT(CHAR(0), LENGTH(descriptor)) WHERE image_id = ?', [id]);
  // From here on nobody can refer to the faces: a reference locks its face.
  const faceIds = await readFaceIds(connection, id);
  if (revision === null && (await areInGallery(connection, faceIds))) throw new GalleryChanges();
  await eraseFaceVersions(connection, faceIds);
  const [images] = await connection.query<Row[]>('SELECT path FROM images WHERE id = ? FOR UPDATE', [id]);
  const path: string | undefined = images[0]?.path;
  if (path === undefined) return null;
  // Faces go along by their foreign key; the job that clusters them sees that they are gone.
  await connection.query('DELETE FROM images WHERE id = ?', [id]);
  await recordAudit(connection, actor, { action: 'image.deleted', imageId: id });
  // Before the commit: a file without a row would never be found, a row without its file is deleted by the next call.
  if (isUpload(path) && !(await isUploadNeeded(connection, path))) await deleteUpload(path);
  return people;
}

/** @returns whose references were removed */
async function removeFromGallery(connection: Queryable, id: number, revision: number): Promise<number[]> {
  await connection.query(
    `UPDATE person SET revision = ? WHERE id IN (SELECT r.person_id FROM face_rejections r JOIN faces f ON f.id = r.face_id
      WHERE f.image_id = ?)`,
    [revision, id],
  );
  const [references] = await connection.query<Row[]>(
    'SELECT pi.id, pi.person_id FROM person_images pi JOIN faces f ON f.id = pi.face_id WHERE f.image_id = ?',
    [id],
  );
  await removeReferences(
    connection,
    references.map((row) => row.id as number),
    revision,
  );
  return [...new Set(references.map((row) => row.person_id as number))];
}

async function readFaceIds(connection: Queryable, id: number): Promise<number[]> {
  // What is committed now, not what this transaction has seen first.
  const [faces] = await connection.query<Row[]>('SELECT id FROM faces WHERE image_id = ? LOCK IN SHARE MODE', [id]);
  return faces.map((row) => row.id);
}

async function areInGallery(connection: Queryable, faceIds: readonly number[]): Promise<boolean> {
  if (faceIds.length === 0) return false;
  for (const table of ['person_images', 'face_rejections']) {
    const [rows] = await connection.query<Row[]>('SELECT 1 FROM ?? WHERE face_id IN (?) LIMIT 1 LOCK IN SHARE MODE', [
      table,
      faceIds,
    ]);
    if (rows.length > 0) return true;
  }
  return false;
}
