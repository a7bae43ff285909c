import { type Actor, recordAudit } from './audit.ts';
import { changeOnce } from './change-once.ts';
import type { Database, Queryable, Row } from './database.ts';
import { DEFAULT_MODEL, DESCRIPTOR_MODELS, findModel } from './descriptor-models.ts';
import { PermanentError } from './errors.ts';
import { bumpRevision } from './gallery.ts';
import { findGalleryModel } from './labelled-faces.ts';

/** How many faces, or references, have a descriptor of a model, and how many have none, by the reason. */
export interface VersionCounts {
  readonly described: number;
  /** Nobody has looked at them yet. */
  readonly waiting: number;
  /** By the stable code of why there can be none; they keep the version that they have. */
  readonly missing: Readonly<Record<string, number>>;
}

export interface ModelCounts {
  readonly countedAt: string;
  readonly faces: VersionCounts;
  readonly references: VersionCounts;
}

/** What would change if a model answered, as the recognizer decides by it. */
export interface ModelComparison {
  readonly comparedAt: string;
  /** Of the gallery that decided. */
  readonly galleryRevision: number;
  /** Photos and faces that were compared; those that people have named are not. */
  readonly photos: number;
  readonly faces: number;
  /** Faces that would get a name, lose it, or be another person. */
  readonly gained: number;
  readonly lost: number;
  readonly otherPerson: number;
  readonly changedPhotos: number;
  readonly examples: readonly ComparisonExample[];
}

export interface ComparisonExample {
  readonly imageId: number;
  readonly faceId: number;
  /** Person and distance now, and by the model; null: nobody. */
  readonly from: { readonly personId: number | null; readonly distance: number | null };
  readonly to: { readonly personId: number | null; readonly distance: number | null };
}

export interface StoredModel {
  readonly name: string;
  readonly requestedAt: Date;
  readonly preparedAt: Date | null;
  readonly activatedAt: Date | null;
  readonly dropping: boolean;
  readonly counts: ModelCounts | null;
  readonly comparison: ModelComparison | null;
}

/** The models that somebody has asked for, and the one that was there before; none until then. */
export async function readModels(db: Queryable): Promise<StoredModel[]> {
  const [rows] = await db.query<Row[]>(
    `SELECT name, requested_at, prepared_at, activated_at, dropping, CAST(counts AS CHAR) AS counts,
            CAST(comparison AS CHAR) AS comparison FROM models ORDER BY requested_at, name`,
  );
  return rows.map((row) => ({
    name: row.name,
    requestedAt: row.requested_at,
    preparedAt: row.prepared_at,
    activatedAt: row.activated_at,
    dropping: row.dropping === 1,
    counts: row.counts && JSON.parse(row.counts),
    comparison: row.comparison && JSON.parse(row.comparison),
  }));
}

/** For recognizers: which model is to answer (null: nobody has said), and of which there are to be galleries besides. */
export async function readWantedModels(db: Queryable): Promise<{ active: string | null; wanted: string[] }> {
  const [rows] = await db.query<Row[]>(
    `SELECT g.model AS active, m.name FROM gallery g LEFT JOIN models m ON m.dropping = 0 WHERE g.id = 1`,
  );
  return { active: rows[0]?.active ?? null, wanted: rows.flatMap((row) => row.name ?? []) };
}

/** The model that answers. */
export async function readActiveModel(db: Queryable): Promise<string> {
  return (await findGalleryModel(db)) ?? DEFAULT_MODEL;
}

/**
 * Asks for descriptors of a model beside those that there are; a job computes them. Asked again, what could not be
 * described is tried again, and the comparison is made anew.
 *
 * @throws PermanentError `model_not_found`, or `model_dropping` while its descriptors are being removed
 */
