import { type Database, descriptorFromBytes, type Queryable, type Row } from './database.ts';
import { referencesIn } from './descriptor-versions.ts';

/** A face that probes are compared to. */
export interface GalleryEntry {
  readonly personImageId: number;
  readonly personId: number;
  readonly personName: string;
  readonly imageName: string;
  /** 128 floats. */
  readonly descriptor: Float32Array;
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

/** Known faces as the database has them: whoever keeps them in memory follows their changes. */
export interface StoredGallery {
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
}

export function openStoredGallery(db: Database): StoredGallery {
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
  };
}

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

async function readRevision(db: Queryable): Promise<number> {
  const [rows] = await db.query<Row[]>('SELECT revision FROM gallery WHERE id = 1');
  return rows[0]?.revision ?? 0;
}

/** More changes than this are not worth reading in one go. */
const MAX_CHANGES = 5_000;

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
