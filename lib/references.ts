import { type Actor, recordAudit } from './audit.ts';
import {
  type Database,
  descriptorFromBytes,
  descriptorToBytes,
  type Queryable,
  type Row,
  type WriteResult,
} from './database.ts';
import { eraseReferenceVersions, referencesIn } from './descriptor-versions.ts';
import { PermanentError } from './errors.ts';
import { type FaceQuality, faceQualityToColumn } from './face-quality.ts';
import { bumpRevision } from './gallery.ts';
import type { BoundingBox } from './images.ts';
import { chunksOf } from './outbox.ts';
import { lockPerson } from './persons.ts';
import { distanceBetween } from './similarity.ts';

export interface NewReference {
  readonly imageName: string;
  readonly personId: number;
  /** 128 floats. */
  readonly descriptor: ArrayLike<number>;
  readonly model: string;
  readonly source: 'photo' | 'face';
  /** SHA-256, hex. */
  readonly contentHash: string | null;
  readonly path: string | null;
  readonly faceId: number | null;
  readonly box: BoundingBox | null;
  readonly quality: FaceQuality | null;
}

/**
 * Nearer than this, two descriptors are taken to be of one picture, stored anew. Measured: pictures compressed or
 * shrunk again are 0 to 0.25 apart (nine of ten within 0.2), different photos of one person never less than 0.29 (ADR 11).
 */
export const SAME_PICTURE_DISTANCE = 0.2;

/**
 * Adds a reference, or gives it to this person where the same face of the same photo is somebody's already.
 *
 * @param revision of `bumpRevision`, in the same transaction
 * @returns its row in person_images
 */
export async function addReference(connection: Queryable, reference: NewReference, revision: number): Promise<number> {
  const { imageName, box, descriptor, contentHash } = reference;
  await connection.query(
    `INSERT INTO person_images (image_name, person_id, descriptor, model, content_hash, revision, source, path, face_id,
       box_left, box_top, box_width, box_height, quality)
     VALUES (?, ?, ?, ?, UNHEX(?), ?, ?, ?, ?, ?, ?, ?, ?, ?)
     ON DUPLICATE KEY UPDATE person_id = VALUES(person_id), descriptor = VALUES(descriptor), model = VALUES(model),
       revision = VALUES(revision), path = VALUES(path), quality = VALUES(quality), failure = NULL`,
    [
      ...[imageName, reference.personId, descriptorToBytes(Float32Array.from(descriptor)), reference.model],
      ...[contentHash, revision, reference.source, reference.path, reference.faceId],
      ...[box?.left ?? null, box?.top ?? null, box?.width ?? null, box?.height ?? null],
      faceQualityToColumn(reference.quality),
    ],
  );
  const [rows] = await connection.query<Row[]>('SELECT id FROM person_images WHERE image_name = ?', [imageName]);
  if (rows[0] === undefined) throw new Error(`The reference ${imageName} was removed while it was being added.`);
  await connection.query(
    `UPDATE images SET rematch = GREATEST(rematch, 1)
      WHERE id IN (SELECT image_id FROM faces WHERE person_image_id = ? AND person_id <> ?)`,
    [rows[0].id, reference.personId],
  );
  return rows[0].id;
}

/** Adds the reference that a stored face becomes. */
export function addReferenceOfFace(
  connection: Queryable,
  face: Pick<NewReference, 'descriptor' | 'model' | 'box' | 'quality'> & { readonly id: number },
  personId: number,
  revision: number,
): Promise<number> {
  const { id, descriptor, model, box, quality } = face;
  const reference = { personId, descriptor, model, box, quality, imageName: `face/${id}`, faceId: id };
  return addReference(connection, { ...reference, source: 'face', contentHash: null, path: null }, revision);
}

/**
 * Removes references and has the photos decided again that were named by them. Descriptors are overwritten first: a
 * deleted row's bytes may stay in its page for long.
 *
 * @param revision of `bumpRevision`, in the same transaction
 * @returns how many there were
 */
