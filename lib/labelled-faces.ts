import type { Queryable, Row } from './database.ts';
import { referencesIn } from './descriptor-versions.ts';
import { chunksOf } from './outbox.ts';

/** A face of which it is known whose it is. */
export interface LabelledFace {
  /** Of the reference, or of the face. */
  readonly id: number;
  readonly personId: number;
  /** 128 little-endian 32-bit floats. */
  readonly descriptor: Buffer;
}

/** The model that answers: the one that was switched to, or else that most references have; null when there are none. */
export async function findGalleryModel(db: Queryable): Promise<string | null> {
  const [galleries] = await db.query<Row[]>('SELECT model FROM gallery WHERE id = 1');
  if (galleries[0]?.model != null) return galleries[0].model;
  const [rows] = await db.query<Row[]>(
    `SELECT model, COUNT(*) AS count FROM person_images WHERE descriptor IS NOT NULL AND model IS NOT NULL
      GROUP BY model ORDER BY count DESC, model LIMIT 1`,
  );
  return rows[0]?.model ?? null;
}

/** How many references of a model each person has, by the person's id; people without any are left out. */
export async function countReferences(db: Queryable, model: string): Promise<Map<number, number>> {
  const { tables, descriptor } = referencesIn(model);
  const [rows] = await db.query<Row[]>(
    `SELECT pi.person_id, COUNT(*) AS count FROM ${tables} WHERE ${descriptor} IS NOT NULL GROUP BY pi.person_id`,
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
  const { tables, descriptor } = referencesIn(model);
  for (const some of chunksOf(personIds)) {
    const [rows] = await db.query<Row[]>(
      `SELECT pi.id, pi.person_id, pi.face_id, ${descriptor} AS descriptor FROM ${tables}
        WHERE pi.person_id IN (?) AND ${descriptor} IS NOT NULL ORDER BY pi.id`,
      [some],
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
