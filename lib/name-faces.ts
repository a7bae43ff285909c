import { type Actor, type AuditRecord, recordAudit } from './audit.ts';
import { changeOnce } from './change-once.ts';
import { type Database, descriptorFromBytes, type Queryable, type Row } from './database.ts';
import { type FaceQuality, faceQualityFromColumn, isMisleading, rankQuality } from './face-quality.ts';
import { bumpRevision } from './gallery.ts';
import { updateImageSummaries } from './image-summary.ts';
import type { BoundingBox } from './images.ts';
import { chunksOf } from './outbox.ts';
import { findOrMakePerson, type Person } from './people.ts';
import { lockPerson } from './persons.ts';
import { boxOf } from './read-faces.ts';
import { addReferenceOfFace, measureReferencesOf, SAME_PICTURE_DISTANCE } from './references.ts';
import { forgetRejections } from './reject-face.ts';
import { distanceBetween } from './similarity.ts';

export interface NamedFaces {
  readonly person: Person;
  readonly faces: number;
  readonly images: number;
  /** How many of the faces have become references. */
  readonly enrolled: number;
}

/**
 * So many faces become references: enough to show a person as they look at different times, few enough that one who was
 * taken for another does not drag strangers along.
 */
const MAX_ENROLLED = 5;

/**
 * Says whose faces these are, once and for all, in one transaction; the best of them become references. It is for each as
 * `PUT /v1/faces/:id/person`.
 *
 * @param select reads the ids of the faces and locks them; of those, unknown ones with a descriptor are named
 * @param record what is recorded besides
 * @throws PermanentError `person_not_found`, and what `select` throws
 */
export function nameFaces(
  db: Database,
  person: number | string,
  select: (connection: Queryable) => Promise<readonly number[]>,
  told: { actor: Actor; record: Pick<AuditRecord, 'action' | 'details'> },
): Promise<NamedFaces> {
  return changeOnce(db, told.actor, (connection) => writeNames(connection, person, select, told));
}

/** As `nameFaces`, as the first thing that a transaction changes. */
export async function writeNames(
  connection: Queryable,
  person: number | string,
  select: (connection: Queryable) => Promise<readonly number[]>,
  { actor, record }: { actor: Actor; record: Pick<AuditRecord, 'action' | 'details'> },
): Promise<NamedFaces> {
  const revision = await bumpRevision(connection);
  const personId = typeof person === 'number' ? person : await findOrMakePerson(connection, person, actor);
  await lockPerson(connection, personId);
  const [people] = await connection.query<Row[]>('SELECT name FROM person WHERE id = ?', [personId]);
  const faces = await lockFaces(connection, await select(connection));
  const references = await enrolBest(connection, faces, personId, revision);
  for (const some of chunksOf(faces)) await nameSome(connection, some, personId, revision);
  const imageIds = [...new Set(faces.map((face) => face.imageId))].sort((a, b) => a - b);
  for (const some of chunksOf(imageIds)) {
    await updateImageSummaries(connection, some);
    await connection.query('UPDATE images SET rematch = 2 WHERE id IN (?)', [some]);
  }
  const details = { ...record.details, faces: faces.length, enrolled: references };
  await recordAudit(connection, actor, { ...record, personId, details });
  return {
    person: { id: personId, name: people[0]?.name },
    faces: faces.length,
    images: imageIds.length,
    enrolled: references,
  };
}

interface UnnamedFace {
  readonly id: number;
  readonly imageId: number;
  readonly descriptor: Float32Array;
  readonly model: string;
  readonly box: BoundingBox | null;
  readonly quality: FaceQuality | null;
}

async function lockFaces(connection: Queryable, ids: readonly number[]): Promise<UnnamedFace[]> {
  const found: UnnamedFace[] = [];
  for (const some of chunksOf(ids)) {
    const [rows] = await connection.query<Row[]>(
      `SELECT id, image_id, descriptor, model, quality, box_left, box_top, box_width, box_height FROM faces
        WHERE id IN (?) AND person_id IS NULL AND erased_at IS NULL AND descriptor IS NOT NULL ORDER BY id FOR UPDATE`,
      [some],
    );
    found.push(
      ...rows.map((row) => ({
        id: row.id as number,
        imageId: row.image_id as number,
        descriptor: descriptorFromBytes(row.descriptor),
        model: row.model as string,
        box: boxOf(row),
        quality: faceQualityFromColumn(row.quality),
      })),
    );
  }
  return found;
}

/** The best faces, none that strangers come near to, and no picture twice. @returns how many */
async function enrolBest(
  connection: Queryable,
  faces: readonly UnnamedFace[],
  personId: number,
  revision: number,
): Promise<number> {
  const chosen: UnnamedFace[] = [];
  const good = faces.filter(({ quality }) => !isMisleading(quality));
  for (const face of good.toSorted((a, b) => rankQuality(b.quality) - rankQuality(a.quality) || a.id - b.id)) {
    if (chosen.length === MAX_ENROLLED) break;
    if (chosen.some((other) => distanceBetween(face.descriptor, other.descriptor) < SAME_PICTURE_DISTANCE)) continue;
    const [nearest] = await measureReferencesOf(connection, personId, face);
    if (nearest === undefined || nearest.distance >= SAME_PICTURE_DISTANCE) chosen.push(face);
  }
  for (const face of chosen) await addReferenceOfFace(connection, face, personId, revision);
  return chosen.length;
}

async function nameSome(connection: Queryable, faces: readonly UnnamedFace[], personId: number, revision: number) {
  const ids = faces.map((face) => face.id);
  await forgetRejections(connection, ids, personId, revision);
  await connection.query(
    `UPDATE faces SET person_id = ?, person_image_id = NULL, distance = NULL, decided_by = 'user' WHERE id IN (?)`,
    [personId, ids],
  );
}
