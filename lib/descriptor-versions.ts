import { descriptorToBytes, type Queryable } from './database.ts';

const NAME = /^[\w.-]{1,64}$/;

/**
 * Where the descriptors of references in one model are: in the reference's row, or beside it (sql/0011_models.sql). The
 * tables are called `pi` and `rd`; `descriptor` is null where there is none.
 */
export function referencesIn(model: string): { readonly tables: string; readonly descriptor: string } {
  const name = quoteModel(model);
  return {
    tables: `person_images pi LEFT JOIN reference_descriptors rd
      ON rd.person_image_id = pi.id AND rd.model = ${name} AND rd.base_crc = CRC32(pi.descriptor)`,
    descriptor: `IF(pi.model = ${name}, pi.descriptor, rd.descriptor)`,
  };
}

/** A model's name as a literal: within an expression it must not be a parameter of which nobody knows the number. */
export function quoteModel(model: string): string {
  if (!NAME.test(model)) throw new Error(`No model can have the name ${JSON.stringify(model)}.`);
  return `'${model}'`;
}

/**
 * Erases the descriptors that faces have besides those in their rows. First over the old bytes, at their place: a deleted
 * row's bytes may stay in its page for long. The faces must be locked, so that no job writes others meanwhile.
 */
export async function eraseFaceVersions(connection: Queryable, faceIds: readonly number[]): Promise<void> {
  if (faceIds.length === 0) return;
  await connection.query(
    'UPDATE face_descriptors SET descriptor = REPEAT(CHAR(0), LENGTH(descriptor)) WHERE face_id IN (?)',
    [faceIds],
  );
  await connection.query('DELETE FROM face_descriptors WHERE face_id IN (?)', [faceIds]);
}

/** The same of references. */
export async function eraseReferenceVersions(connection: Queryable, referenceIds: readonly number[]): Promise<void> {
  if (referenceIds.length === 0) return;
  await connection.query(
    'UPDATE reference_descriptors SET descriptor = REPEAT(CHAR(0), LENGTH(descriptor)) WHERE person_image_id IN (?)',
    [referenceIds],
  );
  await connection.query('DELETE FROM reference_descriptors WHERE person_image_id IN (?)', [referenceIds]);
}

/**
 * Keeps beside what is known of a reference by one model, before it is described by another one. Only where the photo is
 * what it was.
 *
 * @param photo as it is about to be written
 * @param revision of `bumpRevision`, in the same transaction
 */
export async function keepOtherVersion(
  connection: Queryable,
  photo: {
    readonly imageName: string;
    readonly contentHash: string | null;
    readonly model: string;
    readonly descriptor: Float32Array | null;
  },
  revision: number,
): Promise<void> {
  if (photo.descriptor === null || photo.contentHash === null) return;
  await connection.query(
    `INSERT INTO reference_descriptors (person_image_id, model, descriptor, base_crc, revision)
     SELECT id, model, descriptor, CRC32(?), ? FROM person_images
      WHERE image_name = ? AND content_hash = UNHEX(?) AND model <> ? AND descriptor IS NOT NULL
     ON DUPLICATE KEY UPDATE descriptor = VALUES(descriptor), failure = NULL, base_crc = VALUES(base_crc),
       revision = VALUES(revision)`,
    [descriptorToBytes(photo.descriptor), revision, photo.imageName, photo.contentHash, photo.model],
  );
}
