import type { Queryable, Row } from './database.ts';
import type { Image } from './images.ts';
import { readFacesOf } from './read-faces.ts';

/** The images that a `WHERE … ORDER BY … LIMIT` on `images i` selects, in its order, with their faces. */
export async function readImages(db: Queryable, where: string, values: readonly (string | number)[]): Promise<Image[]> {
  const [rows] = await db.query<Row[]>(
    `SELECT i.id, i.path, i.status, i.reason_code, i.reason, i.width, i.height, i.created_at, i.finished_at, i.retry_at,
            p.id AS person_id, p.name AS person_name
       FROM images i LEFT JOIN person p ON p.id = i.person ${where}`,
    [...values],
  );
  const faces = await readFacesOf(
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
      retryAt: row.retry_at,
      faces: own,
    };
  });
}
