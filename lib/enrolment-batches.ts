import { type Actor, recordAudit } from './audit.ts';
import { changeOnce } from './change-once.ts';
import type { Database, Queryable, Row, WriteResult } from './database.ts';
import type { EnrolmentStatus, Reason } from './enrolments.ts';
import { PermanentError } from './errors.ts';
import { chunksOf, type Outbox, openOutbox, type WaitingRow } from './outbox.ts';
import { NOT_BEING_ERASED, personNotFound } from './persons.ts';
import { putBack } from './retry.ts';

export interface EnrolmentRequest {
  readonly personId: number;
  /** Normalised; as it was posted where it is refused at once. */
  readonly path: string;
  /** Which face of the photo, 0 is the largest; null: the photo must show one face only. */
  readonly faceIndex: number | null;
  /** Also a poor face, a duplicate, or one that looks like somebody else. */
  readonly forced: boolean;
  /** Why nobody need look at the photo. */
  readonly refusal: Reason | null;
}

export interface Batch {
  readonly id: number;
  readonly total: number;
  readonly pending: number;
  readonly enrolled: number;
  readonly refused: number;
  readonly failed: number;
  readonly createdAt: Date;
  /** Null while anything is pending. */
  readonly finishedAt: Date | null;
}

export interface EnrolmentPhoto {
  readonly id: number;
  readonly personId: number;
  readonly path: string;
  readonly faceIndex: number | null;
  readonly status: EnrolmentStatus;
  readonly reason: Reason | null;
  /** The row of person_images, while it is there. */
  readonly referenceId: number | null;
  readonly finishedAt: Date | null;
}

/** Photos that were asked to be enrolled together; workers bring them to their ends (lib/enrolments.ts). */
export interface EnrolmentBatches extends Outbox {
  /**
   * Makes a batch, all of it or nothing.
   *
   * @returns its id, and the ids of those that are to be published
   * @throws PermanentError `person_not_found` when one of the people is not there, or goes meanwhile
   */
  addBatch(requests: readonly EnrolmentRequest[], actor: Actor): Promise<{ id: number; pending: number[] }>;
  findBatch(id: number): Promise<Batch | null>;
  /** In the order they were given. @param options.after only photos with a larger id */
  listPhotos(
    batch: number,
    options: { status?: EnrolmentStatus; after?: number; limit: number },
  ): Promise<EnrolmentPhoto[]>;
  /** Makes those of a batch pending again that have failed. @returns them: they are to be published */
  retryBatch(batch: number, actor: Actor): Promise<WaitingRow[]>;
}

const NO_REFERENCED_ROW = 1452;

