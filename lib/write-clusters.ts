import { CORE, countMembers, IS_UNKNOWN, LOOKED_AT } from './cluster-faces.ts';
import type { Queryable, Row, WriteResult } from './database.ts';

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
  await moveFaces(connection, [...groups.values()]);
  const touched = new Map([...write.touched].map(([id, cover]) => [idOf(id) as number, cover]));
  const dissolved = await recountClusters(connection, touched, write);
  return { ids, skipped: [...stale], dissolved };
}

/** All in one statement: faces that came together belong to many clusters. */
async function moveFaces(
  connection: Queryable,
  groups: readonly { clusterId: number | null; state: number; faceIds: readonly number[] }[],
): Promise<void> {
  if (groups.length === 0) return;
  const cases = groups.map(() => 'WHEN id IN (?) THEN ?').join(' ');
  await connection.query(
    `UPDATE faces SET cluster_id = CASE ${cases} END, cluster_state = CASE ${cases} END WHERE id IN (?)`,
    [
      ...groups.flatMap(({ faceIds, clusterId }) => [faceIds, clusterId]),
      ...groups.flatMap(({ faceIds, state }) => [faceIds, state]),
      groups.flatMap(({ faceIds }) => faceIds),
    ],
  );
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
