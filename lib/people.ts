import { type Actor, recordAudit, systemActor } from './audit.ts';
import { type Database, descriptorToBytes, type Queryable, type Row, type WriteResult } from './database.ts';
import { keepOtherVersion } from './descriptor-versions.ts';
import { type FaceQuality, faceQualityFromColumn, faceQualityToColumn } from './face-quality.ts';
import { bumpRevision } from './gallery.ts';

/** A row of `person_images`, with what its descriptor was computed from. */
export interface KnownPhoto {
  readonly imageName: string;
  /** Bytes; null when the photo has never been looked at. */
  readonly fileSize: number | null;
  readonly fileMtimeMs: number | null;
  /** SHA-256, hex. */
  readonly contentHash: string | null;
  /** In which there is a descriptor; where there is none, in which it was looked for. Empty: it never was. */
  readonly models: readonly string[];
  /** Why it has no descriptor. */
  readonly failure: string | null;
  /** Of the face that was, or would have been, enrolled. */
  readonly quality: FaceQuality | null;
}

export interface EncodedPhoto {
  readonly imageName: string;
  /** Used only where no row names the image yet. */
  readonly personName: string;
  readonly fileSize: number;
  readonly fileMtimeMs: number;
  /** SHA-256, hex; null when the file could not even be read. */
  readonly contentHash: string | null;
  readonly model: string;
  /** 128 floats, or null when the photo cannot serve as a reference. */
  readonly descriptor: Float32Array | null;
  readonly failure: string | null;
  /** Of the face that was, or would have been, enrolled; null when there is none. */
  readonly quality: FaceQuality | null;
}

export interface Person {
  readonly id: number;
  readonly name: string;
}

export interface People {
  listKnownPhotos(): Promise<KnownPhoto[]>;
  /**
   * Inserts or replaces what is known of a photo; its person is found by name, or made, where the photo is new.
   *
   * @returns false when the photo must not be enrolled (refused_photos): nothing was written
   */
  recordKnownPhoto(photo: EncodedPhoto): Promise<boolean>;
  /** SHA-256, hex, of photos that must never be enrolled from the folder: of people who were erased, or taken from theirs. */
  listRefusedHashes(): Promise<string[]>;
  /** The content is what it was, the file's times are not. */
  touchKnownPhoto(imageName: string, file: { fileSize: number; fileMtimeMs: number }): Promise<void>;
  /** Whose photo this is, as the reference system asks it. */
  findPersonByImage(imageName: string): Promise<Person | null>;
}

export function openPeople(db: Database): People {
  return {
    async listKnownPhotos() {
      const [rows] = await db.query<Row[]>(
        `SELECT pi.image_name, pi.file_size, pi.file_mtime_ms, LOWER(HEX(pi.content_hash)) AS content_hash, pi.failure,
                pi.quality, CONCAT_WS(' ', pi.model, (SELECT GROUP_CONCAT(rd.model SEPARATOR ' ')
                   FROM reference_descriptors rd WHERE rd.person_image_id = pi.id AND rd.descriptor IS NOT NULL
                    AND rd.base_crc = CRC32(pi.descriptor))) AS models
           FROM person_images pi`,
      );
      return rows.map((row) => ({
        imageName: row.image_name,
        fileSize: row.file_size,
        fileMtimeMs: row.file_mtime_ms,
        contentHash: row.content_hash,
        models: row.models === '' ? [] : row.models.split(' '),
        failure: row.failure,
        quality: faceQualityFromColumn(row.quality),
      }));
    },

    recordKnownPhoto: (photo) =>
      db.transact(async (connection) => {
        const revision = await bumpRevision(connection);
        if (await isRefused(connection, photo.contentHash)) return false;
        const [known] = await connection.query<Row[]>('SELECT person_id FROM person_images WHERE image_name = ?', [
          photo.imageName,
        ]);
        await keepOtherVersion(connection, photo, revision);
        const personId: number = known[0]?.person_id ?? (await findOrMakePerson(connection, photo.personName, FOLDER));
        await connection.query(
          `INSERT INTO person_images
             (image_name, person_id, descriptor, model, file_size, file_mtime_ms, content_hash, failure, quality, revision)
           VALUES (?, ?, ?, ?, ?, ?, UNHEX(?), ?, ?, ?)
           ON DUPLICATE KEY UPDATE descriptor = VALUES(descriptor), model = VALUES(model),
             file_size = VALUES(file_size), file_mtime_ms = VALUES(file_mtime_ms),
             content_hash = VALUES(content_hash), failure = VALUES(failure), quality = VALUES(quality),
             revision = VALUES(revision)`,
          [
            photo.imageName,
            personId,
            photo.descriptor && descriptorToBytes(photo.descriptor),
            photo.model,
            photo.fileSize,
            Math.trunc(photo.fileMtimeMs),
            photo.contentHash,
            photo.failure?.slice(0, 512) ?? null,
            faceQualityToColumn(photo.quality),
            revision,
          ],
        );
        if (photo.descriptor !== null) await recordReference(connection, photo.imageName, personId);
        return true;
      }),

    async listRefusedHashes() {
      const [rows] = await db.query<Row[]>('SELECT LOWER(HEX(content_hash)) AS hash FROM refused_photos');
      return rows.map((row) => row.hash);
    },

    async touchKnownPhoto(imageName, file) {
      await db.query('UPDATE person_images SET file_size = ?, file_mtime_ms = ? WHERE image_name = ?', [
        file.fileSize,
        Math.trunc(file.fileMtimeMs),
        imageName,
      ]);
    },

    async findPersonByImage(imageName) {
      const [rows] = await db.query<Row[]>(
        `select person.name, person.id from person inner join person_images as pi
           on person.id = pi.person_id where image_name = ?`,
        [imageName],
      );
      return rows[0] ? { id: rows[0].id, name: rows[0].name } : null;
    },
  };
}

/** Photos in the folder of known people are enrolled by whoever puts them there. */
const FOLDER = systemActor('folder');

async function recordReference(connection: Queryable, imageName: string, personId: number): Promise<void> {
  const [rows] = await connection.query<Row[]>('SELECT id FROM person_images WHERE image_name = ?', [imageName]);
  const details = { reference: rows[0]?.id, source: 'folder' };
  await recordAudit(connection, FOLDER, { action: 'reference.added', personId, details });
}

async function isRefused(connection: Queryable, contentHash: string | null): Promise<boolean> {
  const [rows] = await connection.query<Row[]>('SELECT 1 FROM refused_photos WHERE content_hash = UNHEX(?)', [
    contentHash,
  ]);
  return rows.length > 0;
}

/** The id of the person of a name, made where there is none; the row is locked. */
export async function findOrMakePerson(
  connection: Queryable,
  name: string,
  actor: Pick<Actor, 'caller' | 'requestId'>,
): Promise<number> {
  const [made] = await connection.query<WriteResult>('INSERT IGNORE INTO person (name) VALUES (?)', [name]);
  // Read back by the unique key: insertId says nothing reliable about a row that was there already. FOR UPDATE reads
  // what is committed now, not the transaction's older snapshot, in which another starter's person may be missing.
  const [rows] = await connection.query<Row[]>('SELECT id FROM person WHERE name = ? FOR UPDATE', [name]);
  const row = rows[0];
  if (row === undefined) throw new Error(`The person ${name} was removed while a photo of theirs was being enrolled.`);
  if (made.affectedRows === 1) await recordAudit(connection, actor, { action: 'person.added', personId: row.id });
  return row.id;
}
