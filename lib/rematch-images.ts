import type { Queryable, Row, WriteResult } from './database.ts';
import { readJobState } from './jobs.ts';
import { storedCandidatesFrom } from './stored-candidates.ts';

/** What has changed in the gallery since a revision: as far as it can change whose stored faces are. */
export interface GalleryChanges {
  /** The revision that they lead to. */
  readonly target: number;
  /** Of references that are new, changed or moved, or belong to a changed person; those that can be compared. */
  readonly references: readonly { readonly model: string; readonly descriptor: Buffer }[];
  /** Changed and removed ones. */
  readonly referenceIds: ReadonlySet<number>;
  /** Whose threshold or rejections changed. */
  readonly personIds: ReadonlySet<number>;
  readonly thresholdChanged: boolean;
  /** The greatest id of any reference. */
  readonly lastReferenceId: number;
  /** Whoever made them has told what they changed, and it concerns no stored face: nothing above is to be looked for. */
  readonly concernNobody: boolean;
}

/** The job's row in the table `jobs`. */
export const REMATCH = 'rematch';

/** Whether the gallery has changed since stored faces were looked at last; false where nobody has ever done so. */
export async function isRematchWaiting(db: Queryable): Promise<boolean> {
  const state = (await readJobState(db, REMATCH)) as { doneRevision: number } | null;
  return state !== null && (await readGalleryRevision(db)) > state.doneRevision;
}

export async function readGalleryRevision(db: Queryable): Promise<number> {
  const [rows] = await db.query<Row[]>('SELECT revision FROM gallery WHERE id = 1');
  return rows[0]?.revision ?? 0;
}

/**
 * Reads what has changed. Call it in a transaction: everything must be of one moment.
 *
 * @param since what is newer than this revision counts
 * @param lastReferenceId references without a revision (made by hand, or by the version before) count when they are newer
 */
export async function readGalleryChanges(
  connection: Queryable,
  since: number,
  lastReferenceId: number,
): Promise<GalleryChanges> {
  const target = await readGalleryRevision(connection);
  const [gallery] = await connection.query<Row[]>(
    'SELECT threshold_revision, marked_revision, marked_from FROM gallery WHERE id = 1',
  );
  const [people] = await connection.query<Row[]>('SELECT id FROM person WHERE revision > ?', [since]);
  const [removed] = await connection.query<Row[]>('SELECT person_image_id FROM gallery_removals WHERE revision > ?', [
    since,
  ]);
  const columns = 'id, person_id, model, descriptor';
  const [changed] = await connection.query<Row[]>(
    `SELECT ${columns} FROM person_images WHERE revision > ?
      UNION SELECT ${columns} FROM person_images WHERE revision = 0 AND id > ?`,
    [since, lastReferenceId],
  );
  const personIds = people.map((row) => row.id as number);
  const [theirs] = personIds.length
    ? await connection.query<Row[]>(`SELECT ${columns} FROM person_images WHERE person_id IN (?)`, [personIds])
    : [[]];
  const rows = [...new Map([...changed, ...theirs].map((row) => [row.id, row])).values()];
  const [last] = await connection.query<Row[]>('SELECT MAX(id) AS id FROM person_images');
  const versions = await readVersions(connection, since, personIds);
  const referenceIds = new Set([
    ...[...changed, ...versions].map((row) => row.id),
    ...removed.map((row) => row.person_image_id),
  ]);
  const thresholdChanged = (gallery[0]?.threshold_revision ?? 0) > since;
  const allMarked = gallery[0]?.marked_revision === target && gallery[0].marked_from <= since;
  return {
    ...{ target, referenceIds, thresholdChanged },
    references: [...rows, ...versions].flatMap((row) =>
      row.descriptor ? { model: row.model, descriptor: row.descriptor } : [],
    ),
    personIds: new Set(personIds),
    lastReferenceId: last[0]?.id ?? 0,
    concernNobody: allMarked && referenceIds.size + personIds.length === 0 && !thresholdChanged,
  };
}

/**
 * The same references in the models that they are described by besides, where it has changed. Stored faces are of a model
 * that answers, or did: what is only being prepared concerns none of them.
 */
