import type { Queryable, Row } from './database.ts';

/** How many people there are, and how many references with a descriptor they are recognised by. */
export async function countGallery(db: Queryable): Promise<{ people: number; references: number }> {
  const [rows] = await db.query<Row[]>(
    `SELECT (SELECT COUNT(*) FROM person) AS people,
       (SELECT COUNT(*) FROM person_images WHERE descriptor IS NOT NULL) AS reference_count`,
  );
  return { people: rows[0]?.people ?? 0, references: rows[0]?.reference_count ?? 0 };
}
