import { type Database, descriptorFromBytes, type Queryable, type Row } from './database.ts';
import { faceQualityFromColumn } from './face-quality.ts';
import type { BoundingBox, Candidate, Face } from './images.ts';
import { boxOf, FACE_COLUMNS, FACE_TABLES, readCandidatesOf, toFace } from './read-faces.ts';
import { rewriteDecisions } from './rewrite-decisions.ts';
import type { StoredCandidate } from './stored-candidates.ts';

export type { StoredCandidate } from './stored-candidates.ts';

/** What deciding again needs to know of a face. */
export interface StoredProbe {
  readonly faceId: number;
  /** 128 floats. */
  readonly descriptor: Float32Array;
  /** What speaks against the face; a poor one must be nearer. */
  readonly qualityReasons: readonly string[];
  /** `user` with a person: pin that person. `user` without: a person said that it is nobody, so leave the probe out. */
  readonly decidedBy: 'gallery' | 'user';
  readonly personId: number | null;
}

export interface ImageProbes {
  /** Of all the descriptors. */
  readonly model: string;
  /** Largest face first. */
  readonly probes: readonly StoredProbe[];
}

/** How a face was decided, as it is stored. Of a face that a person has decided only the candidates are. */
export interface FaceDecision {
  readonly personId: number | null;
  readonly personImageId: number | null;
  /** Euclidean: of the match; without one, to the nearest known face; null when the gallery is empty. */
  readonly distance: number | null;
  readonly threshold: number;
  /** Nearest first, at most MAX_CANDIDATES. */
  readonly candidates: readonly StoredCandidate[];
}

/** Everything that is known of a face: why it has its name, or none. */
export interface FaceDetail extends Face {
  readonly imageId: number;
  /** Nearest first; null when the face was decided before candidates were kept. */
  readonly candidates: readonly Candidate[] | null;
  /** When its descriptor and name were erased at a person's wish. */
  readonly erasedAt: Date | null;
}

/** Where a face can be seen. */
export interface FacePhoto {
  readonly path: string;
  readonly box: BoundingBox | null;
  /** Pixels of the photo when it was looked at, after EXIF rotation. */
  readonly width: number | null;
  readonly height: number | null;
}

export interface Faces {
  findFace(id: number): Promise<FaceDetail | null>;
  findFacePhoto(id: number): Promise<FacePhoto | null>;
  /**
   * The stored faces of images. Faces without a descriptor (erased, or seen by a reference recognizer) are left out, and
   * so are images that have no others: rewrite those with no decisions, which clears their mark.
   */
  readProbes(imageIds: readonly number[]): Promise<Map<number, ImageProbes>>;
  /**
   * Writes the decisions of images' faces and their summaries, and clears `images.rematch`. Call it in a transaction.
   *
   * Of an image where they contradict the rows as they are now nothing is written: a face was named or un-named by a
   * person since, a person or reference is gone or moved, the faces are others, or a newer revision has been written. Such
   * an image stays, or becomes, marked, so that it is decided again.
   *
   * @param decided by the image's id, then by the face's; of faces that a person has named too: for their candidates
   * @returns the images where the person of any face, or of the image, is another one now
   */
  rewriteDecisions(
    connection: Queryable,
    model: string,
    galleryRevision: number,
    decided: ReadonlyMap<number, ReadonlyMap<number, FaceDecision>>,
  ): Promise<number[]>;
}

export function openFaces(db: Database): Faces {
  return {
    async findFace(id) {
      const [rows] = await db.query<Row[]>(`SELECT ${FACE_COLUMNS}, f.erased_at FROM ${FACE_TABLES} WHERE f.id = ?`, [
        id,
      ]);
      const [row] = rows;
      if (row === undefined) return null;
      const candidates = (await readCandidatesOf(db, row.image_id)).get(id) ?? null;
      return { ...toFace(row), imageId: row.image_id, candidates, erasedAt: row.erased_at };
    },

    async findFacePhoto(id) {
      const [rows] = await db.query<Row[]>(
        `SELECT i.path, i.width, i.height, f.box_left, f.box_top, f.box_width, f.box_height
           FROM faces f JOIN images i ON i.id = f.image_id WHERE f.id = ?`,
        [id],
      );
      const [row] = rows;
      return row === undefined ? null : { path: row.path, box: boxOf(row), width: row.width, height: row.height };
    },

    readProbes: (imageIds) => readProbes(db, imageIds),
    rewriteDecisions,
  };
}

async function readProbes(db: Queryable, imageIds: readonly number[]): Promise<Map<number, ImageProbes>> {
  const found = new Map<number, { model: string; probes: StoredProbe[] }>();
  if (imageIds.length === 0) return found;
  const [rows] = await db.query<Row[]>(
    `SELECT id, image_id, descriptor, model, quality, decided_by, person_id FROM faces
      WHERE image_id IN (?) AND descriptor IS NOT NULL AND model IS NOT NULL ORDER BY image_id, face_index`,
    [imageIds],
  );
  for (const row of rows) {
    const image = found.get(row.image_id) ?? { model: row.model as string, probes: [] as StoredProbe[] };
    found.set(row.image_id, image);
    image.probes.push({
      faceId: row.id,
      descriptor: descriptorFromBytes(row.descriptor),
      qualityReasons: faceQualityFromColumn(row.quality)?.reasons ?? [],
      decidedBy: row.decided_by,
      personId: row.person_id,
    });
  }
  return found;
}
