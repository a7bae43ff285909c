import { type Actor, recordAudit } from './audit.ts';
import { changeOnce } from './change-once.ts';
import { countMembers, IS_UNKNOWN } from './cluster-faces.ts';
import type { Database, Queryable, Row, WriteResult } from './database.ts';
import { PermanentError } from './errors.ts';
import type { Face } from './images.ts';
import { type NamedFaces, nameFaces } from './name-faces.ts';
import { FACE_COLUMNS, FACE_TABLES, toFace } from './read-faces.ts';

/** Unknown faces that are probably of one person. */
export interface Cluster {
  readonly id: number;
  /** How many faces. */
  readonly size: number;
  /** The face that can be seen best. */
  readonly cover: number | null;
  /** Some of the faces. */
  readonly faces: readonly number[];
  readonly ignored: boolean;
  readonly createdAt: Date;
  readonly updatedAt: Date;
}

export interface ClusterFace extends Face {
  readonly imageId: number;
}

/** Where a page of clusters goes on. */
export interface ClusterCursor {
  readonly size: number;
  readonly id: number;
}

export interface Clusters {
  /** Largest first. @param options.after only those that come after it */
  listClusters(options: { ignored: boolean; after?: ClusterCursor; limit: number }): Promise<Cluster[]>;
  findCluster(id: number): Promise<Cluster | null>;
  /** By id. @param options.after only greater ids */
  listFaces(id: number, options: { after: number; limit: number }): Promise<ClusterFace[]>;
  /**
   * Says whose face all of them are.
   *
   * @param person the id, or the name of one who is made where there is none
   * @throws PermanentError `cluster_not_found`, `person_not_found`
   */
  nameCluster(id: number, person: number | string, actor: Actor): Promise<NamedFaces>;
  /**
   * Takes faces out of a cluster, into one of their own; the two never grow together again.
   *
   * @returns the id of the new cluster
   * @throws PermanentError `cluster_not_found`, `face_not_in_cluster`, `nothing_left`
   */
  splitCluster(id: number, faceIds: readonly number[], actor: Actor): Promise<number>;
  /** @throws PermanentError `cluster_not_found` */
  ignoreCluster(id: number, ignored: boolean, actor: Actor): Promise<void>;
}

const SHOWN_FACES = 5;
const COLUMNS = `c.id, c.size, c.ignored, c.created_at, c.updated_at,
  (SELECT f.id FROM faces f WHERE f.id = c.cover_face_id AND f.cluster_id = c.id AND f.person_id IS NULL) AS cover`;

export function openClusters(db: Database): Clusters {
  return {
    async listClusters({ ignored, after, limit }) {
      const values = after === undefined ? [] : [after.size, after.size, after.id];
      const [rows] = await db.query<Row[]>(
        `SELECT ${COLUMNS} FROM clusters c WHERE c.ignored = ? AND c.size > 0
            ${after === undefined ? '' : 'AND (c.size < ? OR (c.size = ? AND c.id < ?))'}
          ORDER BY c.size DESC, c.id DESC LIMIT ?`,
        [ignored ? 1 : 0, ...values, limit],
      );
      return toClusters(db, rows);
    },

    async findCluster(id) {
      const [rows] = await db.query<Row[]>(`SELECT ${COLUMNS} FROM clusters c WHERE c.id = ? AND c.size > 0`, [id]);
      return (await toClusters(db, rows))[0] ?? null;
    },

    async listFaces(id, { after, limit }) {
      const [rows] = await db.query<Row[]>(
        `SELECT ${FACE_COLUMNS} FROM ${FACE_TABLES}
          WHERE f.cluster_id = ? AND f.id > ? AND f.person_id IS NULL AND f.erased_at IS NULL ORDER BY f.id LIMIT ?`,
        [id, after, limit],
      );
      return rows.map((row) => ({ ...toFace(row), imageId: row.image_id }));
    },

    nameCluster: async (id, person, actor) => {
      const select = async (connection: Queryable) => {
        const faceIds = await lockMembers(connection, id);
        if (faceIds.length === 0) throw clusterNotFound(id);
        // The job takes the faces out of the cluster; nobody should be offered it again until then.
        await connection.query('UPDATE clusters SET size = 0 WHERE id = ?', [id]);
        return faceIds;
      };
      return nameFaces(db, person, select, { actor, record: { action: 'cluster.named', details: { cluster: id } } });
    },

    splitCluster: (id, faceIds, actor) =>
      changeOnce(db, actor, async (connection) => {
        const own = await split(connection, id, faceIds);
        const details = { cluster: id, own, faces: new Set(faceIds).size };
        await recordAudit(connection, actor, { action: 'cluster.split', details });
        return own;
      }),

    ignoreCluster: (id, ignored, actor) =>
      db.transact(async (connection) => {
        const [rows] = await connection.query<Row[]>('SELECT id FROM clusters WHERE id = ? FOR UPDATE', [id]);
        if (rows.length === 0) throw clusterNotFound(id);
        await connection.query('UPDATE clusters SET ignored = ? WHERE id = ?', [ignored ? 1 : 0, id]);
        await recordAudit(connection, actor, { action: 'cluster.ignored', details: { cluster: id, ignored } });
      }),
  };
}

