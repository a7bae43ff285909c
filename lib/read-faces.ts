import type { Queryable, Row } from './database.ts';
import { faceQualityFromColumn } from './face-quality.ts';
import type { Candidate, Face } from './images.ts';
import { similarityOf } from './similarity.ts';
import { type StoredCandidate, storedCandidatesFrom } from './stored-candidates.ts';

/** The columns that `toFace` reads; the tables are `FACE_TABLES`. */
export const FACE_COLUMNS = `f.id, f.image_id, f.box_left, f.box_top, f.box_width, f.box_height, f.confidence, f.distance,
  f.decided_by, f.threshold, f.model, f.gallery_revision, f.quality,
  p.id AS person_id, p.name AS person_name, pi.image_name`;

export const FACE_TABLES = `faces f
  LEFT JOIN person p ON p.id = f.person_id
  LEFT JOIN person_images pi ON pi.id = f.person_image_id`;

/** The faces of some images, largest first, without their candidates. */
export async function readFacesOf(db: Queryable, imageIds: readonly number[]): Promise<Map<number, Face[]>> {
  const faces = new Map<number, Face[]>();
  if (imageIds.length === 0) return faces;
  const [rows] = await db.query<Row[]>(
    `SELECT ${FACE_COLUMNS} FROM ${FACE_TABLES} WHERE f.image_id IN (?) ORDER BY f.image_id, f.face_index`,
    [imageIds],
  );
  for (const row of rows) {
    const own = faces.get(row.image_id) ?? [];
    faces.set(row.image_id, own);
    own.push(toFace(row));
  }
  return faces;
}

export function toFace(row: Row): Face {
  return {
    id: row.id,
    box: boxOf(row),
    confidence: row.confidence,
    person: row.person_id === null ? null : { id: row.person_id, name: row.person_name },
    similarity: row.person_id === null || row.distance === null ? null : similarityOf(row.distance),
    distance: row.distance,
    referenceImage: row.image_name,
    decidedBy: row.decided_by,
    threshold: row.threshold,
    model: row.model,
    galleryRevision: row.gallery_revision,
    quality: faceQualityFromColumn(row.quality),
  };
}

export function boxOf(row: Row): Face['box'] {
  if (row.box_left === null) return null;
  return { left: row.box_left, top: row.box_top, width: row.box_width, height: row.box_height };
}

/**
 * The candidates of the faces of one image, by the face's id, with one statement for all their names. People who are gone
 * are left out; null: the face was decided before candidates were kept.
 */
export async function readCandidatesOf(db: Queryable, imageId: number): Promise<Map<number, Candidate[] | null>> {
  const [rows] = await db.query<Row[]>('SELECT id, candidates FROM faces WHERE image_id = ?', [imageId]);
  const stored = new Map<number, StoredCandidate[] | null>(
    rows.map((row) => [row.id, storedCandidatesFrom(row.candidates)]),
  );
  const ids = [...new Set([...stored.values()].flatMap((some) => some ?? []).map(({ personId }) => personId))];
  const [people] =
    ids.length === 0 ? [[]] : await db.query<Row[]>('SELECT id, name FROM person WHERE id IN (?)', [ids]);
  const nameOf = new Map<number, string>(people.map((row) => [row.id, row.name]));
  const present = ({ personId, distance }: StoredCandidate): Candidate[] => {
    const name = nameOf.get(personId);
    return name === undefined ? [] : [{ person: { id: personId, name }, distance, similarity: similarityOf(distance) }];
  };
  return new Map([...stored].map(([faceId, some]) => [faceId, some?.flatMap(present) ?? null]));
}
