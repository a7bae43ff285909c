import type { Queryable, Row } from './database.ts';
import { faceQualityFromColumn } from './face-quality.ts';
import type { Face, Image } from './images.ts';
import { similarityOf } from './similarity.ts';

/** The images that a `WHERE … ORDER BY … LIMIT` on `images i` selects, in its order, with their faces. */
export async function readImages(db: Queryable, where: string, values: readonly (string | number)[]): Promise<Image[]> {
  const [rows] = await db.query<Row[]>(
    `SELECT i.id, i.path, i.status, i.reason_code, i.reason, i.width, i.height, i.created_at, i.finished_at,
            p.id AS person_id, p.name AS person_name
       FROM images i LEFT JOIN person p ON p.id = i.person ${where}`,
    [...values],
  );
  const faces = await readFaces(
    db,
    rows.map((row) => row.id),
  );
  return rows.map((row) => {
    const own = faces.get(row.id) ?? [];
    const matched = own.filter((face) => face.person !== null && face.person.id === row.person_id);
    const similarities = matched.flatMap((face) => face.similarity ?? []);
    return {
      id: row.id,
      path: row.path,
      status: row.status,
      person: row.person_id === null ? null : { id: row.person_id, name: row.person_name },
      similarity: similarities.length > 0 ? Math.max(...similarities) : null,
      reason: row.reason_code === null ? null : { code: row.reason_code, message: row.reason },
      width: row.width,
      height: row.height,
      createdAt: row.created_at,
      finishedAt: row.finished_at,
      faces: own,
    };
  });
}

async function readFaces(db: Queryable, imageIds: readonly number[]): Promise<Map<number, Face[]>> {
  const faces = new Map<number, Face[]>();
  if (imageIds.length === 0) return faces;
  const [rows] = await db.query<Row[]>(
    `SELECT f.id, f.image_id, f.box_left, f.box_top, f.box_width, f.box_height, f.confidence, f.distance, f.quality,
            p.id AS person_id, p.name AS person_name, pi.image_name
       FROM faces f
       LEFT JOIN person p ON p.id = f.person_id
       LEFT JOIN person_images pi ON pi.id = f.person_image_id
      WHERE f.image_id IN (?) ORDER BY f.image_id, f.face_index`,
    [imageIds],
  );
  for (const row of rows) {
    const own = faces.get(row.image_id) ?? [];
    faces.set(row.image_id, own);
    own.push({
      id: row.id,
      box:
        row.box_left === null
          ? null
          : { left: row.box_left, top: row.box_top, width: row.box_width, height: row.box_height },
      confidence: row.confidence,
      person: row.person_id === null ? null : { id: row.person_id, name: row.person_name },
      similarity: row.person_id === null || row.distance === null ? null : similarityOf(row.distance),
      distance: row.distance,
      referenceImage: row.image_name,
      quality: faceQualityFromColumn(row.quality),
    });
  }
  return faces;
}