export function prepareModel(db: Database, name: string, actor: Actor): Promise<void> {
  expectKnown(name);
  return changeOnce(db, actor, async (connection) => {
    // The gallery's row first, as everywhere: so two who ask at once do so one after the other.
    await connection.query('SELECT model FROM gallery WHERE id = 1 FOR UPDATE');
    const before = await readActiveModel(connection);
    // What answers now is wanted too: whoever enrols by the other one meanwhile must be known to it, and back must be possible.
    await connection.query('INSERT IGNORE INTO models (name, activated_at) VALUES (?, CURRENT_TIMESTAMP(3))', [before]);
    await connection.query('INSERT IGNORE INTO models (name) VALUES (?)', [name]);
    // From now on it stands there, and need not be counted.
    await connection.query('UPDATE gallery SET model = ? WHERE id = 1 AND model IS NULL', [before]);
    const [rows] = await connection.query<Row[]>('SELECT dropping FROM models WHERE name = ? FOR UPDATE', [name]);
    if (rows[0]?.dropping === 1)
      throw new PermanentError('model_dropping', `${name} is being removed: wait for its end.`);
    for (const table of ['face_descriptors', 'reference_descriptors']) {
      await connection.query(`DELETE FROM ${table} WHERE model = ? AND descriptor IS NULL`, [name]);
    }
    await connection.query(
      `UPDATE models SET requested_at = CURRENT_TIMESTAMP(3), prepared_at = NULL, counts = NULL, comparison = NULL
        WHERE name = ?`,
      [name],
    );
    await recordAudit(connection, actor, { action: 'model.prepared', details: { model: name } });
  });
}

/**
 * Has a model answer from now on. Recognizers follow by themselves, and so do stored faces, by a job.
 *
 * @returns the gallery's revision from which on it holds
 * @throws PermanentError `model_not_found`, or `model_not_prepared`
 */
export function activateModel(db: Database, name: string, actor: Actor): Promise<number> {
  expectKnown(name);
  return changeOnce(db, actor, async (connection) => {
    const [current] = await connection.query<Row[]>('SELECT model, revision FROM gallery WHERE id = 1 FOR UPDATE');
    // Whoever asks twice must not have every stored photo decided anew.
    if (current[0]?.model === name) return Number(current[0].revision);
    const revision = await bumpRevision(connection);
    const [rows] = await connection.query<Row[]>('SELECT prepared_at, dropping FROM models WHERE name = ? FOR UPDATE', [
      name,
    ]);
    const row = rows[0];
    // The one that there was before has been prepared by nobody.
    const isReady = row !== undefined && row.dropping === 0 && row.prepared_at !== null;
    if (!isReady && name !== (await readActiveModel(connection))) {
      throw new PermanentError(
        'model_not_prepared',
        `Not every face has a descriptor of ${name} yet: prepare it first.`,
      );
    }
    await connection.query('UPDATE models SET activated_at = CURRENT_TIMESTAMP(3), comparison = NULL WHERE name = ?', [
      name,
    ]);
    await connection.query('UPDATE gallery SET model = ?, model_revision = ? WHERE id = 1', [name, revision]);
    await recordAudit(connection, actor, { action: 'model.activated', details: { model: name } });
    return revision;
  });
}

/**
 * Has the descriptors of a model removed, by a job; recognizers let go of its gallery.
 *
 * @throws PermanentError `model_not_found`, or `model_active`
 */
export function dropModel(db: Database, name: string, actor: Actor): Promise<void> {
  return db.transact(async (connection) => {
    await connection.query('SELECT model FROM gallery WHERE id = 1 FOR UPDATE');
    const [rows] = await connection.query<Row[]>('SELECT name FROM models WHERE name = ?', [name]);
    if (name === (await readActiveModel(connection))) {
      throw new PermanentError('model_active', `${name} answers now: activate another model first.`);
    }
    if (rows.length === 0) throw new PermanentError('model_not_found', `Nobody has prepared a model ${name}.`);
    await connection.query('UPDATE models SET dropping = 1 WHERE name = ?', [name]);
    await recordAudit(connection, actor, { action: 'model.dropped', details: { model: name } });
  });
}

function expectKnown(name: string): void {
  if (findModel(name) !== undefined) return;
  const known = DESCRIPTOR_MODELS.map((model) => model.name).join(', ');
  throw new PermanentError('model_not_found', `There is no model ${name}; this version knows ${known}.`);
}
