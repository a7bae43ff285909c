import { randomUUID } from 'node:crypto';
import { type Actor, recordAudit } from './audit.ts';
import type { Database, Queryable, Row } from './database.ts';
import {
  advanceErasure,
  type ErasureProgress,
  newProgress,
  type Receipt,
  readErasure,
  toReceipt,
} from './erasure-progress.ts';
import { bumpRevision } from './gallery.ts';
import { isUploadNeeded } from './needed-uploads.ts';
import { chunksOf } from './outbox.ts';
import { personNotFound } from './persons.ts';
import { removeReferences } from './references.ts';
import { type ScrubbedFaces, scrubFaces } from './scrub-faces.ts';

export interface ErasureOptions {
  readonly actor: Actor;
  /** Whether a stored path is that of an upload, which is ours to delete. */
  readonly isUpload: (path: string) => boolean;
  /** @returns false when the file was not there */
  readonly deleteUpload: (path: string) => Promise<boolean>;
}

export interface Erasure extends Receipt {
  /** Names of the photos in the folder of known people; null when a call before this one has ended the erasure. */
  readonly folderPhotos: readonly string[] | null;
}

/** Rows in one transaction. */
const BATCH = 500;
/** Ids of faces that are searched for traces in one statement. */
const SEARCHED = 20_000;

/**
 * Erases a person: their references, what is known of their faces in all photos, their traces with other faces, uploads
 * that were stored for enrolling them, and at last themselves. The receipt is kept, without their name.
 *
 * From the first transaction on nobody can see or name them. It is done in many; when it dies half-way, calling it again
 * finishes it, and calling it after its end gives the receipt again.
 *
 * @throws PermanentError `person_not_found`
 */
export async function erasePerson(db: Database, personId: number, options: ErasureOptions): Promise<Erasure> {
  const ended = await beginErasure(db, personId, options);
  if (ended !== null) return { ...ended, folderPhotos: null };
  await searchForTraces(db, personId);
  for (;;) {
    await deleteFiles(db, personId, options);
    const result = await advanceErasure(db, personId, (connection, revision, progress) =>
      eraseSome(connection, revision, progress, { personId, ...options }),
    );
    if (result !== null && result !== 'more') return result;
    if (result === null) {
      const receipt = await readReceipt(db, personId);
      if (receipt !== null) return { ...receipt, folderPhotos: null };
    }
  }
}

async function readReceipt(db: Database, personId: number): Promise<Receipt | null> {
  const erasure = await db.transact((connection) => readErasure(connection, personId));
  if (erasure === null) throw personNotFound(personId);
  return 'receipt' in erasure ? erasure.receipt : null;
}

/**
 * Makes the person invisible, and their photos in the folder unwelcome.
 *
 * @returns the receipt when they have been erased already
 */
function beginErasure(db: Database, personId: number, { isUpload, actor }: ErasureOptions): Promise<Receipt | null> {
  return db.transact(async (connection) => {
    const revision = await bumpRevision(connection);
    const [people] = await connection.query<Row[]>('SELECT id FROM person WHERE id = ? FOR UPDATE', [personId]);
    const erasure = await readErasure(connection, personId);
    if (erasure !== null) return 'receipt' in erasure ? erasure.receipt : null;
    if (people.length === 0) throw personNotFound(personId);

    const progress = newProgress();
    const [photos] = await connection.query<Row[]>(
      "SELECT image_name FROM person_images WHERE person_id = ? AND source = 'folder'",
      [personId],
    );
    progress.folderPhotos.push(...photos.map((row) => row.image_name));
    await connection.query(
      `INSERT IGNORE INTO refused_photos (content_hash)
       SELECT content_hash FROM person_images
        WHERE person_id = ? AND source = 'folder' AND content_hash IS NOT NULL`,
      [personId],
    );
    await takeEnrolments(connection, personId, progress, isUpload);
    await connection.query('INSERT INTO erasures (person_id, receipt) VALUES (?, ?)', [
      personId,
      JSON.stringify({ progress }),
    ]);
    // The name is free again, for whoever else bears it.
    await connection.query('UPDATE person SET name = ?, threshold = NULL, revision = ? WHERE id = ?', [
      `erased ${randomUUID()}`,
      revision,
      personId,
    ]);
    // Copies of the gallery hold their name, and an erasure may take minutes.
    await connection.query('UPDATE person_images SET revision = ? WHERE person_id = ?', [revision, personId]);
    await recordAudit(connection, actor, { action: 'person.erasure_begun', personId });
    return null;
  });
}

