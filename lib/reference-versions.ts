import type { Queryable, Row } from './database.ts';
import type { Version } from './face-versions.ts';
import { bumpRevision } from './gallery.ts';

/** A reference that has no descriptor of a model yet. */
export interface ReferenceToDescribe {
  readonly id: number;
  readonly source: 'folder' | 'photo' | 'face';
  readonly imageName: string;
  /** Of the photo, where it was enrolled through the API. */
  readonly path: string | null;
  /** The face that it was made of, and its image. */
  readonly faceId: number | null;
  readonly imageId: number | null;
  /** Of `descriptor`. */
  readonly model: string;
  readonly descriptor: Buffer;
}

/** References that nobody has tried to describe by a model, by id. @param after only greater ids */
export async function findReferencesWithout(
  db: Queryable,
  model: string,
  after: number,
  limit: number,
): Promise<ReferenceToDescribe[]> {
  const [rows] = await db.query<Row[]>(
    `SELECT pi.id, pi.source, pi.image_name, pi.path, pi.face_id, f.image_id, pi.model, pi.descriptor
       FROM person_images pi LEFT JOIN faces f ON f.id = pi.face_id
       LEFT JOIN reference_descriptors rd
         ON rd.person_image_id = pi.id AND rd.model = ? AND rd.base_crc = CRC32(pi.descriptor)
      WHERE pi.id > ? AND pi.descriptor IS NOT NULL AND pi.model <> ? AND rd.person_image_id IS NULL
      ORDER BY pi.id LIMIT ?`,
    [model, after, model, limit],
  );
  return rows.map((row) => ({
    ...{ id: row.id, source: row.source, imageName: row.image_name, path: row.path },
    ...{ faceId: row.face_id, imageId: row.image_id, model: row.model, descriptor: row.descriptor },
  }));
}

/**
 * Writes descriptors of references in a model beside those that they have, for every copy of the gallery to follow; a
 * reference that has another descriptor by now than the one that was compared is left alone.
 */
export async function storeReferenceVersions(
  connection: Queryable,
  model: string,
  versions: ReadonlyMap<number, Version>,
): Promise<void> {
  if (versions.size === 0) return;
  const revision = await bumpRevision(connection);
  for (const [id, { base, descriptor, failure }] of versions) {
    await connection.query(
      `INSERT INTO reference_descriptors (person_image_id, model, descriptor, failure, base_crc, revision)
       SELECT id, ?, ?, ?, CRC32(descriptor), ? FROM person_images WHERE id = ? AND descriptor = ?
       ON DUPLICATE KEY UPDATE descriptor = VALUES(descriptor), failure = VALUES(failure),
         base_crc = VALUES(base_crc), revision = VALUES(revision)`,
      [model, descriptor, failure, revision, id, base],
    );
  }
}
