import { descriptorFromBytes, type Queryable, type Row, type WriteResult } from './database.ts';
import { quoteModel } from './descriptor-versions.ts';
import { faceQualityFromColumn } from './face-quality.ts';
import type { StoredProbe } from './faces.ts';

/** A face that has no descriptor of a model yet. */
export interface FaceToDescribe {
  readonly id: number;
  /** Of `descriptor`. */
  readonly model: string;
  /** As it is stored. */
  readonly descriptor: Buffer;
}

/** What was found out about a face, or a reference: its descriptor of a model, or why there is none. */
export type Version = { readonly base: Buffer } & (
  | { readonly descriptor: Buffer; readonly failure: null }
  | { readonly descriptor: null; readonly failure: string }
);

const DESCRIBED = 'f.descriptor IS NOT NULL AND f.model IS NOT NULL';

/**
 * Images with faces that nobody has tried to describe by a model, along the ids of their faces.
 *
 * @param after only greater ids of faces
 * @returns the id of a face to go on after; null when there are no more
 */
export async function findImagesWithout(
  db: Queryable,
  model: string,
  after: number,
  limit: number,
): Promise<{ imageIds: number[]; next: number | null }> {
  const [rows] = await db.query<Row[]>(
    `SELECT f.id, f.image_id FROM faces f LEFT JOIN face_descriptors d ON d.face_id = f.id AND d.model = ?
      WHERE f.id > ? AND ${DESCRIBED} AND f.model <> ? AND d.face_id IS NULL ORDER BY f.id LIMIT ?`,
    [model, after, model, limit],
  );
  return toPage(rows, limit);
}

/** Images of whose faces some are of another model and have a descriptor of this one besides; otherwise the same, with the last. */
export async function findImagesToSwitch(
  db: Queryable,
  model: string,
  after: number,
  limit: number,
): Promise<{ imageIds: number[]; last: number; next: number | null }> {
  // From the few that are beside, never from all faces: of what has been switched nothing is left there.
  const [rows] = await db.query<Row[]>(
    `SELECT f.id, f.image_id FROM face_descriptors d STRAIGHT_JOIN faces f ON f.id = d.face_id
      WHERE d.model = ? AND d.face_id > ? AND d.descriptor IS NOT NULL AND ${DESCRIBED} AND f.model <> ?
      ORDER BY d.face_id LIMIT ?`,
    [model, after, model, limit],
  );
  return { ...toPage(rows, limit), last: rows.at(-1)?.id ?? after };
}

function toPage(rows: readonly Row[], limit: number) {
  const last: number | undefined = rows.at(-1)?.id;
  return {
    imageIds: [...new Set(rows.map((row) => row.image_id as number))],
    next: last === undefined || rows.length < limit ? null : last,
  };
}

/** The photo, and those of its faces that nobody has tried to describe by a model; null when the image is gone. */
export async function readFacesToDescribe(
  db: Queryable,
  imageId: number,
  model: string,
): Promise<{ path: string; faces: FaceToDescribe[] } | null> {
  const [images] = await db.query<Row[]>('SELECT path FROM images WHERE id = ?', [imageId]);
  if (images[0] === undefined) return null;
  const [rows] = await db.query<Row[]>(
    `SELECT f.id, f.model, f.descriptor FROM faces f LEFT JOIN face_descriptors d ON d.face_id = f.id AND d.model = ?
      WHERE f.image_id = ? AND ${DESCRIBED} AND f.model <> ? AND d.face_id IS NULL ORDER BY f.face_index`,
    [model, imageId, model],
  );
  return {
    path: images[0].path,
    faces: rows.map((row) => ({ id: row.id, model: row.model, descriptor: row.descriptor })),
  };
}

/**
 * Writes descriptors of faces in a model beside those that they have; a face that has another descriptor by now than the
 * one that was compared, or none, because it was erased, is left alone.
 */
export async function storeFaceVersions(
  connection: Queryable,
  model: string,
  versions: ReadonlyMap<number, Version>,
): Promise<void> {
  for (const [id, { base, descriptor, failure }] of versions) {
    await connection.query(
      `INSERT INTO face_descriptors (face_id, model, descriptor, failure)
       SELECT id, ?, ?, ? FROM faces WHERE id = ? AND descriptor = ?
       ON DUPLICATE KEY UPDATE descriptor = VALUES(descriptor), failure = VALUES(failure)`,
      [model, descriptor, failure, id, base],
    );
  }
}

/** A face's descriptor in a model, wherever it is; null where there is none. */
export async function readFaceVersion(db: Queryable, faceId: number, model: string): Promise<Buffer | null> {
  const [rows] = await db.query<Row[]>(
    `SELECT IF(f.model = ?, f.descriptor, d.descriptor) AS descriptor FROM faces f
       LEFT JOIN face_descriptors d ON d.face_id = f.id AND d.model = ? WHERE f.id = ?`,
    [model, model, faceId],
  );
  return rows[0]?.descriptor ?? null;
}

/** A stored face as another model sees it. */
export interface VersionProbe extends StoredProbe {
  readonly distance: number | null;
}

/**
 * The described faces of images in a model that is not that of their rows, largest first. Images of which a face has no
 * descriptor of the model are left out: one photo is decided by one model.
 */