/** Removes enrolments; those that are under way find nothing to end. */
async function takeEnrolments(
  connection: Queryable,
  personId: number,
  progress: ErasureProgress,
  isUpload: (path: string) => boolean,
): Promise<void> {
  const [rows] = await connection.query<Row[]>('SELECT id, path FROM enrolments WHERE person_id = ? FOR UPDATE', [
    personId,
  ]);
  const [references] = await connection.query<Row[]>(
    'SELECT path FROM person_images WHERE person_id = ? AND path IS NOT NULL',
    [personId],
  );
  const paths = [...rows, ...references].map((row) => row.path as string).filter(isUpload);
  progress.files = [...new Set([...progress.files, ...paths])];
  progress.rows.push(...rows.map((row) => `enrolments:${row.id}`));
  for (const some of chunksOf(rows.map((row) => row.id as number))) {
    await connection.query('DELETE FROM enrolments WHERE id IN (?)', [some]);
  }
}

/**
 * Looks through all faces for the person among the candidates of others, and for faces of the very pictures that are
 * their references: those are of them, named or not.
 */
async function searchForTraces(db: Database, personId: number): Promise<void> {
  const [references] = await db.query<Row[]>(
    `SELECT descriptor FROM person_images WHERE person_id = ? AND descriptor IS NOT NULL
     UNION SELECT rd.descriptor FROM reference_descriptors rd JOIN person_images pi ON pi.id = rd.person_image_id
      WHERE pi.person_id = ? AND rd.descriptor IS NOT NULL`,
    [personId, personId],
  );
  const descriptors = references.map((row) => row.descriptor as Buffer);
  const [last] = await db.query<Row[]>('SELECT MAX(id) AS id FROM faces');
  const searchUntil: number = last[0]?.id ?? 0;
  for (let from: number | null = 0; from !== null && from < searchUntil; ) {
    from = await advanceErasure(db, personId, async (connection, revision, progress) => {
      const to = progress.searchedTo + SEARCHED;
      await forgetCandidate(connection, personId, progress.searchedTo, to);
      const copies = await findCopies(connection, descriptors, progress.searchedTo, to);
      for (const some of chunksOf(copies)) note(progress, await scrubFaces(connection, some, revision));
      progress.searchedTo = to;
      return to;
    });
  }
}

async function forgetCandidate(connection: Queryable, personId: number, after: number, to: number): Promise<void> {
  // Found first, locked then: a lock on all that is looked at would keep outcomes from being written.
  const [found] = await connection.query<Row[]>(
    'SELECT id FROM faces WHERE id > ? AND id <= ? AND candidates IS NOT NULL AND JSON_CONTAINS(candidates, ?)',
    [after, to, JSON.stringify({ personId })],
  );
  if (found.length === 0) return;
  const [rows] = await connection.query<Row[]>(
    'SELECT id, image_id, candidates FROM faces WHERE id IN (?) AND candidates IS NOT NULL FOR UPDATE',
    [found.map((row) => row.id)],
  );
  for (const row of rows) {
    const candidates: { personId: number }[] =
      typeof row.candidates === 'string' ? JSON.parse(row.candidates) : row.candidates;
    const others = JSON.stringify(candidates.filter((candidate) => candidate.personId !== personId));
    await connection.query('UPDATE faces SET candidates = ? WHERE id = ?', [others, row.id]);
  }
  for (const some of chunksOf(rows.map((row) => row.image_id as number))) {
    await connection.query('UPDATE images SET rematch = GREATEST(rematch, 1) WHERE id IN (?)', [some]);
  }
}

