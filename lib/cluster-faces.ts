import { descriptorFromBytes, type Queryable, type Row, type WriteResult } from './database.ts';
import { faceQualityFromColumn, isMisleading, rankQuality } from './face-quality.ts';

// What the job that clusters unknown faces reads and writes. Nobody else writes faces.cluster_id and faces.cluster_state, but
// for a split, which says so in clusters.reshaped (lib/clusters.ts).

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

const LOOKED_AT = 1;
const CORE = 2;
/** A condition on `faces`. */
export const IS_UNKNOWN = 'person_id IS NULL AND erased_at IS NULL';
const COLUMNS = 'id, image_id, model, descriptor, quality, cluster_id, cluster_state';

/** Unknown faces that nobody has looked at, oldest first. Those without a descriptor are only told by their ids. */
export async function readNewFaces(
  db: Queryable,
  limit: number,
): Promise<{ faces: UnknownFace[]; withoutDescriptor: number[] }> {
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
  const left: number[] = [];
  for (const state of [LOOKED_AT, CORE]) {
    for (const condition of ['person_id > 0', 'person_id IS NULL AND erased_at IS NOT NULL']) {
      const [rows] = await db.query<Row[]>(`SELECT id FROM faces WHERE cluster_state = ? AND ${condition} LIMIT ?`, [
        state,
        limit - left.length,
      ]);
      left.push(...rows.map((row) => row.id as number));
      if (left.length >= limit) return left;
    }
  }
  return left;
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

/** What a job of one model wants to be written; clusters with ids below 0 are new. */
export interface ClusterWrite {
  readonly model: string;
  readonly faces: ReadonlyMap<
    number,
    { readonly before: number | null; readonly clusterId: number | null; readonly isCore: boolean }
  >;
  readonly merged: readonly { readonly from: number; readonly into: number }[];
  readonly touched: ReadonlyMap<number, { readonly coverFaceId: number | null }>;
  /** Smaller clusters are dissolved, unless a person has shaped them. */
  readonly minSize: number;
}

export interface ClustersWritten {
  /** Ids of the new clusters, by those that they had in `ClusterWrite`. */
  readonly ids: ReadonlyMap<number, number>;
  /** Faces that are not as they were when the job read them: nothing was written about them. */
  readonly skipped: readonly number[];
  readonly dissolved: readonly number[];
}

/**
 * Writes what has grown. Call it in a transaction; where a face has been named, moved, erased or deleted meanwhile it stays
 * as it is, and the others are written all the same.
 */
export async function writeClusters(connection: Queryable, write: ClusterWrite): Promise<ClustersWritten> {
  const stale = await lockFaces(connection, write);
  for (const { from, into } of write.merged) await mergeClusters(connection, from, into);
  const ids = await insertClusters(connection, write);
  const idOf = (id: number | null) => (id === null || id > 0 ? id : (ids.get(id) ?? null));
  const groups = new Map<string, { clusterId: number | null; state: number; faceIds: number[] }>();
  for (const [faceId, { clusterId, isCore }] of write.faces) {
    if (stale.has(faceId)) continue;
    const group = { clusterId: idOf(clusterId), state: isCore ? CORE : LOOKED_AT, faceIds: [] };
    const key = `${group.clusterId} ${group.state}`;
    const same = groups.get(key) ?? group;
    groups.set(key, same);
    same.faceIds.push(faceId);
  }
  for (const { clusterId, state, faceIds } of groups.values()) {
    await connection.query('UPDATE faces SET cluster_id = ?, cluster_state = ? WHERE id IN (?)', [
      clusterId,
      state,
      faceIds,
    ]);
  }
  const touched = new Map([...write.touched].map(([id, cover]) => [idOf(id) as number, cover]));
  const dissolved = await recountClusters(connection, touched, write);
  return { ids, skipped: [...stale], dissolved };
}

/** @returns those that are not as they are said to be */
async function lockFaces(connection: Queryable, { model, faces, merged }: ClusterWrite): Promise<Set<number>> {
  if (faces.size === 0) return new Set();
  const [rows] = await connection.query<Row[]>(
    `SELECT id, IF(cluster_state = 0, NULL, cluster_id) AS cluster_id FROM faces
      WHERE id IN (?) AND ${IS_UNKNOWN} AND descriptor IS NOT NULL AND model = ? FOR UPDATE`,
    [[...faces.keys()], model],
  );
  const now = new Map<number, number | null>(rows.map((row) => [row.id, row.cluster_id]));
  // A face may have been noted after its cluster had become part of another one.
  const into = new Map(merged.map((one) => [one.from, one.into]));
  const follow = (id: number | null): number | null =>
    id !== null && into.has(id) ? follow(into.get(id) as number) : id;
  const isAsSaid = (id: number, before: number | null) => now.has(id) && follow(now.get(id) ?? null) === follow(before);
  return new Set([...faces].filter(([id, { before }]) => !isAsSaid(id, before)).map(([id]) => id));
}

async function mergeClusters(connection: Queryable, from: number, into: number): Promise<void> {
  await connection.query('UPDATE faces SET cluster_id = ? WHERE cluster_id = ?', [into, from]);
  const [rows] = await connection.query<Row[]>(
    'SELECT id, size, ignored, shaped, reshaped FROM clusters WHERE id IN (?) FOR UPDATE',
    [[from, into]],
  );
  const [young, old] = [from, into].map((id) => rows.find((row) => row.id === id));
  if (young === undefined || old === undefined) throw new Error(`The cluster ${from} or ${into} is gone.`);
  // What was said about the larger one holds for both.
  const ignored = (young.size > old.size ? young : old).ignored;
  await connection.query('UPDATE clusters SET ignored = ?, shaped = ?, reshaped = ?, size = ? WHERE id = ?', [
    ...[ignored, Math.max(young.shaped, old.shaped), Math.max(young.reshaped, old.reshaped)],
    ...[young.size + old.size, into],
  ]);
  await connection.query(
    `INSERT IGNORE INTO cluster_splits (cluster_id, other_id)
     SELECT LEAST(?, third), GREATEST(?, third) FROM (
       SELECT IF(cluster_id = ?, other_id, cluster_id) AS third FROM cluster_splits
        WHERE cluster_id = ? OR other_id = ?) AS s WHERE third <> ?`,
    [into, into, from, from, from, into],
  );
  await connection.query('DELETE FROM clusters WHERE id = ?', [from]);
}

async function insertClusters(connection: Queryable, { model, touched }: ClusterWrite): Promise<Map<number, number>> {
  const ids = new Map<number, number>();
  // The older first: ids tell ages.
  for (const id of [...touched.keys()].filter((one) => one < 0).sort((a, b) => b - a)) {
    const [result] = await connection.query<WriteResult>('INSERT INTO clusters (model) VALUES (?)', [model]);
    ids.set(id, result.insertId);
  }
  return ids;
}

/** @returns the clusters that were too small and are gone */
async function recountClusters(
  connection: Queryable,
  touched: ReadonlyMap<number, { readonly coverFaceId: number | null }>,
  { model, minSize }: ClusterWrite,
): Promise<number[]> {
  if (touched.size === 0) return [];
  const [clusters] = await connection.query<Row[]>('SELECT id, shaped FROM clusters WHERE id IN (?) FOR UPDATE', [
    [...touched.keys()],
  ]);
  const sizes = await countMembers(connection, [...touched.keys()]);
  const sizeOf = (row: Row) => sizes.get(row.id) ?? 0;
  const isTooSmall = (row: Row) => sizeOf(row) < (row.shaped === 1 ? 1 : minSize);
  const dissolved = clusters.filter(isTooSmall).map((row) => row.id as number);
  const kept = clusters.filter((row) => !isTooSmall(row));
  if (kept.length > 0) {
    // The rows are there and locked: it never inserts, and one statement writes all of them.
    await connection.query(
      `INSERT INTO clusters (id, model, size, cover_face_id, updated_at) VALUES ?
       ON DUPLICATE KEY UPDATE size = VALUES(size), cover_face_id = VALUES(cover_face_id),
         updated_at = VALUES(updated_at)`,
      [kept.map((row) => [row.id, model, sizeOf(row), touched.get(row.id)?.coverFaceId ?? null, new Date()])],
    );
  }
  if (dissolved.length > 0) {
    await connection.query(
      `UPDATE faces SET cluster_id = NULL, cluster_state = ${LOOKED_AT} WHERE cluster_id IN (?) AND ${IS_UNKNOWN}`,
      [dissolved],
    );
    await connection.query('DELETE FROM clusters WHERE id IN (?)', [dissolved]);
  }
  return dissolved;
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
