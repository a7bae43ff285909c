import { countImages } from './count-images.ts';
import { type Database, descriptorToBytes, type Queryable, type Row, type WriteResult } from './database.ts';
import { type FaceQuality, faceQualityToColumn } from './face-quality.ts';
import { indexPaths, indexWaitingPaths } from './index-paths.ts';
import { listImagesByPath, type PathList, type PathQuery } from './list-by-path.ts';
import { type Folders, listFolders } from './list-folders.ts';
import { type ImageList, type ImageQuery, listImages } from './list-images.ts';
import { chunksOf, type Outbox, openOutbox } from './outbox.ts';
import type { Person } from './people.ts';
import { readCandidatesOf } from './read-faces.ts';
import { readImages } from './read-images.ts';
import { retryAtSql } from './retry.ts';
import { type StoredCandidate, storedCandidatesToColumn } from './stored-candidates.ts';
import { noteWebhookEvents } from './webhook-events.ts';

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
  /** How often it has been put back to pending. */
  readonly attempt: number;
}

/** What a worker needs to know of an image. */
export interface Work {
  readonly path: string;
  readonly status: ImageStatus;
  /** How often it has been put back to pending. */
  readonly attempt: number;
  /** Since it was accepted, ms, by the database's clock. */
  readonly ageMs: number;
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
  /** Null where nobody has judged it: faces of earlier versions and of reference recognizers. */
  readonly quality: FaceQuality | null;
  /** user: a person said so, and nothing else changes it. */
  readonly decidedBy: 'gallery' | 'user';
  /** The largest distance that counted as a match. Null, like the next two, where a reference recognizer answered. */
  readonly threshold: number | null;
  /** The descriptor space. */
  readonly model: string | null;
  /** The state of the gallery that the face was compared to. */
  readonly galleryRevision: number | null;
  /** Nearest first; null when the face was decided before they were kept. Absent in lists of images. */
  readonly candidates?: readonly Candidate[] | null;
}

/** A person that a face might be of. */
export interface Candidate {
  readonly person: Person;
  /** Euclidean, to the nearest known photo of the person. */
  readonly distance: number;
  /** 0..1 */
  readonly similarity: number;
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
  /** Of what has failed: when it is tried again by itself; null: not any more. */
  readonly retryAt: Date | null;
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
  /** The largest distance that counted as a match for this face. */
  readonly threshold: number | null;
  readonly quality: FaceQuality | null;
  readonly galleryRevision: number | null;
  /** Nearest first; null where a reference recognizer answered. */
  readonly candidates: readonly StoredCandidate[] | null;
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
  findWork(id: number): Promise<Work | null>;
  /**
   * Writes the outcome of a pending image with its faces, in one transaction. Marks the image for the rematch job when
   * the gallery has changed since the recognizer looked at it.
   *
   * @returns false when the image is gone or already has an outcome: a redelivered message changes nothing
   */
  recordOutcome(id: number, outcome: Outcome): Promise<boolean>;
  /** With the candidates of its faces. */
  findImage(id: number): Promise<Image | null>;
  listImages(query: ImageQuery): Promise<ImageList>;
  listImagesByPath(query: PathQuery): Promise<PathList>;
  /** See lib/list-folders.ts. */
  listFolders(query: { readonly start: string; readonly limit: number }): Promise<Folders>;
  /** Makes paths findable that were added without; returns how many, 0 when all are. See lib/index-paths.ts. */
  indexWaitingPaths(): Promise<number>;
  /** How many images there are in each status, zeros included; of very many, some seconds ago (lib/count-images.ts). */
  countByStatus(): Promise<Record<ImageStatus, number>>;
}

/** @param options.retryScheduleMs what is recorded as failed is tried again after so long, step by step; empty: by hand only */
export function openImages(db: Database, options: { readonly retryScheduleMs?: readonly number[] } = {}): Images {
  const { retryScheduleMs = [] } = options;
  return {
    async addImages(paths) {
      const known = await findByPaths(db, paths);
      const missing = paths.filter((path) => !known.has(path));
      for (const some of chunksOf(missing)) {
        const added = await db.transact((connection) => insertImages(connection, some));
        for (const [path, image] of added) known.set(path, image);
      }
      return paths.map((path) => {
        const image = known.get(path);
        if (image === undefined) throw new Error(`The image ${path} was deleted while it was being added.`);
        return image;
      });
    },

    ...openOutbox(db, 'images'),

    async findWork(id) {
      const [rows] = await db.query<Row[]>(
        `SELECT path, status, attempt, TIMESTAMPDIFF(MICROSECOND, created_at, CURRENT_TIMESTAMP(3)) / 1000 AS age_ms
           FROM images WHERE id = ?`,
        [id],
      );
      if (rows[0] === undefined) return null;
      const { path, status, attempt, age_ms } = rows[0];
      return { path, status, attempt, ageMs: Number(age_ms) };
    },

    recordOutcome: (id, outcome) => db.transact((connection) => writeOutcome(connection, id, outcome, retryScheduleMs)),

    async findImage(id) {
      const [image] = await readImages(db, 'WHERE i.id = ?', [id]);
      if (image === undefined) return null;
      const candidates = await readCandidatesOf(db, id);
      return {
        ...image,
        faces: image.faces.map((face) => ({ ...face, candidates: candidates.get(face.id) ?? null })),
      };
    },

    listImages: (query) => listImages(db, query),
    listImagesByPath: (query) => listImagesByPath(db, query),
    listFolders: (query) => listFolders(db, query),
    indexWaitingPaths: () => indexWaitingPaths(db),
    countByStatus: countImages(db, IMAGE_STATUSES),
  };
}