export function clusterNotFound(id: number): PermanentError {
  return new PermanentError(
    'cluster_not_found',
    `There is no cluster ${id}: it may have grown together with an older one, or all its faces are known.`,
  );
}

async function lockMembers(connection: Queryable, id: number): Promise<number[]> {
  const [rows] = await connection.query<Row[]>(
    `SELECT id FROM faces WHERE cluster_id = ? AND ${IS_UNKNOWN} AND descriptor IS NOT NULL ORDER BY id FOR UPDATE`,
    [id],
  );
  return rows.map((row) => row.id);
}

async function split(connection: Queryable, id: number, faceIds: readonly number[]): Promise<number> {
  // Faces first, clusters after them, as the job does.
  const members = await lockMembers(connection, id);
  const [clusters] = await connection.query<Row[]>('SELECT model, ignored FROM clusters WHERE id = ? FOR UPDATE', [id]);
  const [cluster] = clusters;
  if (cluster === undefined || members.length === 0) throw clusterNotFound(id);
  const leaving = [...new Set(faceIds)];
  const stranger = leaving.find((faceId) => !members.includes(faceId));
  if (stranger !== undefined) {
    throw new PermanentError('face_not_in_cluster', `Face ${stranger} is not in cluster ${id}.`);
  }
  if (leaving.length === members.length) {
    throw new PermanentError('nothing_left', `Nothing would be left of cluster ${id}: choose some of its faces.`);
  }
  const [made] = await connection.query<WriteResult>(
    'INSERT INTO clusters (model, ignored, shaped, reshaped) VALUES (?, ?, 1, 1)',
    [cluster.model, cluster.ignored],
  );
  const own = made.insertId;
  await connection.query('UPDATE faces SET cluster_id = ? WHERE id IN (?)', [own, leaving]);
  // Whatever the old one must not grow together with, the new one must not either.
  await connection.query(
    `INSERT INTO cluster_splits (cluster_id, other_id)
     SELECT LEAST(?, third), GREATEST(?, third) FROM (
       SELECT IF(cluster_id = ?, other_id, cluster_id) AS third FROM cluster_splits
        WHERE cluster_id = ? OR other_id = ? UNION SELECT ?) AS s`,
    [own, own, id, id, id, id],
  );
  const sizes = await countMembers(connection, [id, own]);
  for (const one of [id, own]) {
    await connection.query(
      'UPDATE clusters SET size = ?, shaped = 1, reshaped = 1, updated_at = CURRENT_TIMESTAMP(3) WHERE id = ?',
      [sizes.get(one) ?? 0, one],
    );
  }
  return own;
}

async function toClusters(db: Queryable, rows: readonly Row[]): Promise<Cluster[]> {
  const faces = await readSomeFaces(
    db,
    rows.map((row) => row.id),
  );
  return rows.map((row) => {
    const shown = faces.get(row.id) ?? [];
    return {
      id: row.id,
      size: row.size,
      cover: row.cover ?? shown[0] ?? null,
      faces: shown,
      ignored: row.ignored === 1,
      createdAt: row.created_at,
      updatedAt: row.updated_at,
    };
  });
}

/** The first few of each, in one round trip that does not read them all. */
async function readSomeFaces(db: Queryable, clusterIds: readonly number[]): Promise<Map<number, number[]>> {
  const faces = new Map<number, number[]>();
  if (clusterIds.length === 0) return faces;
  const one = `(SELECT cluster_id, id FROM faces WHERE cluster_id = ? AND ${IS_UNKNOWN} ORDER BY id LIMIT ${SHOWN_FACES})`;
  const [rows] = await db.query<Row[]>(clusterIds.map(() => one).join(' UNION ALL '), [...clusterIds]);
  for (const { cluster_id: clusterId, id } of rows) faces.set(clusterId, [...(faces.get(clusterId) ?? []), id]);
  return faces;
}
