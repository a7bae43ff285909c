import type { Queryable, Row } from './database.ts';

/**
 * Removes some of the descriptors of a model; call it again while it says so. References that have a descriptor of the
 * model that answers keep that one alone; faces and references that have no other keep theirs, and wait.
 *
 * @param active the model that answers
 * @returns whether there may be more
 */
export async function dropSomeVersions(
  connection: Queryable,
  { model, active, limit }: { model: string; active: string; limit: number },
): Promise<boolean> {
  const promoted = await promoteReferences(connection, { model, active, limit });
  const faces = await removeFaceVersions(connection, model, limit);
  const [references] = await connection.query<Row[]>(
    'SELECT person_image_id AS id FROM reference_descriptors WHERE model = ? LIMIT ? FOR UPDATE',
    [model, limit],
  );
  const ids = references.map((row) => row.id as number);
  if (ids.length > 0) {
    const own = 'model = ? AND person_image_id IN (?)';
    const blank = 'SET descriptor = REPEAT(CHAR(0), LENGTH(descriptor))';
    await connection.query(`UPDATE reference_descriptors ${blank} WHERE ${own}`, [model, ids]);
    await connection.query(`DELETE FROM reference_descriptors WHERE ${own}`, [model, ids]);
  }
  const more = promoted + faces + ids.length > 0;
  if (!more) await connection.query('DELETE FROM models WHERE name = ? AND dropping = 1', [model]);
  return more;
}

/** The same faces are known by the same descriptors after as before: no copy of the active model's gallery changes. */
async function promoteReferences(
  connection: Queryable,
  { model, active, limit }: { model: string; active: string; limit: number },
): Promise<number> {
  const [rows] = await connection.query<Row[]>(
    `SELECT pi.id FROM person_images pi
       JOIN reference_descriptors rd ON rd.person_image_id = pi.id AND rd.model = ? AND rd.descriptor IS NOT NULL
        AND rd.base_crc = CRC32(pi.descriptor)
      WHERE pi.model = ? LIMIT ? FOR UPDATE`,
    [active, model, limit],
  );
  const ids = rows.map((row) => row.id as number);
  if (ids.length === 0) return 0;
  await connection.query(
    `UPDATE reference_descriptors other JOIN reference_descriptors rd
         ON rd.person_image_id = other.person_image_id AND rd.model = ? AND other.model <> rd.model
        SET other.base_crc = CRC32(rd.descriptor) WHERE other.person_image_id IN (?)`,
    [active, ids],
  );
  await connection.query(
    `UPDATE person_images pi JOIN reference_descriptors rd ON rd.person_image_id = pi.id AND rd.model = ?
        SET pi.descriptor = rd.descriptor, pi.model = rd.model WHERE pi.id IN (?)`,
    [active, ids],
  );
  await connection.query('DELETE FROM reference_descriptors WHERE model = ? AND person_image_id IN (?)', [active, ids]);
  return ids.length;
}

async function removeFaceVersions(connection: Queryable, model: string, limit: number): Promise<number> {
  const [rows] = await connection.query<Row[]>(
    'SELECT face_id AS id FROM face_descriptors WHERE model = ? LIMIT ? FOR UPDATE',
    [model, limit],
  );
  const ids = rows.map((row) => row.id as number);
  if (ids.length === 0) return 0;
  await connection.query(
    'UPDATE face_descriptors SET descriptor = REPEAT(CHAR(0), LENGTH(descriptor)) WHERE model = ? AND face_id IN (?)',
    [model, ids],
  );
  await connection.query('DELETE FROM face_descriptors WHERE model = ? AND face_id IN (?)', [model, ids]);
  return ids.length;
}
