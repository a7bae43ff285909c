import type { Queryable, Row } from './database.ts';

/** Whether anybody but a person needs an upload: it is named by its content, as are references made of it. */
export async function isUploadNeeded(db: Queryable, path: string, exceptPersonId = 0): Promise<boolean> {
  const [hash] = /[0-9a-f]{64}/.exec(path) ?? [];
  const [rows] = await db.query<Row[]>(
    `SELECT 1 FROM images WHERE path_hash = UNHEX(SHA2(?, 256))
     UNION ALL SELECT 1 FROM person_images WHERE image_name LIKE ? AND person_id <> ?
     UNION ALL SELECT 1 FROM enrolments WHERE status = 'pending' AND path = ? AND person_id <> ?`,
    [path, `photo/${hash}#%`, exceptPersonId, path, exceptPersonId],
  );
  return rows.length > 0;
}
