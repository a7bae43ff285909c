import { type Database, descriptorToBytes, type Queryable, type Row, type WriteResult } from './database.ts';
import { chunksOf, type Outbox, openOutbox } from './outbox.ts';
import type { Person } from './people.ts';
import { readImages } from './read-images.ts';

/** pending is the only state that is not an outcome; there is no 'processing' that could get stuck. */
export const IMAGE_STATUSES = ['pending', 'matched', 'unknown', 'no_face', 'unreadable', 'failed'] as const;
export type ImageStatus = (typeof IMAGE_STATUSES)[number];

/** Ratios 0..1 of the picture's width and height, origin top-left, after EXIF rotation. */
export interface BoundingBox {
  readonly left: number;
  readonly top: number;
  readonly width: number;
  readonly height: number;
}

export interface AcceptedImage {
  readonly id: number;
  readonly path: string;
  readonly status: ImageStatus;
  /** Whether the queue has taken the id already. */
  readonly enqueued: boolean;
}

export interface Face {
  readonly id: number;
  readonly box: BoundingBox | null;
  /** 0..1: is it a face? */
  readonly confidence: number | null;
  readonly person: Person | null;
  /** 0..1 of the match; null when the face is not known. */
  readonly similarity: number | null;
  /** Euclidean distance to the nearest known face, matched or not. */
  readonly distance: number | null;
  /** The known photo that was nearest, when the face matched. */
  readonly referenceImage: string | null;
}

export interface Image {
  readonly id: number;
  readonly path: string;
  readonly status: ImageStatus;
  /** Of the best match among the faces. */
  readonly person: Person | null;
  readonly similarity: number | null;
  readonly reason: { readonly code: string; readonly message: string } | null;
  /** Pixels, after EXIF rotation. */
  readonly width: number | null;
  readonly height: number | null;
  readonly createdAt: Date;
  readonly finishedAt: Date | null;
  /** Largest first. */
  readonly faces: readonly Face[];
}

/** A face as the recognizer saw it. */
export interface SeenFace {
  /** Null, like confidence and descriptor, where a reference recognizer answered with a name only. */
  readonly box: BoundingBox | null;
  readonly confidence: number | null;
  readonly descriptor: readonly number[] | null;
  readonly model: string | null;
  readonly personId: number | null;
  readonly personImageId: number | null;
  readonly distance: number | null;
  readonly threshold: number | null;
  readonly galleryRevision: number | null;
}

export type Outcome =
  | {
      readonly status: 'matched' | 'unknown' | 'no_face';
      /** Of the best match among the faces; null unless matched. */
      readonly personId: number | null;
      readonly width: number | null;
      readonly height: number | null;
      readonly faces: readonly SeenFace[];
    }
  | { readonly status: 'unreadable' | 'failed'; readonly code: string; readonly message: string };

export interface Images extends Outbox {
  /**
   * Makes a pending row for each path that has none yet, in bulk.
   *
   * @param paths normalised and distinct
   * @returns one image for each path, in the order of `paths`
   */
  addImages(paths: readonly string[]): Promise<AcceptedImage[]>;
  /** What a worker needs to know; null when the image was deleted. */
  findWork(id: number): Promise<{ path: string; status: ImageStatus } | null>;
  /**
   * Writes the outcome of a pending image with its faces, in one transaction.
   *
   * @returns false when the image is gone or already has an outcome: a redelivered message changes nothing
   */
  recordOutcome(id: number, outcome: Outcome): Promise<boolean>;
  findImage(id: number): Promise<Image | null>;
  /** Newest first. @param options.before only images with a smaller id */
  listImages(options: { status?: ImageStatus; before?: number; limit: number }): Promise<Image[]>;
  /** How many images there are in each status, zeros included. */
  countByStatus(): Promise<Record<ImageStatus, number>>;
}

