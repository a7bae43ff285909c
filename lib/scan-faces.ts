import type { Queryable, Row } from './database.ts';
import type { Person } from './people.ts';

/** Stored faces of one model, in the order read. */
export interface FaceBlock {
  readonly faceIds: readonly number[];
  readonly imageIds: readonly number[];
  /** 128 floats a face, one face after the other. NaN, which is near to nothing, where a row holds no whole descriptor. */
  readonly descriptors: Float32Array;
  /** The id to go on with; null on the last page. */
  readonly next: number | null;
}

const FLOATS = 128;
const BYTES = FLOATS * 4;

/**
 * A page of the faces that have a descriptor of a model, newest first, along the primary key.
 *
 * @param upTo the greatest id that is wanted
 * @param limit rows of the page
 */
export async function readFaceBlock(db: Queryable, model: string, upTo: number, limit: number): Promise<FaceBlock> {
  // Rows as arrays: a page is thousands of them. The limit counts rows that are looked at, whatever their model.
  const sql = `SELECT id, image_id, model = ?, descriptor FROM faces WHERE id <= ? ORDER BY id DESC LIMIT ?`;
  const [result] = await db.query<Row[][]>({ sql, values: [model, upTo, limit], rowsAsArray: true });
  const rows = result as unknown as [
    id: number,
    imageId: number,
    isOfModel: number | null,
    descriptor: Buffer | null,
  ][];
  const own = rows.filter(([, , isOfModel, descriptor]) => isOfModel === 1 && descriptor !== null);
  const last = rows.at(-1);
  return {
    faceIds: own.map(([id]) => id),
    imageIds: own.map(([, imageId]) => imageId),
    descriptors: packDescriptors(own.map(([, , , descriptor]) => descriptor as Buffer)),
    next: last === undefined || rows.length < limit || last[0] <= 1 ? null : last[0] - 1,
  };
}

/**
 * Descriptors as they are stored (little-endian, as every machine that runs Node has them), one after the other. Copied:
 * where a row lies in the driver's buffer, floats are not aligned.
 */
export function packDescriptors(stored: readonly Buffer[]): Float32Array {
  const bytes = new Uint8Array(stored.length * BYTES);
  for (const [index, descriptor] of stored.entries()) {
    if (descriptor.length === BYTES) bytes.set(descriptor, index * BYTES);
    else bytes.fill(0xff, index * BYTES, (index + 1) * BYTES);
  }
  return new Float32Array(bytes.buffer);
}

/** Squared Euclidean distance of two descriptors in blocks; allocates nothing. @param atA, atB index of the face */
export function squaredDistance(a: Float32Array, atA: number, b: Float32Array, atB: number): number {
  const startA = atA * FLOATS;
  const startB = atB * FLOATS;
  let sum = 0;
  for (let i = 0; i < FLOATS; i++) {
    const difference = (a[startA + i] as number) - (b[startB + i] as number);
    sum += difference * difference;
  }
  return sum;
}

/** Where stored faces can be seen, and whose they are, by their ids; of those that are there. */
export async function readFacePlaces(
  db: Queryable,
  faceIds: readonly number[],
): Promise<Map<number, { imageId: number; path: string; person: Person | null }>> {
  if (faceIds.length === 0) return new Map();
  const [rows] = await db.query<Row[]>(
    `SELECT f.id, f.image_id, i.path, p.id AS person_id, p.name FROM faces f
       JOIN images i ON i.id = f.image_id LEFT JOIN person p ON p.id = f.person_id WHERE f.id IN (?)`,
    [faceIds],
  );
  return new Map(
    rows.map((row) => {
      const person = row.person_id === null ? null : { id: row.person_id, name: row.name };
      return [row.id, { imageId: row.image_id, path: row.path, person }];
    }),
  );
}

/** The photos in which a person has been seen, newest first, with the descriptor of their face. */
export async function readFacesOfPerson(
  db: Queryable,
  personId: number,
  { model, limit }: { model: string; limit: number },
): Promise<{ faceId: number; imageId: number; descriptor: Buffer | null }[]> {
  const [rows] = await db.query<Row[]>(
    `SELECT id, image_id, IF(model = ?, descriptor, NULL) AS descriptor FROM faces
      WHERE person_id = ? ORDER BY image_id DESC LIMIT ?`,
    [model, personId, limit],
  );
  return rows.map((row) => ({ faceId: row.id, imageId: row.image_id, descriptor: row.descriptor }));
}
