import type { Queryable, Row } from './database.ts';

/** What a face says about its image. */
export interface SummarisedFace {
  readonly personId: number | null;
  /** Euclidean, of the match. */
  readonly distance: number | null;
  /** Absent: the gallery. */
  readonly decidedBy?: 'gallery' | 'user';
}

/** What the faces of an image say about it: its status, and the person of the best one among them. */
export interface ImageSummary {
  readonly status: 'matched' | 'unknown' | 'no_face';
  readonly personId: number | null;
}

/** The best face is one that a person has named, then the nearest; among equals the first. */
export function summariseFaces(faces: readonly SummarisedFace[]): ImageSummary {
  if (faces.length === 0) return { status: 'no_face', personId: null };
  const [best] = faces.filter((face) => face.personId !== null).toSorted((a, b) => rankOf(a) - rankOf(b));
  return best === undefined ? { status: 'unknown', personId: null } : { status: 'matched', personId: best.personId };
}

function rankOf({ decidedBy, distance }: SummarisedFace): number {
  if (decidedBy === 'user') return -1;
  return distance ?? Number.MAX_VALUE;
}

/**
 * Brings status and person of an image up to date with its faces; call it in the transaction that changed them. An image
 * without faces, or without an outcome, stays as it is.
 *
 * @returns whether either is different now
 */
export async function updateImageSummary(connection: Queryable, imageId: number): Promise<boolean> {
  const [images] = await connection.query<Row[]>('SELECT status, person FROM images WHERE id = ? FOR UPDATE', [
    imageId,
  ]);
  const [image] = images;
  const [rows] = await connection.query<Row[]>(
    'SELECT person_id, distance, decided_by FROM faces WHERE image_id = ? ORDER BY face_index FOR UPDATE',
    [imageId],
  );
  if (image === undefined || rows.length === 0 || !['matched', 'unknown'].includes(image.status)) return false;
  const { status, personId } = summariseFaces(
    rows.map((row) => ({ personId: row.person_id, distance: row.distance, decidedBy: row.decided_by })),
  );
  if (status === image.status && personId === image.person) return false;
  await connection.query('UPDATE images SET status = ?, person = ? WHERE id = ?', [status, personId, imageId]);
  return true;
}
