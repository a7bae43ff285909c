import { descriptorFromBytes, type Queryable, type Row } from './database.ts';
import { faceQualityFromColumn, isMisleading, rankQuality } from './face-quality.ts';

// What the job that clusters unknown faces reads, and notes of single faces; what has grown is written by lib/write-clusters.ts.
// Nobody else writes faces.cluster_id and faces.cluster_state, but for a split, which says so in clusters.reshaped
// (lib/clusters.ts).

/** An unknown face with a descriptor. */
export interface UnknownFace {
  readonly id: number;
  readonly imageId: number;
  readonly model: string;
  /** 128 floats. */
  readonly descriptor: Float32Array;
  /** Strangers come near to it. */
  readonly isMisleading: boolean;
  /** 0..1: how well it can be seen. */
  readonly rank: number;
  readonly clusterId: number | null;
  readonly isCore: boolean;
}

/** Of `faces.cluster_state`; 0: nobody has looked at it. */
export const LOOKED_AT = 1;
export const CORE = 2;
/** A condition on `faces`. */
export const IS_UNKNOWN = 'person_id IS NULL AND erased_at IS NULL';
const COLUMNS = 'id, image_id, model, descriptor, quality, cluster_id, cluster_state';

export interface NewFaces {
  readonly faces: readonly UnknownFace[];
  /** Their ids. */
  readonly withoutDescriptor: readonly number[];
}

/** Unknown faces that nobody has looked at, oldest first. */
export async function readNewFaces(db: Queryable, limit: number): Promise<NewFaces> {
  const [rows] = await db.query<Row[]>(
    `SELECT ${COLUMNS} FROM faces WHERE cluster_state = 0 AND ${IS_UNKNOWN} ORDER BY id LIMIT ?`,
    [limit],
  );
  const withoutDescriptor = rows.filter((row) => !isDescribed(row)).map((row) => row.id as number);
  return { faces: rows.filter(isDescribed).map(toUnknownFace), withoutDescriptor };
}

export async function countNewFaces(db: Queryable): Promise<number> {
  const [rows] = await db.query<Row[]>(`SELECT COUNT(*) AS count FROM faces WHERE cluster_state = 0 AND ${IS_UNKNOWN}`);
  return rows[0]?.count ?? 0;
}

/** Faces that have been looked at and are not unknown any more: they have got a person, or were erased. */
export async function readFacesThatLeft(db: Queryable, limit: number): Promise<number[]> {
  // Each of them reads an index from its beginning; together they would read all faces.
  const parts = [LOOKED_AT, CORE].flatMap((state) =>
    ['person_id > 0', 'person_id IS NULL AND erased_at IS NOT NULL'].map(
      (condition) => `(SELECT id FROM faces WHERE cluster_state = ${state} AND ${condition} LIMIT ?)`,
    ),
  );
  const [rows] = await db.query<Row[]>(`${parts.join(' UNION ALL ')} LIMIT ?`, [...parts.map(() => limit), limit]);
  return rows.map((row) => row.id as number);
}

/** A page of the faces that have been looked at, by id. @param after only greater ids */
export async function readClusteredFaces(db: Queryable, after: number, limit: number): Promise<UnknownFace[]> {
  const [rows] = await db.query<Row[]>(
    `SELECT ${COLUMNS} FROM faces WHERE cluster_state > 0 AND id > ? AND ${IS_UNKNOWN} AND descriptor IS NOT NULL
        AND model IS NOT NULL ORDER BY id LIMIT ?`,
    [after, limit],
  );
  return rows.map(toUnknownFace);
}

/** The members of clusters. */
export async function readMembers(db: Queryable, clusterIds: readonly number[]): Promise<UnknownFace[]> {
  if (clusterIds.length === 0) return [];
  const [rows] = await db.query<Row[]>(
    `SELECT ${COLUMNS} FROM faces WHERE cluster_id IN (?) AND cluster_state > 0 AND ${IS_UNKNOWN}
        AND descriptor IS NOT NULL AND model IS NOT NULL`,
    [clusterIds],
  );
  return rows.map(toUnknownFace);
}