async function insertImages(connection: Queryable, paths: readonly string[]): Promise<Map<string, AcceptedImage>> {
  // Another request may have added the same path in between; its row is as good as ours.
  await connection.query(
    'INSERT INTO images (path, path_indexed) VALUES ? ON DUPLICATE KEY UPDATE path = VALUES(path)',
    [paths.map((path) => [path, 1])],
  );
  // Ids are read back by the path: those of a multi-row insert do not follow from insertId.
  const added = await findByPaths(connection, paths);
  await indexPaths(connection, [...added.values()]);
  return added;
}

async function findByPaths(db: Queryable, paths: readonly string[]): Promise<Map<string, AcceptedImage>> {
  const found = new Map<string, AcceptedImage>();
  for (const some of chunksOf(paths)) {
    const hashes = some.map(() => 'UNHEX(SHA2(?, 256))').join(', ');
    const [rows] = await db.query<Row[]>(
      `SELECT id, path, status, attempt, enqueued_at IS NOT NULL AS enqueued FROM images WHERE path_hash IN (${hashes})`,
      [...some],
    );
    for (const { id, path, status, attempt, enqueued } of rows)
      found.set(path, { id, path, status, attempt, enqueued: enqueued === 1 });
  }
  return found;
}

async function writeOutcome(
  connection: Queryable,
  id: number,
  outcome: Outcome,
  retryScheduleMs: readonly number[],
): Promise<boolean> {
  const retryAt = retryAtSql(outcome.status === 'failed' ? retryScheduleMs : []);
  const seen = 'faces' in outcome;
  const { isOutOfDate, hasListeners } = await lockGallery(connection, seen ? outcome.faces : []);
  const rematch = isOutOfDate ? 1 : 0;
  const [updated] = await connection.query<WriteResult>(
    `UPDATE images
        SET status = ?, person = ?, width = ?, height = ?, reason_code = ?, reason = ?,
            rematch = ?, finished_at = CURRENT_TIMESTAMP(3), retry_at = ${retryAt.sql}
      WHERE id = ? AND status = 'pending'`,
    seen
      ? [outcome.status, outcome.personId, outcome.width, outcome.height, null, null, rematch, id]
      : [
          ...[outcome.status, null, null, null, outcome.code, outcome.message.slice(0, 512), rematch],
          ...[...retryAt.values, id],
        ],
  );
  if (updated.affectedRows === 0) return false;
  if (seen && outcome.faces.length > 0) {
    await connection.query(
      `INSERT INTO faces (image_id, face_index, box_left, box_top, box_width, box_height, confidence, descriptor, model,
         person_id, person_image_id, distance, threshold, gallery_revision, quality, candidates) VALUES ?`,
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
          faceQualityToColumn(face.quality),
          storedCandidatesToColumn(face.candidates),
        ]),
      ],
    );
  }
  if (hasListeners) {
    await noteWebhookEvents(connection, [{ kind: 'image.finished', imageId: id, status: outcome.status }]);
  }
  return true;
}

/**
 * Whether the gallery is newer than what these faces were compared to. Its row is locked until the outcome is there: a
 * change is either seen here, or whoever makes it sees the faces. First of all, as everywhere, so that nobody deadlocks.
 *
 * The same statement tells whether there are webhooks, and locks none: most systems have none, and each round trip that an
 * outcome takes costs half a millisecond here and in the database.
 */
async function lockGallery(
  connection: Queryable,
  faces: readonly SeenFace[],
): Promise<{ isOutOfDate: boolean; hasListeners: boolean }> {
  // 0 and null: compared to no gallery in this database.
  const seen = faces.flatMap((face) => (face.descriptor && face.galleryRevision) || []);
  if (seen.length === 0) return { isOutOfDate: false, hasListeners: true };
  const [rows] = await connection.query<Row[]>(
    'SELECT revision, EXISTS (SELECT id FROM webhooks) AS has_webhooks FROM gallery WHERE id = 1 LOCK IN SHARE MODE',
  );
  const gallery = rows[0];
  return { isOutOfDate: Math.min(...seen) < (gallery?.revision ?? 0), hasListeners: gallery?.has_webhooks !== 0 };
}