export function openImages(db: Database): Images {
  return {
    async addImages(paths) {
      const known = await findByPaths(db, paths);
      const missing = paths.filter((path) => !known.has(path));
      for (const some of chunksOf(missing)) {
        // Another request may have added the same path in between; its row is as good as ours.
        await db.transact((connection) =>
          connection.query('INSERT INTO images (path) VALUES ? ON DUPLICATE KEY UPDATE path = VALUES(path)', [
            some.map((path) => [path]),
          ]),
        );
      }
      // Ids are read back by the path: those of a multi-row insert do not follow from insertId.
      for (const [path, image] of await findByPaths(db, missing)) known.set(path, image);
      return paths.map((path) => {
        const image = known.get(path);
        if (image === undefined) throw new Error(`The image ${path} was deleted while it was being added.`);
        return image;
      });
    },

    ...openOutbox(db, 'images'),

    async findWork(id) {
      const [rows] = await db.query<Row[]>('SELECT path, status FROM images WHERE id = ?', [id]);
      return rows[0] ? { path: rows[0].path, status: rows[0].status } : null;
    },

    recordOutcome: (id, outcome) => db.transact((connection) => writeOutcome(connection, id, outcome)),

    async findImage(id) {
      const [image] = await readImages(db, 'WHERE i.id = ?', [id]);
      return image ?? null;
    },

    listImages({ status, before, limit }) {
      const conditions = ['1 = 1'];
      const values: (string | number)[] = [];
      if (status !== undefined) {
        conditions.push('i.status = ?');
        values.push(status);
      }
      if (before !== undefined) {
        conditions.push('i.id < ?');
        values.push(before);
      }
      return readImages(db, `WHERE ${conditions.join(' AND ')} ORDER BY i.id DESC LIMIT ?`, [...values, limit]);
    },

    async countByStatus() {
      const counts = Object.fromEntries(IMAGE_STATUSES.map((status) => [status, 0])) as Record<ImageStatus, number>;
      const [rows] = await db.query<Row[]>('SELECT status, COUNT(*) AS count FROM images GROUP BY status');
      for (const row of rows) counts[row.status as ImageStatus] = row.count;
      return counts;
    },
  };
}

async function findByPaths(db: Queryable, paths: readonly string[]): Promise<Map<string, AcceptedImage>> {
  const found = new Map<string, AcceptedImage>();
  for (const some of chunksOf(paths)) {
    const hashes = some.map(() => 'UNHEX(SHA2(?, 256))').join(', ');
    const [rows] = await db.query<Row[]>(
      `SELECT id, path, status, enqueued_at IS NOT NULL AS enqueued FROM images WHERE path_hash IN (${hashes})`,
      [...some],
    );
    for (const { id, path, status, enqueued } of rows) found.set(path, { id, path, status, enqueued: enqueued === 1 });
  }
  return found;
}

async function writeOutcome(connection: Queryable, id: number, outcome: Outcome): Promise<boolean> {
  const seen = 'faces' in outcome;
  const [updated] = await connection.query<WriteResult>(
    `UPDATE images
        SET status = ?, person = ?, width = ?, height = ?, reason_code = ?, reason = ?,
            finished_at = CURRENT_TIMESTAMP(3)
      WHERE id = ? AND status = 'pending'`,
    seen
      ? [outcome.status, outcome.personId, outcome.width, outcome.height, null, null, id]
      : [outcome.status, null, null, null, outcome.code, outcome.message.slice(0, 512), id],
  );
  if (updated.affectedRows === 0) return false;
  if (seen && outcome.faces.length > 0) {
    await connection.query(
      `INSERT INTO faces (image_id, face_index, box_left, box_top, box_width, box_height, confidence, descriptor, model,
         person_id, person_image_id, distance, threshold, gallery_revision) VALUES ?`,
      [
        outcome.faces.map((face, index) => [
          id,
          index,
          face.box?.left ?? null,
          face.box?.top ?? null,
          face.box?.width ?? null,
          face.box?.height ?? null,
          face.confidence,
          face.descriptor && descriptorToBytes(face.descriptor),
          face.model,
          face.personId,
          face.personImageId,
          face.distance,
          face.threshold,
          face.galleryRevision,
        ]),
      ],
    );
  }
  return true;
}
