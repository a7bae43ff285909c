import { type Actor, type AuditRecord, recordAudit } from './audit.ts';
import { changeOnce } from './change-once.ts';
import type { Database, Queryable, Row } from './database.ts';
import { PermanentError } from './errors.ts';
import { type FaceQuality, faceQualityFromColumn } from './face-quality.ts';
import { bumpRevision } from './gallery.ts';
import { chunksOf } from './outbox.ts';
import type { Person } from './people.ts';

export interface PersonSummary extends Person {
  /** The largest distance that counts as this person; null: the gallery's. */
  readonly threshold: number | null;
  /** How many references they have. */
  readonly faces: number;
  /** In how many images they were seen. */
  readonly images: number;
  /** A face to show them by. */
  readonly cover: number | null;
  /** A reference to show them by, where there is no such face. */
  readonly coverReference: number | null;
  readonly createdAt: Date;
}

/** A row of `person_images`. */
export interface Reference {
  readonly id: number;
  readonly imageName: string;
  readonly source: 'folder' | 'photo' | 'face';
  /** Of an enrolled photo, as it was posted. */
  readonly path: string | null;
  /** Of an enrolled face. */
  readonly faceId: number | null;
  readonly quality: FaceQuality | null;
  /** Why it has no descriptor. */
  readonly failure: string | null;
}

export interface PersonDetail extends PersonSummary {
  readonly references: readonly Reference[];
}

export interface PersonChange {
  readonly name?: string | undefined;
  readonly threshold?: number | null | undefined;
}

export interface Persons {
  /**
   * By name, in the order of its bytes.
   *
   * @param options.q part of the name, whatever its case
   * @param options.after only people whose name comes after this one
   */
  listPeople(options: { q?: string; after?: string; limit: number }): Promise<PersonSummary[]>;
  /** @throws PermanentError `person_exists` */
  addPerson(name: string, threshold: number | null, actor: Actor): Promise<number>;
  findPerson(id: number): Promise<PersonDetail | null>;
  /** @throws PermanentError `person_not_found` or `person_exists` */
  changePerson(id: number, change: PersonChange, actor: Actor): Promise<void>;
}

const DUPLICATE_KEY = 1062;

/** A condition on `person p`: whoever is being erased is gone for everybody but the erasure. */
export const NOT_BEING_ERASED = 'NOT EXISTS (SELECT 1 FROM erasures e WHERE e.person_id = p.id)';

const SUMMARY = `SELECT p.id, p.name, p.threshold, p.created_at,
    (SELECT COUNT(*) FROM person_images pi WHERE pi.person_id = p.id) AS reference_count,
    (SELECT COUNT(DISTINCT f.image_id) FROM faces f WHERE f.person_id = p.id) AS image_count,
    COALESCE((SELECT MIN(pi.face_id) FROM person_images pi WHERE pi.person_id = p.id),
             (SELECT MIN(f.id) FROM faces f WHERE f.person_id = p.id)) AS cover,
    (SELECT MIN(pi.id) FROM person_images pi WHERE pi.person_id = p.id AND pi.failure IS NULL) AS cover_reference
  FROM person p WHERE ${NOT_BEING_ERASED}`;

export function openPersons(db: Database): Persons {
  return {
    async listPeople({ q, after, limit }) {
      const conditions: string[] = [];
      const values: (string | number)[] = [];
      if (q !== undefined) {
        conditions.push('AND p.name COLLATE utf8mb4_unicode_ci LIKE ?');
        values.push(`%${q.replace(/[\\%_]/g, '\\$&')}%`);
      }
      if (after !== undefined) {
        conditions.push('AND p.name > ?');
        values.push(after);
      }
      const [rows] = await db.query<Row[]>(`${SUMMARY} ${conditions.join(' ')} ORDER BY p.name LIMIT ?`, [
        ...values,
        limit,
      ]);
      return rows.map(toSummary);
    },

    addPerson: (name, threshold, actor) =>
      changeOnce(db, actor, async (connection) => {
        try {
          await connection.query('INSERT INTO person (name, threshold) VALUES (?, ?)', [name, threshold]);
        } catch (error) {
          throw translateDuplicate(error, name);
        }
        const [rows] = await connection.query<Row[]>('SELECT id FROM person WHERE name = ?', [name]);
        if (rows[0] === undefined) throw new Error('The person was removed while they were being added.');
        const personId: number = rows[0].id;
        const details = threshold === null ? {} : { details: { threshold } };
        await recordAudit(connection, actor, { action: 'person.added', personId, ...details });
        return personId;
      }),

    async findPerson(id) {
      const [rows] = await db.query<Row[]>(`${SUMMARY} AND p.id = ?`, [id]);
      return rows[0] === undefined ? null : { ...toSummary(rows[0]), references: await readReferences(db, id) };
    },

    changePerson: (id, { name, threshold }, actor) =>
      db.transact(async (connection) => {
        // The gallery's copies hold names and thresholds, so this is a change of the gallery.
        const revision = await bumpRevision(connection);
        await lockPerson(connection, id);
        await recordAudit(connection, actor, ...describeChange(id, { name, threshold }));
        if (threshold !== undefined) {
          await connection.query('UPDATE person SET threshold = ?, revision = ? WHERE id = ?', [
            threshold,
            revision,
            id,
          ]);
        }
        if (name === undefined) return;
        try {
          await connection.query('UPDATE person SET name = ?, revision = ? WHERE id = ?', [name, revision, id]);
        } catch (error) {
          throw translateDuplicate(error, name);
        }
        await connection.query('UPDATE person_images SET revision = ? WHERE person_id = ?', [revision, id]);
      }),
  };
}

