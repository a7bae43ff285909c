import { type Actor, recordAudit, systemActor } from './audit.ts';
import type { Database, Queryable, Row } from './database.ts';
import { bumpRevision } from './gallery.ts';
import { lockPerson } from './persons.ts';
import { addReference, measureNewerReferences, type NearReference, type NewReference } from './references.ts';
import { retryAtSql } from './retry.ts';

/** pending is the only state that is not an outcome. */
export const ENROLMENT_STATUSES = ['pending', 'enrolled', 'refused', 'failed'] as const;
export type EnrolmentStatus = (typeof ENROLMENT_STATUSES)[number];

export interface Reason {
  readonly code: string;
  readonly message: string;
}

/** What a worker needs to know. */
export interface EnrolmentWork {
  readonly batchId: number;
  readonly personId: number;
  readonly path: string;
  readonly faceIndex: number | null;
  readonly forced: boolean;
  readonly status: EnrolmentStatus;
}

export interface FaceToEnrol extends Omit<NewReference, 'personId' | 'source' | 'faceId'> {
  /** What the recognizer had seen of the gallery when it compared the face with it. */
  readonly galleryRevision: number;
}

/** What the database holds at the moment of enrolling. */
export interface PresentReferences {
  /** Whose reference the face is to become; not always who was asked for: people may have been merged. */
  readonly personId: number;
  /** Whose reference this very face of this very photo is already. */
  readonly sameFaceOf: number | null;
  /** References that the recognizer had not seen yet, nearest first. */
  readonly newer: readonly NearReference[];
}

/** What workers do of the batches (lib/enrolment-batches.ts). */
export interface Enrolments {
  /** Null when the enrolment is gone, with its person. */
  findEnrolment(id: number): Promise<EnrolmentWork | null>;
  /**
   * Writes the reference of a pending enrolment and its end, in one transaction.
   *
   * @param check throws a PermanentError when the face must not be enrolled; not asked where the enrolment is forced
   * @returns false when the enrolment is gone or has ended: a redelivered message changes nothing
   */
  recordEnrolled(id: number, face: FaceToEnrol, check: (present: PresentReferences) => void): Promise<boolean>;
  /** Ends a pending enrolment without a reference. @returns false when it is gone or has ended */
  recordRefused(id: number, status: 'refused' | 'failed', reason: Reason): Promise<boolean>;
}

/** @param options.retryScheduleMs what is recorded as failed is tried again after so long, step by step; empty: by hand only */
export function openEnrolments(
  db: Database,
  options: { readonly retryScheduleMs?: readonly number[] } = {},
): Enrolments {
  const { retryScheduleMs = [] } = options;
  return {
    findEnrolment: (id) => readEnrolment(db, id, ''),

    recordEnrolled: (id, face, check) =>
      db.transact(async (connection) => {
        const revision = await bumpRevision(connection);
        const work = await readEnrolment(connection, id, 'FOR UPDATE');
        if (work === null || work.status !== 'pending') return false;
        await lockPerson(connection, work.personId);
        if (!work.forced) {
          const sameFaceOf = await findOwner(connection, face.imageName);
          check({
            personId: work.personId,
            sameFaceOf,
            newer: await measureNewerReferences(connection, face, face.galleryRevision),
          });
        }
        const reference = { ...face, personId: work.personId, source: 'photo', faceId: null } as const;
        const personImageId = await addReference(connection, reference, revision);
        await connection.query(
          `UPDATE enrolments SET status = 'enrolled', person_image_id = ?, finished_at = CURRENT_TIMESTAMP(3)
            WHERE id = ?`,
          [personImageId, id],
        );
        const { personId, batchId } = work;
        const details = { reference: personImageId, source: 'photo', batch: batchId };
        const actor = await findRequester(connection, batchId);
        await recordAudit(connection, actor, { action: 'reference.added', personId, details });
        return true;
      }),

    async recordRefused(id, status, { code, message }) {
      return db.transact(async (connection) => {
        const work = await readEnrolment(connection, id, 'FOR UPDATE');
        if (work === null || work.status !== 'pending') return false;
        const retryAt = retryAtSql(status === 'failed' ? retryScheduleMs : []);
        await connection.query(
          `UPDATE enrolments SET status = ?, reason_code = ?, reason = ?, finished_at = CURRENT_TIMESTAMP(3),
             retry_at = ${retryAt.sql} WHERE id = ?`,
          [status, code, message.slice(0, 512), ...retryAt.values, id],
        );
        return true;
      });
    },
  };
}

/** On whose behalf a worker enrols. */
async function findRequester(connection: Queryable, batchId: number): Promise<Pick<Actor, 'caller' | 'requestId'>> {
  const [rows] = await connection.query<Row[]>('SELECT caller, request_id FROM enrolment_batches WHERE id = ?', [
    batchId,
  ]);
  if (rows[0]?.caller == null) return systemActor('processor');
  return { caller: rows[0].caller, requestId: rows[0].request_id };
}

async function findOwner(connection: Queryable, imageName: string): Promise<number | null> {
  const [rows] = await connection.query<Row[]>('SELECT person_id FROM person_images WHERE image_name = ?', [imageName]);
  return rows[0]?.person_id ?? null;
}

async function readEnrolment(
  connection: Queryable,
  id: number,
  lock: '' | 'FOR UPDATE',
): Promise<EnrolmentWork | null> {
  const [rows] = await connection.query<Row[]>(
    `SELECT batch_id, person_id, path, face_index, forced, status FROM enrolments WHERE id = ? ${lock}`,
    [id],
  );
  const row = rows[0];
  if (row === undefined) return null;
  const { batch_id: batchId, person_id: personId, path, face_index: faceIndex, status } = row;
  return { batchId, personId, path, faceIndex, forced: row.forced === 1, status };
}
