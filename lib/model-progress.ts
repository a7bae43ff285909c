import type { Queryable, Row } from './database.ts';
import type { ModelComparison, ModelCounts, VersionCounts } from './models.ts';

/** Says that every face and reference has been looked at for a model; not when it was asked for anew meanwhile. */
export async function recordPrepared(connection: Queryable, name: string, requestedAt: Date): Promise<void> {
  await connection.query(
    'UPDATE models SET prepared_at = CURRENT_TIMESTAMP(3) WHERE name = ? AND requested_at = ? AND prepared_at IS NULL',
    [name, requestedAt],
  );
}

export async function recordComparison(
  connection: Queryable,
  name: string,
  requestedAt: Date,
  comparison: ModelComparison,
): Promise<void> {
  await connection.query('UPDATE models SET comparison = ? WHERE name = ? AND requested_at = ?', [
    JSON.stringify(comparison),
    name,
    requestedAt,
  ]);
}

export async function recordCounts(connection: Queryable, counts: ReadonlyMap<string, ModelCounts>): Promise<void> {
  for (const [name, own] of counts) {
    await connection.query('UPDATE models SET counts = ? WHERE name = ?', [JSON.stringify(own), name]);
  }
}

/** How many descriptors of some models there are. Reads both tables of descriptors: not for every request. */
export async function countVersions(db: Queryable, names: readonly string[]): Promise<Map<string, ModelCounts>> {
  const [faces] = await db.query<Row[]>(
    'SELECT model, COUNT(*) AS count FROM faces WHERE descriptor IS NOT NULL AND model IS NOT NULL GROUP BY model',
  );
  const [faceVersions] = await db.query<Row[]>(
    'SELECT model, failure, COUNT(*) AS count FROM face_descriptors GROUP BY model, failure',
  );
  const [references] = await db.query<Row[]>(
    'SELECT model, COUNT(*) AS count FROM person_images WHERE descriptor IS NOT NULL AND model IS NOT NULL GROUP BY model',
  );
  const [referenceVersions] = await db.query<Row[]>(
    `SELECT rd.model, rd.failure, COUNT(*) AS count FROM reference_descriptors rd
       JOIN person_images pi ON pi.id = rd.person_image_id AND rd.base_crc = CRC32(pi.descriptor)
        AND pi.model <> rd.model GROUP BY rd.model, rd.failure`,
  );
  const countedAt = new Date().toISOString();
  return new Map(
    names.map((name) => [
      name,
      {
        countedAt,
        faces: countOf(name, faces, faceVersions),
        references: countOf(name, references, referenceVersions),
      },
    ]),
  );
}

function countOf(name: string, rows: readonly Row[], versions: readonly Row[]): VersionCounts {
  const sum = (some: readonly Row[]) => some.reduce((total, row) => total + Number(row.count), 0);
  const own = versions.filter((row) => row.model === name);
  const described = sum(rows.filter((row) => row.model === name)) + sum(own.filter((row) => row.failure === null));
  const missing = own.filter((row) => row.failure !== null);
  return {
    described,
    waiting: Math.max(0, sum(rows) - described - sum(missing)),
    missing: Object.fromEntries(missing.map((row) => [row.failure, Number(row.count)])),
  };
}