export function openEnrolmentBatches(db: Database): EnrolmentBatches {
  return {
    ...openOutbox(db, 'enrolments'),

    async addBatch(requests, actor) {
      try {
        return await changeOnce(db, actor, (connection) => insertBatch(connection, requests, actor));
      } catch (error) {
        if ((error as { errno?: number }).errno !== NO_REFERENCED_ROW) throw error;
        throw new PermanentError('person_not_found', 'One of the people is not there.', { cause: error });
      }
    },

    async findBatch(id) {
      const [batches] = await db.query<Row[]>('SELECT created_at FROM enrolment_batches WHERE id = ?', [id]);
      if (batches[0] === undefined) return null;
      const [rows] = await db.query<Row[]>(
        `SELECT status, COUNT(*) AS count, MAX(finished_at) AS finished_at
           FROM enrolments WHERE batch_id = ? GROUP BY status`,
        [id],
      );
      const count = (status: EnrolmentStatus): number => rows.find((row) => row.status === status)?.count ?? 0;
      const times = rows.flatMap((row) => (row.finished_at === null ? [] : [(row.finished_at as Date).getTime()]));
      return {
        id,
        total: rows.reduce((sum, row) => sum + row.count, 0),
        pending: count('pending'),
        enrolled: count('enrolled'),
        refused: count('refused'),
        failed: count('failed'),
        createdAt: batches[0].created_at,
        finishedAt: count('pending') > 0 || times.length === 0 ? null : new Date(Math.max(...times)),
      };
    },

    async listPhotos(batch, { status, after, limit }) {
      const [rows] = await db.query<Row[]>(
        `SELECT id, person_id, path, face_index, status, reason_code, reason, person_image_id, finished_at
           FROM enrolments WHERE batch_id = ? AND id > ? ${status === undefined ? '' : 'AND status = ?'}
          ORDER BY id LIMIT ?`,
        [batch, after ?? 0, ...(status === undefined ? [] : [status]), limit],
      );
      return rows.map((row) => ({
        id: row.id,
        personId: row.person_id,
        path: row.path,
        faceIndex: row.face_index,
        status: row.status,
        reason: row.reason_code === null ? null : { code: row.reason_code, message: row.reason },
        referenceId: row.person_image_id,
        finishedAt: row.finished_at,
      }));
    },

    retryBatch: (batch, actor) =>
      changeOnce(db, actor, async (connection) => {
        const [rows] = await connection.query<Row[]>(
          "SELECT id FROM enrolments WHERE batch_id = ? AND status = 'failed'",
          [batch],
        );
        const ids = rows.map((row) => row.id as number);
        const retried = await putBack(connection, 'enrolments', ids, { statuses: ['failed'] });
        const details = { batch, photos: retried.length };
        if (retried.length > 0) await recordAudit(connection, actor, { action: 'enrolment.retried', details });
        return retried;
      }),
  };
}

async function insertBatch(connection: Queryable, requests: readonly EnrolmentRequest[], actor: Actor) {
  await assertPeopleExist(connection, new Set(requests.map((request) => request.personId)));
  const [{ insertId: id }] = await connection.query<WriteResult>(
    'INSERT INTO enrolment_batches (caller, request_id) VALUES (?, ?)',
    [actor.caller.slice(0, 512), actor.requestId],
  );
  const now = new Date();
  for (const some of chunksOf(requests)) {
    await connection.query(
      `INSERT INTO enrolments
         (batch_id, person_id, path, face_index, forced, status, reason_code, reason, finished_at) VALUES ?`,
      [
        some.map(({ personId, path, faceIndex, forced, refusal }) => [
          ...[id, personId, path.slice(0, 1024), faceIndex, forced ? 1 : 0],
          ...(refusal === null
            ? ['pending', null, null, null]
            : ['refused', refusal.code, refusal.message.slice(0, 512), now]),
        ]),
      ],
    );
  }
  await recordAudit(connection, actor, ...describeBatch(id, requests));
  // Ids of a multi-row insert do not follow from insertId.
  const [rows] = await connection.query<Row[]>(
    "SELECT id FROM enrolments WHERE batch_id = ? AND status = 'pending' ORDER BY id",
    [id],
  );
  return { id, pending: rows.map((row) => row.id as number) };
}

function describeBatch(batch: number, requests: readonly EnrolmentRequest[]) {
  const photosOf = new Map<number, number>();
  for (const { personId } of requests) photosOf.set(personId, (photosOf.get(personId) ?? 0) + 1);
  return [...photosOf].map(
    ([personId, photos]) => ({ action: 'enrolment.requested', personId, details: { batch, photos } }) as const,
  );
}

async function assertPeopleExist(connection: Queryable, ids: ReadonlySet<number>): Promise<void> {
  for (const some of chunksOf([...ids])) {
    const [rows] = await connection.query<Row[]>(
      `SELECT p.id FROM person p WHERE p.id IN (?) AND ${NOT_BEING_ERASED}`,
      [some],
    );
    const there = new Set(rows.map((row) => row.id));
    const missing = some.find((id) => !there.has(id));
    if (missing !== undefined) throw personNotFound(missing);
  }
}
