import { type Actor, recordAudit } from './audit.ts';
import { type Database, descriptorFromBytes, type Queryable, type Row } from './database.ts';
import { bumpRevision } from './gallery.ts';

/** What people have said that decides whose a face is, besides the references. */
export interface StoredRules {
  /** Of the gallery; null: nobody has set one. */
  readonly threshold: number | null;
  /** Of people who have one of their own, by their ids. */
  readonly thresholdOf: ReadonlyMap<number, number>;
  /** "Not this person": by the person's id, the faces that are not theirs. */
  readonly rejectedOf: ReadonlyMap<number, readonly StoredRejection[]>;
}

export interface StoredRejection {
  readonly faceId: number;
  /** 128 floats; null when the face has none, or one of another model. */
  readonly descriptor: Float32Array | null;
}

export interface DecisionRulesTable {
  /** The gallery's revision, and a text that is another one when the rules may have changed. Cheap. */
  readRulesVersion(): Promise<{ revision: number; version: string }>;
  /** @param model whose descriptors are wanted */
  loadRules(model: string): Promise<StoredRules>;
}

export function openDecisionRules(db: Pick<Database, 'query'>): DecisionRulesTable {
  return {
    async readRulesVersion() {
      const [rows] = await db.query<Row[]>(
        `SELECT revision, threshold_revision, model_revision, (SELECT MAX(revision) FROM person) AS person_revision
           FROM gallery WHERE id = 1`,
      );
      const [row] = rows;
      return {
        revision: row?.revision ?? 0,
        version: `${row?.threshold_revision} ${row?.person_revision} ${row?.model_revision}`,
      };
    },

    async loadRules(model) {
      const [gallery] = await db.query<Row[]>('SELECT threshold FROM gallery WHERE id = 1');
      const [people] = await db.query<Row[]>('SELECT id, threshold FROM person WHERE threshold IS NOT NULL');
      const [rejections] = await db.query<Row[]>(
        `SELECT r.person_id, r.face_id, IF(f.model = ?, f.descriptor, d.descriptor) AS descriptor
           FROM face_rejections r JOIN faces f ON f.id = r.face_id
           LEFT JOIN face_descriptors d ON d.face_id = f.id AND d.model = ?`,
        [model, model],
      );
      const rejectedOf = new Map<number, StoredRejection[]>();
      for (const row of rejections) {
        const own = rejectedOf.get(row.person_id) ?? [];
        rejectedOf.set(row.person_id, own);
        own.push({ faceId: row.face_id, descriptor: row.descriptor && descriptorFromBytes(row.descriptor) });
      }
      return {
        threshold: gallery[0]?.threshold ?? null,
        thresholdOf: new Map(people.map((row) => [row.id, row.threshold])),
        rejectedOf,
      };
    },
  };
}

/** The thresholds that people have set; null: none. */
export interface SetThresholds {
  readonly gallery: number | null;
  /** Null also when nobody was asked for, or is there. */
  readonly person: number | null;
}

/** @param personId of whom it is wanted too; 0: of nobody. @returns null when there is no such person */
export async function readThresholds(db: Queryable, personId: number): Promise<SetThresholds | null> {
  const [rows] = await db.query<Row[]>('SELECT threshold FROM gallery WHERE id = 1');
  const gallery: number | null = rows[0]?.threshold ?? null;
  if (personId === 0) return { gallery, person: null };
  const [people] = await db.query<Row[]>('SELECT threshold FROM person WHERE id = ?', [personId]);
  return people[0] === undefined ? null : { gallery, person: people[0].threshold };
}

/**
 * Sets the largest distance that counts as the same person, for all who have none of their own.
 *
 * @param threshold 0..CANDIDATE_LIMIT; null: that of the recognizer's configuration
 * @returns the gallery's revision from which on it holds
 */
export function setGalleryThreshold(db: Database, threshold: number | null, actor: Actor): Promise<number> {
  return db.transact(async (connection) => {
    const revision = await bumpRevision(connection);
    await connection.query('UPDATE gallery SET threshold = ?, threshold_revision = ? WHERE id = 1', [
      threshold,
      revision,
    ]);
    await recordAudit(connection, actor, { action: 'threshold.set', details: { threshold } });
    return revision;
  });
}
