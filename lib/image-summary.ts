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
 * Brings status and person of images up to date with their faces; call it in the transaction that changed them. An image
 * without faces, or without an outcome, stays as it is.
 *
 * @param imageIds at most some hundred
 */
export async function updateImageSummaries(connection: Queryable, imageIds: readonly number[]): Promise<void> {
  if (imageIds.length === 0) return;
  const [images] = await connection.query<Row[]>(
    'SELECT id, status, person FROM images WHERE id IN (?) ORDER BY id FOR UPDATE',
    [imageIds],
  );
  const [rows] = await connection.query<Row[]>(
    `SELECT image_id, person_id, distance, decided_by FROM faces WHERE image_id IN (?)
      ORDER BY image_id, face_index FOR UPDATE`,
    [imageIds],
  );
  const faces = new Map<number, SummarisedFace[]>();
  for (const row of rows) {
    const face = { personId: row.person_id, distance: row.distance, decidedBy: row.decided_by };
    faces.set(row.image_id, [...(faces.get(row.image_id) ?? []), face]);
  }
  // Of thousands of images that somebody is in, most say the same: a statement for each answer, not for each image.
  const changed = new Map<string, { summary: ImageSummary; ids: number[] }>();
  for (const { id, status, person } of images) {
    const seen = faces.get(id);
    if (seen === undefined || !['matched', 'unknown'].includes(status)) continue;
    const summary = summariseFaces(seen);
    if (summary.status === status && summary.personId === person) continue;
    const key = `${summary.status} ${summary.personId}`;
    const same = changed.get(key) ?? { summary, ids: [] };
    same.ids.push(id);
    changed.set(key, same);
  }
  for (const { summary, ids } of changed.values()) {
    const { status, personId } = summary;
    await connection.query('UPDATE images SET status = ?, person = ? WHERE id IN (?)', [status, personId, ids]);
  }
}