async function findCopies(connection: Queryable, descriptors: readonly Buffer[], after: number, to: number) {
  const found: number[] = [];
  for (const some of chunksOf(descriptors)) {
    const [rows] = await connection.query<Row[]>(
      'SELECT id FROM faces WHERE id > ? AND id <= ? AND person_id IS NULL AND descriptor IN (?)',
      [after, to, some],
    );
    found.push(...rows.map((row) => row.id as number));
  }
  return found;
}

/** Deletes uploads that nobody else needs. Again and again, should it die in between: a file that is gone is gone. */
async function deleteFiles(db: Database, personId: number, { deleteUpload }: ErasureOptions): Promise<void> {
  const files = await advanceErasure(db, personId, async (_connection, _revision, progress) => progress.files);
  if (files === null || files.length === 0) return;
  let deleted = 0;
  for (const path of files) {
    if (!(await isUploadNeeded(db, path, personId)) && (await deleteUpload(path))) deleted++;
  }
  await advanceErasure(db, personId, async (_connection, _revision, progress) => {
    progress.files = progress.files.filter((path) => !files.includes(path));
    progress.deletedFiles += deleted;
  });
}

/** One transaction's worth of faces and references; when nothing is left, the person goes, too. */
async function eraseSome(
  connection: Queryable,
  revision: number,
  progress: ErasureProgress,
  { personId, isUpload, actor }: ErasureOptions & { personId: number },
): Promise<'more' | Erasure> {
  const [faces] = await connection.query<Row[]>(
    `SELECT id FROM faces WHERE person_id = ?
     UNION SELECT face_id FROM person_images WHERE person_id = ? AND face_id IS NOT NULL LIMIT ?`,
    [personId, personId, BATCH],
  );
  const ids = faces.map((row) => row.id as number);
  note(progress, await scrubFaces(connection, ids, revision));
  // References after the last face: they tell which faces there are.
  if (ids.length === BATCH || (await eraseReferences(connection, revision, progress, personId)) === BATCH)
    return 'more';
  await takeEnrolments(connection, personId, progress, isUpload);
  if (progress.files.length > 0) return 'more';

  const [rejections] = await connection.query<Row[]>('SELECT id FROM face_rejections WHERE person_id = ?', [personId]);
  progress.rows.push(...rejections.map((row) => `face_rejections:${row.id}`), `person:${personId}`);
  // Whatever else names them goes with them, by its foreign key.
  await connection.query('DELETE FROM person WHERE id = ?', [personId]);
  const receipt = toReceipt(personId, progress);
  await connection.query('UPDATE erasures SET receipt = ? WHERE person_id = ?', [
    JSON.stringify({ receipt }),
    personId,
  ]);
  const { personId: _, ...details } = receipt;
  await recordAudit(connection, actor, { action: 'person.erased', personId, details });
  return { ...receipt, folderPhotos: progress.folderPhotos };
}

async function eraseReferences(
  connection: Queryable,
  revision: number,
  progress: ErasureProgress,
  personId: number,
): Promise<number> {
  const [rows] = await connection.query<Row[]>(
    'SELECT id, descriptor IS NOT NULL AS described FROM person_images WHERE person_id = ? LIMIT ?',
    [personId, BATCH],
  );
  const ids = rows.map((row) => row.id as number);
  progress.references += await removeReferences(connection, ids, revision);
  progress.descriptors += rows.filter((row) => row.described === 1).length;
  progress.rows.push(...ids.map((id) => `person_images:${id}`));
  return ids.length;
}

function note(progress: ErasureProgress, { faceIds, imageIds, descriptors }: ScrubbedFaces): void {
  progress.rows.push(...faceIds.map((id) => `faces:${id}`));
  progress.imageIds.push(...imageIds);
  progress.descriptors += descriptors;
}
