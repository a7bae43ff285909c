import { type Actor, recordAudit, systemActor } from './audit.ts';
import {
  type Database,
  descriptorFromBytes,
  descriptorToBytes,
  type Queryable,
  type Row,
  type WriteResult,
} from './database.ts';
import { keepOtherVersion, referencesIn } from './descriptor-versions.ts';
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

export interface GalleryChanges {
  readonly revision: number;
  readonly changed: readonly GalleryEntry[];
  /** `personImageId`s of faces that are not known any more, or not in this model; they may never have been. */
  readonly removedIds: readonly number[];
  /** False when these are not all changes: too many, or made by somebody who did not mark them. Then read everything. */
  readonly complete: boolean;
}

export interface GalleryDigest {
  readonly size: number;
  readonly digest: number;
}

export interface Person {
  readonly id: number;
  readonly name: string;
}

export interface People {
  /** Counts every change of the gallery. */
  galleryRevision(): Promise<number>;
  /** Known faces of one model by ascending id, from after `after` on; at most `limit`. */
  loadGalleryPage(model: string, options: { after: number; limit: number }): Promise<GalleryEntry[]>;
  /** What has changed since a revision. */
  loadGalleryChanges(model: string, after: number): Promise<GalleryChanges>;
  /**
   * Says whether a gallery in memory is what the database holds, by a digest over every known face: it finds also what
   * plain SQL has changed, which counts no revision up. It reads the whole table, once.
   *
   * @param catchUp brings the memory to the state of the changes that `read` returns, and says its size and digest (the
   *   CRC-32 of each face's `id/person id/image name/person name/descriptor bytes`, all of them XORed); null gives up
   * @returns null when `catchUp` gave up
   */
  compareGallery(
    model: string,
    catchUp: (read: (after: number) => Promise<GalleryChanges>) => Promise<GalleryDigest | null>,
  ): Promise<boolean | null>;
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
    galleryRevision: () => readRevision(db),

    async loadGalleryPage(model, { after, limit }) {
      const { tables, descriptor } = referencesIn(model);
      const [rows] = await db.query<Row[]>(
        `SELECT pi.id, pi.person_id, p.name, pi.image_name, ${descriptor} AS descriptor
           FROM ${tables} JOIN person p ON p.id = pi.person_id
          WHERE pi.id > ? AND ${descriptor} IS NOT NULL
          ORDER BY pi.id LIMIT ?`,
        [after, limit],
      );
      return rows.map(toGalleryEntry);
    },

    loadGalleryChanges: (model, after) => db.transact((connection) => readChanges(connection, model, after)),

    compareGallery: (model, catchUp) =>
      db.transact(async (connection) => {
        // REPEATABLE READ, the default: the changes and the digest are of one state, however long both take.
        const memory = await catchUp((after) => readChanges(connection, model, after));
        if (memory === null) return null;
        const { tables, descriptor } = referencesIn(model);
        const [rows] = await connection.query<Row[]>(
          `SELECT COUNT(*) AS size, BIT_XOR(CRC32(CONCAT(
                    CONCAT_WS('/', pi.id, pi.person_id, pi.image_name, p.name, ''), ${descriptor}))) AS digest
             FROM ${tables} JOIN person p ON p.id = pi.person_id
            WHERE ${descriptor} IS NOT NULL`,
        );
        return Number(rows[0]?.size) === memory.size && Number(rows[0]?.digest) === memory.digest;
      }),

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

/** More changes than this are not worth reading in one go. */
const MAX_CHANGES = 5_000;

/**
 * Counts the gallery's revision up, in the transaction that changes the gallery, before anything else in it.
 *
 * Every writer does so: the lock on that row makes writers commit in the order of their revisions, so that whoever has
 * read revision 7 has seen everything up to 7, and whoever writes about people does so one after the other. (On Galera,
 * where rows are not locked on other nodes, the second of two writers is refused with 1213 and starts again.) The writer
 * then marks whatever it changes of the known faces: it sets `person_images.revision` of each row that it adds or changes,
 * of all rows of a person whom it renames, and puts each row that it deletes into `gallery_removals`.
 *
 * This is the one order in which rows are locked: gallery, enrolments, person (ascending), person_images, faces, images.
 * The two writers that do not count (outcomes of images, the rematch job) lock faces and images only; where they meet
 * another's person all the same, the deadlock (1213) has one of the two start over.
 *
 * @returns the new revision
 */
export async function bumpRevision(connection: Queryable): Promise<number> {
  await connection.query(
    `UPDATE gallery SET marked_from = IF(marked_revision = revision, marked_from, revision),
            marked_revision = revision + 1, revision = revision + 1 WHERE id = 1`,
  );
  return readRevision(connection);
}

async function readChanges(connection: Queryable, model: string, after: number): Promise<GalleryChanges> {
  const [[gallery]] = await connection.query<Row[]>(
    'SELECT revision, marked_revision, marked_from FROM gallery WHERE id = 1',
  );
  const revision: number = gallery?.revision ?? 0;
  if (revision === after) return { revision, changed: [], removedIds: [], complete: true };
  const { tables, descriptor } = referencesIn(model);
  const changedIn = (table: string) => `(SELECT pi.id, pi.person_id, p.name, pi.image_name, ${descriptor} AS descriptor
       FROM ${tables} JOIN person p ON p.id = pi.person_id
      WHERE ${table}.revision > ? ORDER BY ${table}.revision LIMIT ?)`;
  const [rows] = await connection.query<Row[]>(`${changedIn('pi')} UNION ${changedIn('rd')}`, [
    ...[after, MAX_CHANGES],
    ...[after, MAX_CHANGES],
  ]);
  const [removals] = await connection.query<Row[]>(
    'SELECT person_image_id, revision FROM gallery_removals WHERE revision > ? ORDER BY revision LIMIT ?',
    [after, MAX_CHANGES],
  );
  const isKnown = (row: Row) => row.descriptor !== null;
  const allMarked = gallery?.marked_revision === revision && gallery.marked_from <= after;
  return {
    revision,
    changed: rows.filter(isKnown).map(toGalleryEntry),
    removedIds: [
      ...removals.map((row): number => row.person_image_id),
      ...rows.filter((row) => !isKnown(row)).map((row): number => row.id),
    ],
    complete: allMarked && rows.length < MAX_CHANGES && removals.length < MAX_CHANGES,
  };
}

function toGalleryEntry(row: Row): GalleryEntry {
  return {
    personImageId: row.id,
    personId: row.person_id,
    personName: row.name,
    imageName: row.image_name,
    descriptor: descriptorFromBytes(row.descriptor),
  };
}

async function isRefused(connection: Queryable, contentHash: string | null): Promise<boolean> {
  const [rows] = await connection.query<Row[]>('SELECT 1 FROM refused_photos WHERE content_hash = UNHEX(?)', [
    contentHash,
  ]);
  return rows.length > 0;
}

async function readRevision(db: Queryable): Promise<number> {
  const [rows] = await db.query<Row[]>('SELECT revision FROM gallery WHERE id = 1');
  return rows[0]?.revision ?? 0;
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
