import { descriptorFromBytes, type Queryable, type Row } from './database.ts';
import { PermanentError } from './errors.ts';
import { type FaceQuality, faceQualityFromColumn } from './face-quality.ts';
import { updateImageSummaries } from './image-summary.ts';
import type { BoundingBox } from './images.ts';
import { boxOf } from './read-faces.ts';
import { type StoredCandidate, storedCandidatesFrom } from './stored-candidates.ts';

/** What is known of a face about which somebody has something to say. */
export interface FaceRow {
  readonly id: number;
  readonly imageId: number;
  readonly personId: number | null;
  readonly descriptor: Float32Array | null;
  readonly model: string | null;
  readonly box: BoundingBox | null;
  readonly candidates: readonly StoredCandidate[];
  /** Null where nobody has judged it. */
  readonly quality: FaceQuality | null;
}

/**
 * Reads a face and locks it.
 *
 * @throws PermanentError `face_not_found`, or `face_erased` when nothing can be said of it any more
 */
export async function lockFace(connection: Queryable, id: number): Promise<FaceRow> {
  const [rows] = await connection.query<Row[]>(
    `SELECT f.image_id, f.person_id, f.descriptor, f.model, f.erased_at, f.candidates, f.quality,
            f.box_left, f.box_top, f.box_width, f.box_height
       FROM faces f WHERE f.id = ? FOR UPDATE`,
    [id],
  );
  const row = rows[0];
  if (row === undefined) throw faceNotFound(id);
  if (row.erased_at !== null) {
    throw new PermanentError('face_erased', 'What was known of the face has been erased: nothing can be said of it.');
  }
  return {
    id,
    imageId: row.image_id,
    personId: row.person_id,
    descriptor: row.descriptor === null ? null : descriptorFromBytes(row.descriptor),
    model: row.model,
    box: boxOf(row),
    candidates: storedCandidatesFrom(row.candidates) ?? [],
    quality: faceQualityFromColumn(row.quality),
  };
}

export function faceNotFound(id: number): PermanentError {
  return new PermanentError('face_not_found', `There is no face ${id}.`);
}

/** The image's answer follows from its faces at once; what the change means for its other faces, a job finds out. */
export async function bringImageUpToDate(connection: Queryable, imageId: number): Promise<void> {
  await updateImageSummaries(connection, [imageId]);
  await connection.query('UPDATE images SET rematch = 2 WHERE id = ?', [imageId]);
}
