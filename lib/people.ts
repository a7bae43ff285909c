import { type Database, descriptorFromBytes, descriptorToBytes, type Queryable, type Row } from './database.ts';
import { type FaceQuality, faceQualityFromColumn, faceQualityToColumn } from './face-quality.ts';

/** A face that probes are compared to. */
export interface GalleryEntry {
  readonly personImageId: number;
  readonly personId: number;
  readonly personName: string;
  readonly imageName: string;
  /** 128 floats. */
  readonly descriptor: Float32Array;
}

/** A row of `person_images`, with what its descriptor was computed from. */
export interface KnownPhoto {
  readonly imageName: string;
  /** Bytes; null when the photo has never been looked at. */
  readonly fileSize: number | null;
  readonly fileMtimeMs: number | null;
  /** SHA-256, hex. */
  readonly contentHash: string | null;
  readonly model: string | null;
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
  /** Counts every change of the gallery. */
  galleryRevision(): Promise<number>;
  /** Every known face of one model. The revision is read first, so that it is never newer than the entries. */
  loadGallery(model: string): Promise<{ revision: number; entries: GalleryEntry[] }>;
  listKnownPhotos(): Promise<KnownPhoto[]>;
  /** Inserts or replaces what is known of a photo; its person is found by name, or made, where the photo is new. */
  recordKnownPhoto(photo: EncodedPhoto): Promise<void>;
  /** The content is what it was, the file's times are not. */
  touchKnownPhoto(imageName: string, file: { fileSize: number; fileMtimeMs: number }): Promise<void>;
  /** Whose photo this is, as the reference system asks it. */
  findPersonByImage(imageName: string): Promise<Person | null>;
}

export function openPeople(db: Database): People {
  return {
    galleryRevision: () => readRevision(db),

    async loadGallery(model) {
      const revision = await readRevision(db);
      const [rows] = await db.query<Row[]>(
        `SELECT pi.id, pi.person_id, p.name, pi.image_name, pi.descriptor
           FROM person_images pi JOIN person p ON p.id = pi.person_id
          WHERE pi.model = ? AND pi.descriptor IS NOT NULL
          ORDER BY pi.id`,
        [model],
      );
      const entries = rows.map((row) => ({
        personImageId: row.id,
        personId: row.person_id,
        personName: row.name,
        imageName: row.image_name,
        descriptor: descriptorFromBytes(row.descriptor),
      }));
      return { revision, entries };
    },

    async listKnownPhotos() {
      const [rows] = await db.query<Row[]>(
        `SELECT image_name, file_size, file_mtime_ms, LOWER(HEX(content_hash)) AS content_hash, model, failure, quality
           FROM person_images`,
      );
      return rows.map((row) => ({
        imageName: row.image_name,
        fileSize: row.file_size,
        fileMtimeMs: row.file_mtime_ms,
        contentHash: row.content_hash,
        model: row.model,
        failure: row.failure,
        quality: faceQualityFromColumn(row.quality),
      }));
    },

    recordKnownPhoto: (photo) =>
      db.transact(async (connection) => {
        const [known] = await connection.query<Row[]>('SELECT person_id FROM person_images WHERE image_name = ?', [
          photo.imageName,
        ]);
        const personId: number = known[0]?.person_id ?? (await findOrMakePerson(connection, photo.personName));
        await connection.query(
          `INSERT INTO person_images
             (image_name, person_id, descriptor, model, file_size, file_mtime_ms, content_hash, failure, quality)
           VALUES (?, ?, ?, ?, ?, ?, UNHEX(?), ?, ?)
           ON DUPLICATE KEY UPDATE descriptor = VALUES(descriptor), model = VALUES(model),
             file_size = VALUES(file_size), file_mtime_ms = VALUES(file_mtime_ms),
             content_hash = VALUES(content_hash), failure = VALUES(failure), quality = VALUES(quality)`,
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
          ],
        );
        await connection.query('UPDATE gallery SET revision = revision + 1 WHERE id = 1');
      }),

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

/**
 * Counts a change of the gallery, and gives the revision to stamp on what changes. It must be a transaction's first
 * statement: the row's lock then lets revisions commit in order, and whoever writes about people does so one after the
 * other, each seeing all that was written before.
 */
export async function bumpRevision(connection: Queryable): Promise<number> {
  await connection.query('UPDATE gallery SET revision = revision + 1 WHERE id = 1');
  return readRevision(connection);
}

async function readRevision(db: Queryable): Promise<number> {
  const [rows] = await db.query<Row[]>('SELECT revision FROM gallery WHERE id = 1');
  return rows[0]?.revision ?? 0;
}

/** The id of the person of a name, made where there is none; the row is locked. */
export async function findOrMakePerson(connection: Queryable, name: string): Promise<number> {
  await connection.query('INSERT INTO person (name) VALUES (?) ON DUPLICATE KEY UPDATE name = VALUES(name)', [name]);
  // Read back by the unique key: insertId says nothing reliable about a row that was there already. FOR UPDATE reads
  // what is committed now, not the transaction's older snapshot, in which another starter's person may be missing.
  const [rows] = await connection.query<Row[]>('SELECT id FROM person WHERE name = ? FOR UPDATE', [name]);
  const row = rows[0];
  if (row === undefined) throw new Error(`The person ${name} was removed while a photo of theirs was being enrolled.`);
  return row.id;
}
