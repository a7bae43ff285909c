import { createHash } from 'node:crypto';
import type { Database, Queryable, Row } from './database.ts';
import { bumpRevision } from './gallery.ts';

/** What was erased of a person; nothing in it tells who they were. */
export interface Receipt {
  readonly personId: number;
  readonly erasedAt: string;
  readonly references: number;
  /** Of references and of faces. */
  readonly descriptors: number;
  readonly faces: number;
  /** Images that showed them. */
  readonly photos: number;
  /** Uploads that were deleted. */
  readonly files: number;
  /** Photos in the folder of known people that the operator should delete. */
  readonly folderPhotoCount: number;
  /** SHA-256, hex, over the sorted `table:id` of all removed or emptied rows, one a line. */
  readonly digest: string;
}

/** How far an erasure is; kept in its row, so that the next call can go on after a crash. */
export interface ErasureProgress {
  /** `table:id` of what has been removed or emptied. */
  readonly rows: string[];
  references: number;
  descriptors: number;
  readonly imageIds: number[];
  /** Paths of uploads that are to be deleted. */
  files: string[];
  deletedFiles: number;
  readonly folderPhotos: string[];
  /** Faces up to this id have been searched for traces. */
  searchedTo: number;
}

export function newProgress(): ErasureProgress {
  const nothing = { references: 0, descriptors: 0, deletedFiles: 0, searchedTo: 0 };
  return { ...nothing, rows: [], imageIds: [], files: [], folderPhotos: [] };
}

/** Null when nobody has begun to erase the person. */
export async function readErasure(
  connection: Queryable,
  personId: number,
): Promise<{ progress: ErasureProgress } | { receipt: Receipt } | null> {
  const [rows] = await connection.query<Row[]>('SELECT receipt FROM erasures WHERE person_id = ? FOR UPDATE', [
    personId,
  ]);
  if (rows[0] === undefined) return null;
  // MySQL's driver parses JSON columns; MariaDB's are text.
  return typeof rows[0].receipt === 'string' ? JSON.parse(rows[0].receipt) : rows[0].receipt;
}

/**
 * Does one part of an erasure in a transaction. Two calls that erase the same person share the work.
 *
 * @param work takes the connection, the gallery's new revision, and the progress, which it changes
 * @returns what `work` returns, or null when the erasure has ended
 */
export function advanceErasure<Result>(
  db: Database,
  personId: number,
  work: (connection: Queryable, revision: number, progress: ErasureProgress) => Promise<Result>,
): Promise<Result | null> {
  return db.transact(async (connection) => {
    const revision = await bumpRevision(connection);
    await connection.query('SELECT id FROM person WHERE id = ? FOR UPDATE', [personId]);
    const erasure = await readErasure(connection, personId);
    if (erasure === null || 'receipt' in erasure) return null;
    const result = await work(connection, revision, erasure.progress);
    // Work that ended the erasure has put the receipt in the place of the progress.
    await connection.query(
      "UPDATE erasures SET receipt = ? WHERE person_id = ? AND JSON_EXTRACT(receipt, '$.progress') IS NOT NULL",
      [JSON.stringify({ progress: erasure.progress }), personId],
    );
    return result;
  });
}

export function toReceipt(personId: number, progress: ErasureProgress): Receipt {
  const rows = [...new Set(progress.rows)].sort();
  return {
    personId,
    erasedAt: new Date().toISOString(),
    references: progress.references,
    descriptors: progress.descriptors,
    faces: rows.filter((row) => row.startsWith('faces:')).length,
    photos: new Set(progress.imageIds).size,
    files: progress.deletedFiles,
    folderPhotoCount: progress.folderPhotos.length,
    digest: createHash('sha256').update(rows.join('\n')).digest('hex'),
  };
}