async function readVersions(connection: Queryable, since: number, personIds: readonly number[]): Promise<Row[]> {
  // From the few that have changed: there may be a million of a model.
  const changedBeside = `reference_descriptors rd FORCE INDEX (reference_descriptors_revision)
      STRAIGHT_JOIN person_images pi`;
  const changedThemselves = 'person_images pi STRAIGHT_JOIN reference_descriptors rd';
  const from = (tables: string) =>
    `SELECT pi.id, rd.model, rd.descriptor FROM ${tables}
         ON rd.person_image_id = pi.id AND rd.base_crc = CRC32(pi.descriptor) AND rd.descriptor IS NOT NULL
       JOIN models m ON m.name = rd.model AND m.activated_at IS NOT NULL`;
  const [changed] = await connection.query<Row[]>(
    `${from(changedBeside)} WHERE rd.revision > ? UNION ${from(changedThemselves)} WHERE pi.revision > ?`,
    [since, since],
  );
  if (personIds.length === 0) return changed;
  const [theirs] = await connection.query<Row[]>(`${from(changedThemselves)} WHERE pi.person_id IN (?)`, [personIds]);
  return [...changed, ...theirs];
}

/** A stored face, as far as finding out needs it whether a change concerns it. */
export interface StoredFace {
  readonly imageId: number;
  readonly model: string;
  /** 128 little-endian 32-bit floats, not aligned. */
  readonly descriptor: Buffer;
  readonly personId: number | null;
  /** Null also when the reference that the face matched is gone. */
  readonly personImageId: number | null;
  readonly decidedBy: 'gallery' | 'user';
  /** Null: decided before candidates were kept. */
  candidates(): { readonly personId: number; readonly personImageId: number }[] | null;
}

/** The greatest id of any face; 0 when there is none. */
export async function readLastFaceId(db: Queryable): Promise<number> {
  const [rows] = await db.query<Row[]>('SELECT MAX(id) AS id FROM faces');
  return rows[0]?.id ?? 0;
}

/**
 * A page of the faces that have a descriptor, newest first.
 *
 * @param upTo the greatest id that is wanted
 * @returns the id to go on with; null on the last page
 */
export async function readFacePage(
  db: Queryable,
  upTo: number,
  limit: number,
): Promise<{ faces: StoredFace[]; next: number | null }> {
  // Rows as arrays: a page is thousands of them.
  const sql = `SELECT id, image_id, model, descriptor, person_id, person_image_id, decided_by, candidates
      FROM faces WHERE id <= ? AND descriptor IS NOT NULL ORDER BY id DESC LIMIT ?`;
  const [rows] = await db.query<Row[][]>({ sql, values: [upTo, limit], rowsAsArray: true });
  const faces = (rows as unknown as FaceColumns[]).map(
    ([, imageId, model, descriptor, personId, personImageId, decidedBy, candidates]) => ({
      ...{ imageId, model, descriptor, personId, personImageId, decidedBy },
      candidates: () => (candidates === '[]' ? [] : storedCandidatesFrom(candidates)),
    }),
  );
  const last = (rows as unknown as FaceColumns[]).at(-1);
  return { faces, next: last === undefined || rows.length < limit ? null : last[0] - 1 };
}

type FaceColumns = [
  id: number,
  imageId: number,
  model: string,
  descriptor: Buffer,
  personId: number | null,
  personImageId: number | null,
  decidedBy: 'gallery' | 'user',
  candidates: unknown,
];

/** Only images that have been looked at: the others get their names when they are. */
const DECIDED = "status IN ('matched', 'unknown', 'no_face')";
const IDS_PER_STATEMENT = 1_000;

/** Says that the names in these images may be out of date. @returns how many were not marked before */
export async function markImages(connection: Queryable, imageIds: readonly number[]): Promise<number> {
  let marked = 0;
  for (let start = 0; start < imageIds.length; start += IDS_PER_STATEMENT) {
    const [result] = await connection.query<WriteResult>(
      `UPDATE images SET rematch = 1 WHERE id IN (?) AND rematch = 0 AND ${DECIDED}`,
      [imageIds.slice(start, start + IDS_PER_STATEMENT)],
    );
    marked += result.affectedRows;
  }
  return marked;
}

/** Marked images, newest first. @param before only smaller ids */
export async function listMarkedImages(db: Queryable, before: number, limit: number): Promise<number[]> {
  // One statement for each mark: the index holds ids in order within a mark only.
  const marked = (mark: number) =>
    `(SELECT id FROM images WHERE rematch = ${mark} AND id < ? AND ${DECIDED} ORDER BY id DESC LIMIT ?)`;
  const [rows] = await db.query<Row[]>(`${marked(2)} UNION ALL ${marked(1)} ORDER BY id DESC LIMIT ?`, [
    ...[before, limit],
    ...[before, limit],
    limit,
  ]);
  return rows.map((row) => row.id);
}

/** Of those that are there. */
export async function readStatuses<Status extends string>(
  db: Queryable,
  imageIds: readonly number[],
): Promise<Map<number, Status>> {
  if (imageIds.length === 0) return new Map();
  const [rows] = await db.query<Row[]>('SELECT id, status FROM images WHERE id IN (?)', [imageIds]);
  return new Map(rows.map((row) => [row.id, row.status]));
}