export async function removeReferences(
  connection: Queryable,
  ids: readonly number[],
  revision: number,
): Promise<number> {
  let removed = 0;
  for (const some of chunksOf(ids)) {
    await connection.query(
      'UPDATE images SET rematch = GREATEST(rematch, 1) WHERE id IN (SELECT image_id FROM faces WHERE person_image_id IN (?))',
      [some],
    );
    await connection.query(
      'UPDATE person_images SET descriptor = REPEAT(CHAR(0), LENGTH(descriptor)) WHERE id IN (?)',
      [some],
    );
    await eraseReferenceVersions(connection, some);
    await connection.query('INSERT IGNORE INTO gallery_removals (revision, person_image_id) VALUES ?', [
      some.map((id) => [revision, id]),
    ]);
    const [result] = await connection.query<WriteResult>('DELETE FROM person_images WHERE id IN (?)', [some]);
    removed += result.affectedRows;
  }
  return removed;
}

/**
 * Removes one reference of a person; photos that it named are decided again. One from the folder of known people is not
 * enrolled from there again.
 *
 * @throws PermanentError `person_not_found` or `reference_not_found`
 */
export function removeReference(db: Database, personId: number, referenceId: number, actor: Actor): Promise<void> {
  return db.transact(async (connection) => {
    const revision = await bumpRevision(connection);
    await lockPerson(connection, personId);
    await connection.query(
      `INSERT IGNORE INTO refused_photos (content_hash)
       SELECT content_hash FROM person_images
        WHERE id = ? AND person_id = ? AND source = 'folder' AND content_hash IS NOT NULL`,
      [referenceId, personId],
    );
    const [rows] = await connection.query<Row[]>(
      'SELECT id FROM person_images WHERE id = ? AND person_id = ? FOR UPDATE',
      [referenceId, personId],
    );
    if (rows.length === 0) {
      throw new PermanentError('reference_not_found', `Person ${personId} has no reference ${referenceId}.`);
    }
    await removeReferences(connection, [referenceId], revision);
    await recordAudit(connection, actor, {
      action: 'reference.removed',
      personId,
      details: { reference: referenceId },
    });
  });
}

export interface NearReference {
  readonly id: number;
  readonly personId: number;
  readonly distance: number;
}

/**
 * References that changed after a revision, with their distance to a descriptor, nearest first: what a recognizer that
 * has seen the gallery at that revision could not know.
 */
export async function measureNewerReferences(
  connection: Queryable,
  probe: { readonly descriptor: ArrayLike<number>; readonly model: string },
  afterRevision: number,
): Promise<NearReference[]> {
  const { tables, descriptor } = referencesIn(probe.model);
  const found = (table: string) => `SELECT pi.id, pi.person_id, ${descriptor} AS descriptor FROM ${tables}
      WHERE ${table}.revision > ? AND ${descriptor} IS NOT NULL`;
  const [rows] = await connection.query<Row[]>(`${found('pi')} UNION ${found('rd')}`, [afterRevision, afterRevision]);
  return measure(rows, probe.descriptor);
}

/** The references of one person, with their distance to a descriptor, nearest first. */
export async function measureReferencesOf(
  connection: Queryable,
  personId: number,
  probe: { readonly descriptor: ArrayLike<number>; readonly model: string },
): Promise<NearReference[]> {
  const { tables, descriptor } = referencesIn(probe.model);
  const [rows] = await connection.query<Row[]>(
    `SELECT pi.id, pi.person_id, ${descriptor} AS descriptor FROM ${tables}
      WHERE pi.person_id = ? AND ${descriptor} IS NOT NULL`,
    [personId],
  );
  return measure(rows, probe.descriptor);
}

function measure(rows: readonly Row[], descriptor: ArrayLike<number>): NearReference[] {
  return rows
    .map((row) => ({
      id: row.id as number,
      personId: row.person_id as number,
      distance: distanceBetween(descriptor, descriptorFromBytes(row.descriptor)),
    }))
    .sort((a, b) => a.distance - b.distance);
}
