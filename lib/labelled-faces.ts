import type { Queryable, Row } from './database.ts';
import { chunksOf } from './outbox.ts';

/** A face of which it is known whose it is. */
export interface LabelledFace {
  /** Of the reference, or of the face. */
  readonly id: number;
  readonly personId: number;
  /** 128 little-endian 32-bit floats. */
  readonly descriptor: Buffer;
}

/** The model that most references have; null when there are none. */
export async function findGalleryModel(db: Queryable): Promise<string | null> {
  const [rows] = await db.query<Row[]>(
    `SELECT model, COUNT(*) AS count FROM person_images WHERE descriptor IS NOT NULL AND model IS NOT NULL
      GROUP BY model ORDER BY count DESC, model LIMIT 1`,
  );
  return rows[0]?.model ?? null;
}

/** How many references of a model each person has, by the person's id; people without any are left out. */
export async function countReferences(db: Queryable, model: string): Promise<Map<number, number>> {
  const [rows] = await db.query<Row[]>(
    `SELECT person_id, COUNT(*) AS count FROM person_images WHERE model = ? AND descriptor IS NOT NULL
      GROUP BY person_id`,
    [model],
  );
  return new Map(rows.map((row) => [row.person_id, row.count]));
}

/** The references of some people, by id; with the faces that they were made of, where they were made of faces. */
export async function readReferences(
  db: Queryable,
  model: string,
  personIds: readonly number[],
): Promise<(LabelledFace & { faceId: number | null })[]> {
  const found = [];
  for (const some of chunksOf(personIds)) {
    const [rows] = await db.query<Row[]>(
      `SELECT id, person_id, face_id, descriptor FROM person_images
        WHERE person_id IN (?) AND model = ? AND descriptor IS NOT NULL ORDER BY id`,
      [some, model],
    );
    found.push(...rows.map((row) => ({ ...toFace(row), faceId: row.face_id as number | null })));
  }
  return found;
}

/** Faces of which people have said that they are these people's; of each 500 people at most `limit`. */
export async function readConfirmedFaces(
  db: Queryable,
  model: string,
  { personIds, limit }: { personIds: readonly number[]; limit: number },
): Promise<LabelledFace[]> {
  const found = [];
  for (const some of chunksOf(personIds)) {
    const [rows] = await db.query<Row[]>(
      `SELECT id, person_id, descriptor FROM faces
        WHERE person_id IN (?) AND decided_by = 'user' AND model = ? AND descriptor IS NOT NULL ORDER BY id LIMIT ?`,
      [some, model, limit],
    );
    found.push(...rows.map(toFace));
  }
  return found;
}

function toFace(row: Row): LabelledFace {
  return { id: row.id, personId: row.person_id, descriptor: row.descriptor };
}