export async function readVersionProbes(
  db: Queryable,
  imageIds: readonly number[],
  model: string,
): Promise<Map<number, VersionProbe[]>> {
  const found = new Map<number, VersionProbe[]>();
  if (imageIds.length === 0) return found;
  const [rows] = await db.query<Row[]>(
    `SELECT f.id, f.image_id, f.model = ? AS is_there, IF(f.model = ?, f.descriptor, d.descriptor) AS descriptor,
            f.quality, f.decided_by, f.person_id, f.distance
       FROM faces f LEFT JOIN face_descriptors d ON d.face_id = f.id AND d.model = ?
      WHERE f.image_id IN (?) AND ${DESCRIBED} ORDER BY f.image_id, f.face_index`,
    [model, model, model, imageIds],
  );
  const leftOut = new Set(rows.filter((row) => row.descriptor === null).map((row) => row.image_id));
  const elsewhere = new Set(rows.filter((row) => row.is_there === 0).map((row) => row.image_id));
  for (const row of rows) {
    if (leftOut.has(row.image_id) || !elsewhere.has(row.image_id)) continue;
    const probes = found.get(row.image_id) ?? [];
    found.set(row.image_id, probes);
    probes.push({
      faceId: row.id,
      descriptor: descriptorFromBytes(row.descriptor),
      qualityReasons: faceQualityFromColumn(row.quality)?.reasons ?? [],
      decidedBy: row.decided_by,
      personId: row.person_id,
      distance: row.distance,
    });
  }
  return found;
}

/**
 * Gives the faces of an image the descriptors of a model that they have besides; those that they had stay beside, where
 * somebody wants them. What was decided by the others is forgotten but the names: whoever calls decides anew, in the same
 * transaction. They are clustered anew.
 *
 * @returns false when the faces are others than those that were read: nothing was changed
 */
export async function switchFaces(
  connection: Queryable,
  imageId: number,
  { model, faceIds, wanted }: { model: string; faceIds: readonly number[]; wanted: readonly string[] },
): Promise<boolean> {
  const [images] = await connection.query<Row[]>('SELECT id FROM images WHERE id = ? FOR UPDATE', [imageId]);
  const [rows] = await connection.query<Row[]>(
    `SELECT f.id, f.model, IF(f.model = ?, f.descriptor, d.descriptor) IS NOT NULL AS ready
       FROM faces f LEFT JOIN face_descriptors d ON d.face_id = f.id AND d.model = ?
      WHERE f.image_id = ? AND ${DESCRIBED} ORDER BY f.face_index FOR UPDATE`,
    [model, model, imageId],
  );
  const same =
    rows.length === faceIds.length && rows.every((row, index) => row.ready === 1 && row.id === faceIds[index]);
  if (images.length === 0 || !same) return false;
  const ids = rows.filter((row) => row.model !== model).map((row) => row.id as number);
  if (ids.length === 0) return false;
  const kept = wanted.filter((name) => name !== model).map(quoteModel);
  if (kept.length > 0) {
    await connection.query(
      `INSERT INTO face_descriptors (face_id, model, descriptor)
       SELECT id, model, descriptor FROM faces WHERE id IN (?) AND model IN (${kept.join()})
       ON DUPLICATE KEY UPDATE descriptor = VALUES(descriptor), failure = NULL`,
      [ids],
    );
  }
  await connection.query(
    `UPDATE faces f JOIN face_descriptors d ON d.face_id = f.id AND d.model = ?
        SET f.descriptor = d.descriptor, f.model = ?, f.candidates = IF(f.decided_by = 'user', '[]', NULL), f.distance = NULL, f.threshold = NULL,
            f.cluster_id = NULL, f.cluster_state = 0
      WHERE f.id IN (?)`,
    [model, model, ids],
  );
  await connection.query('DELETE FROM face_descriptors WHERE model = ? AND face_id IN (?)', [model, ids]);
  return true;
}

/** How near a face is, in the model that it has now, to the person that somebody has named it. */
export async function restoreDistance(
  connection: Queryable,
  faceId: number,
  nearest: { readonly personImageId: number; readonly distance: number } | null,
): Promise<void> {
  await connection.query('UPDATE faces SET person_image_id = ?, distance = ? WHERE id = ? AND decided_by = ?', [
    ...[nearest?.personImageId ?? null, nearest?.distance ?? null],
    ...[faceId, 'user'],
  ]);
}

/** Descriptors beside those of faces that were erased by somebody who knows nothing of them. @returns how many */
export async function eraseLeftVersions(connection: Queryable, limit: number): Promise<number> {
  const [rows] = await connection.query<Row[]>(
    `SELECT DISTINCT d.face_id FROM face_descriptors d JOIN faces f ON f.id = d.face_id
      WHERE f.descriptor IS NULL LIMIT ?`,
    [limit],
  );
  if (rows.length === 0) return 0;
  const ids = rows.map((row) => row.face_id);
  await connection.query(
    'UPDATE face_descriptors SET descriptor = REPEAT(CHAR(0), LENGTH(descriptor)) WHERE face_id IN (?)',
    [ids],
  );
  const [result] = await connection.query<WriteResult>('DELETE FROM face_descriptors WHERE face_id IN (?)', [ids]);
  return result.affectedRows;
}
