import type { Queryable, Row } from './database.ts';
import { faceQualityFromColumn } from './face-quality.ts';
import { type StoredCandidate, storedCandidatesFrom } from './stored-candidates.ts';

/** A stored face of one model, and how it was decided. */
export interface DecidedFaceRow {
  readonly imageId: number;
  readonly personId: number | null;
  readonly decidedBy: 'gallery' | 'user';
  /** Nearest first; null: decided before candidates were kept. */
  readonly candidates: readonly StoredCandidate[] | null;
  /** What speaks against the face. */
  qualityReasons(): readonly string[];
}

/**
 * The faces of images, newest image first, so many rows at a time that no image is cut.
 *
 * @param upTo the greatest image id that is wanted
 * @param limit rows; an image with more faces than that is cut off
 * @returns the image id to go on with; null on the last page
 */
export async function readDecidedFaces(
  db: Queryable,
  model: string,
  upTo: number,
  limit: number,
): Promise<{ faces: DecidedFaceRow[]; next: number | null }> {
  const sql = `SELECT image_id, person_id, decided_by, candidates, quality, model = ? FROM faces
      WHERE image_id <= ? AND descriptor IS NOT NULL ORDER BY image_id DESC LIMIT ?`;
  const [result] = await db.query<Row[][]>({ sql, values: [model, upTo, limit], rowsAsArray: true });
  const rows = result as unknown as FaceColumns[];
  const last = rows.at(-1)?.[0] ?? 0;
  const isWhole = rows.length < limit;
  // The faces of the last image may go on beyond the page; an image that is all of the page is taken as it is.
  const isCut = !isWhole && last !== rows[0]?.[0];
  const whole = isCut ? rows.filter(([imageId]) => imageId !== last) : rows;
  const faces = whole
    .filter(([, , , , , isOfModel]) => isOfModel === 1)
    .map(([imageId, personId, decidedBy, candidates, quality]) => ({
      ...{ imageId, personId, decidedBy },
      candidates: candidates === '[]' ? [] : storedCandidatesFrom(candidates),
      qualityReasons: () => faceQualityFromColumn(quality)?.reasons ?? [],
    }));
  return { faces, next: isWhole ? null : isCut ? last : last - 1 };
}

type FaceColumns = [
  imageId: number,
  personId: number | null,
  decidedBy: 'gallery' | 'user',
  candidates: unknown,
  quality: unknown,
  isOfModel: number | null,
];

/** Photos whose names may be out of date, and are decided again by a job. */
export async function countRematch(db: Queryable): Promise<number> {
  const [rows] = await db.query<Row[]>('SELECT COUNT(*) AS count FROM images WHERE rematch = 1');
  return rows[0]?.count ?? 0;
}