const isDescribed = (row: Row) => row.descriptor !== null && row.model !== null;

function toUnknownFace(row: Row): UnknownFace {
  const quality = faceQualityFromColumn(row.quality);
  return {
    id: row.id,
    imageId: row.image_id,
    model: row.model,
    descriptor: descriptorFromBytes(row.descriptor),
    isMisleading: isMisleading(quality),
    rank: rankQuality(quality),
    clusterId: row.cluster_id,
    isCore: row.cluster_state === CORE,
  };
}

export interface Split {
  readonly clusterId: number;
  readonly otherId: number;
  readonly model: string;
}

export async function readSplits(db: Queryable): Promise<Split[]> {
  const [rows] = await db.query<Row[]>(
    'SELECT s.cluster_id, s.other_id, c.model FROM cluster_splits s JOIN clusters c ON c.id = s.cluster_id',
  );
  return rows.map((row) => ({ clusterId: row.cluster_id, otherId: row.other_id, model: row.model }));
}

/** Clusters whose size is not what is stored, because photos were deleted; by model. */
export async function readClustersThatShrank(db: Queryable): Promise<Map<string, number[]>> {
  const [rows] = await db.query<Row[]>(
    `SELECT c.id, c.model FROM clusters c LEFT JOIN (SELECT cluster_id, COUNT(*) AS count FROM faces
        WHERE cluster_id IS NOT NULL GROUP BY cluster_id) f ON f.cluster_id = c.id
      WHERE COALESCE(f.count, 0) < c.size OR f.count IS NULL`,
  );
  const ids = new Map<string, number[]>();
  for (const { id, model } of rows) ids.set(model, [...(ids.get(model) ?? []), id]);
  return ids;
}

/** Faces that are unknown still, of each cluster that has any. */
export async function countMembers(connection: Queryable, clusterIds: readonly number[]): Promise<Map<number, number>> {
  const [rows] = await connection.query<Row[]>(
    `SELECT cluster_id, COUNT(*) AS count FROM faces WHERE cluster_id IN (?) AND ${IS_UNKNOWN} GROUP BY cluster_id`,
    [clusterIds],
  );
  return new Map(rows.map((row) => [row.cluster_id, row.count]));
}

/** Faces that are not unknown any more leave their clusters. Should they become unknown again, they are new. */
export async function releaseFaces(connection: Queryable, faceIds: readonly number[]): Promise<number[]> {
  if (faceIds.length === 0) return [];
  const [rows] = await connection.query<Row[]>(
    `SELECT id FROM faces WHERE id IN (?) AND NOT (${IS_UNKNOWN}) FOR UPDATE`,
    [faceIds],
  );
  const ids = rows.map((row) => row.id as number);
  if (ids.length > 0) {
    await connection.query('UPDATE faces SET cluster_id = NULL, cluster_state = 0 WHERE id IN (?)', [ids]);
  }
  return ids;
}

export async function markLookedAt(connection: Queryable, faceIds: readonly number[]): Promise<void> {
  if (faceIds.length === 0) return;
  await connection.query(`UPDATE faces SET cluster_state = ${LOOKED_AT} WHERE id IN (?) AND cluster_state = 0`, [
    faceIds,
  ]);
}

export async function isAnyReshaped(db: Queryable): Promise<boolean> {
  const [rows] = await db.query<Row[]>('SELECT 1 FROM clusters WHERE reshaped = 1 LIMIT 1');
  return rows.length > 0;
}

/** Clusters that the receiver has split since the job took note last; call it before they are read. */
export async function takeReshaped(connection: Queryable): Promise<number[]> {
  const [rows] = await connection.query<Row[]>('SELECT id FROM clusters WHERE reshaped = 1 FOR UPDATE');
  const ids = rows.map((row) => row.id as number);
  if (ids.length > 0) await connection.query('UPDATE clusters SET reshaped = 0 WHERE id IN (?)', [ids]);
  return ids;
}