function describeChange(personId: number, { name, threshold }: PersonChange): AuditRecord[] {
  return [
    ...(name === undefined ? [] : [{ action: 'person.renamed', personId } as const]),
    ...(threshold === undefined ? [] : [{ action: 'person.threshold_set', personId, details: { threshold } } as const]),
  ];
}

/** The ids of the people of these names; those who are missing are made. */
export async function findOrMakePeople(
  db: Database,
  names: readonly string[],
  actor: Actor,
): Promise<Map<string, number>> {
  const found = await findByNames(db, names);
  const missing = names.filter((name) => !found.has(name));
  for (const some of chunksOf(missing)) {
    for (const [name, id] of await db.transact((connection) => makeMissing(connection, some, actor))) {
      found.set(name, id);
    }
  }
  return found;
}

async function makeMissing(connection: Queryable, names: readonly string[], actor: Actor) {
  const [known] = await connection.query<Row[]>('SELECT name FROM person WHERE name IN (?)', [names]);
  const before = new Set(known.map((row) => row.name as string));
  // Another request may make the same person at this moment; they are as good as ours.
  await connection.query('INSERT INTO person (name) VALUES ? ON DUPLICATE KEY UPDATE name = VALUES(name)', [
    names.map((name) => [name]),
  ]);
  const ids = await findByNames(connection, names);
  const made = [...ids].filter(([name]) => !before.has(name));
  await recordAudit(connection, actor, ...made.map(([, personId]) => ({ action: 'person.added', personId }) as const));
  return ids;
}

async function findByNames(db: Queryable, names: readonly string[]): Promise<Map<string, number>> {
  const found = new Map<string, number>();
  for (const some of chunksOf(names)) {
    const [rows] = await db.query<Row[]>('SELECT id, name FROM person WHERE name IN (?)', [some]);
    for (const row of rows) found.set(row.name, row.id);
  }
  return found;
}

/**
 * Locks the row of a person, so that nobody changes, merges or erases them before the transaction ends.
 *
 * @throws PermanentError `person_not_found`, also for somebody whose erasure has begun
 */
export async function lockPerson(connection: Queryable, id: number): Promise<void> {
  const [rows] = await connection.query<Row[]>(
    `SELECT p.id FROM person p WHERE p.id = ? AND ${NOT_BEING_ERASED} FOR UPDATE`,
    [id],
  );
  if (rows.length === 0) throw personNotFound(id);
}

export function personNotFound(id: number): PermanentError {
  return new PermanentError('person_not_found', `There is no person ${id}.`);
}

function translateDuplicate(error: unknown, name: string): unknown {
  if ((error as { errno?: number }).errno !== DUPLICATE_KEY) return error;
  return new PermanentError('person_exists', `There is a person named ${name} already.`, { cause: error });
}

async function readReferences(db: Queryable, personId: number): Promise<Reference[]> {
  const [rows] = await db.query<Row[]>(
    `SELECT pi.id, pi.image_name, pi.source, pi.path, pi.face_id, pi.quality, pi.failure
       FROM person_images pi WHERE pi.person_id = ? ORDER BY pi.id`,
    [personId],
  );
  return rows.map((row) => ({
    id: row.id,
    imageName: row.image_name,
    source: row.source,
    path: row.path,
    faceId: row.face_id,
    // MariaDB gives JSON as text.
    quality: faceQualityFromColumn(row.quality),
    failure: row.failure,
  }));
}

function toSummary(row: Row): PersonSummary {
  return {
    id: row.id,
    name: row.name,
    threshold: row.threshold,
    faces: row.reference_count,
    images: row.image_count,
    cover: row.cover,
    coverReference: row.cover === null ? row.cover_reference : null,
    createdAt: row.created_at,
  };
}
