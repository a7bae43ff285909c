import type { Queryable, Row } from './database.ts';
import type { FaceDecision } from './faces.ts';
import { updateImageSummary } from './image-summary.ts';
import { storedCandidatesToColumn } from './stored-candidates.ts';

/** `images.rematch`, where somebody who marked an image has changed its answer as well. */
const CHANGED_ALREADY = 2;

type Decisions = ReadonlyMap<number, FaceDecision>;

interface Rewrite {
  readonly model: string;
  readonly galleryRevision: number;
  readonly decisions: Decisions;
}

/** Documented at `Faces`. */
export async function rewriteDecisions(
  connection: Queryable,
  imageId: number,
  model: string,
  galleryRevision: number,
  decisions: Decisions,
): Promise<{ changed: boolean }> {
  // Whoever names or un-names a face marks its image in the same transaction, and so waits here, or is waited for.
  const [images] = await connection.query<Row[]>('SELECT status, rematch FROM images WHERE id = ? FOR UPDATE', [
    imageId,
  ]);
  const [image] = images;
  if (image === undefined || !['matched', 'unknown', 'no_face'].includes(image.status)) {
    return { changed: false };
  }
  const [faces] = await connection.query<Row[]>(
    `SELECT id, face_index, person_id, decided_by, model, gallery_revision FROM faces
      WHERE image_id = ? AND descriptor IS NOT NULL FOR UPDATE`,
    [imageId],
  );
  const rewrite = { model, galleryRevision, decisions };
  if (contradictsFaces(faces, rewrite) || (await contradictsPeople(connection, faces, rewrite))) {
    await connection.query('UPDATE images SET rematch = GREATEST(rematch, 1) WHERE id = ?', [imageId]);
    return { changed: false };
  }
  await writeDecisions(connection, imageId, faces, rewrite);
  const summaryChanged = await updateImageSummary(connection, imageId);
  await connection.query('UPDATE images SET rematch = 0 WHERE id = ?', [imageId]);
  const changed = decidedByGallery(faces).some((row) => row.person_id !== personIn(rewrite, row));
  return { changed: changed || summaryChanged || image.rematch === CHANGED_ALREADY };
}

const decidedByGallery = (faces: readonly Row[]) => faces.filter((row) => row.decided_by === 'gallery');
const personIn = ({ decisions }: Rewrite, row: Row) => decisions.get(row.id)?.personId ?? null;

/** Whether the decisions were made of other faces than these, of other names, or of a newer gallery than they know. */
function contradictsFaces(faces: readonly Row[], rewrite: Rewrite): boolean {
  const saidByPeople = faces.filter((row) => row.decided_by === 'user');
  const taken = new Set(saidByPeople.flatMap((row) => row.person_id ?? []));
  const granted = decidedByGallery(faces).flatMap((row) => personIn(rewrite, row) ?? []);
  return (
    decidedByGallery(faces).some(
      (row) =>
        !rewrite.decisions.has(row.id) ||
        row.model !== rewrite.model ||
        (row.gallery_revision ?? 0) > rewrite.galleryRevision,
    ) ||
    saidByPeople.some(
      (row) =>
        ![null, row.person_id].includes(personIn(rewrite, row)) ||
        (rewrite.decisions.has(row.id) && row.model !== rewrite.model),
    ) ||
    granted.some((personId) => taken.has(personId)) ||
    new Set(granted).size < granted.length
  );
}

/** Whether people have rejected, removed or moved what the decisions rest on. Read with locks: as it is, not as it was. */
async function contradictsPeople(connection: Queryable, faces: readonly Row[], rewrite: Rewrite): Promise<boolean> {
  if (faces.length === 0) return false;
  const [rejections] = await connection.query<Row[]>(
    `SELECT r.face_id, r.person_id, p.revision FROM face_rejections r JOIN person p ON p.id = r.person_id
      WHERE r.face_id IN (?) LOCK IN SHARE MODE`,
    [faces.map((row) => row.id)],
  );
  const rejected = rejections.some(
    (row) => row.revision > rewrite.galleryRevision || rewrite.decisions.get(row.face_id)?.personId === row.person_id,
  );
  if (rejected) return true;
  const named = decidedByGallery(faces).flatMap((row) => {
    const { personId = null, personImageId = null } = rewrite.decisions.get(row.id) ?? {};
    return personId === null ? [] : [{ personId, personImageId }];
  });
  if (named.length === 0) return false;
  const [references] = await connection.query<Row[]>(
    `SELECT pi.id, pi.person_id FROM person_images pi JOIN person p ON p.id = pi.person_id
      WHERE pi.id IN (?) LOCK IN SHARE MODE`,
    [named.map(({ personImageId }) => personImageId)],
  );
  const personOf = new Map<number | null, number>(references.map((row) => [row.id, row.person_id]));
  return named.some(({ personId, personImageId }) => personOf.get(personImageId) !== personId);
}

async function writeDecisions(
  connection: Queryable,
  imageId: number,
  faces: readonly Row[],
  { galleryRevision, decisions }: Rewrite,
): Promise<void> {
  const columns = ['candidates', 'gallery_revision'];
  const provenance = ['person_id', 'person_image_id', 'distance', 'threshold'];
  const valuesOf = (decision: FaceDecision) => [
    storedCandidatesToColumn(decision.candidates),
    galleryRevision,
    decision.personId,
    decision.personImageId,
    decision.distance,
    decision.threshold,
  ];
  for (const [kind, written] of [
    ['gallery', [...columns, ...provenance]],
    ['user', columns],
  ] as const) {
    const rows = faces.flatMap((row) => {
      const decision = row.decided_by === kind ? decisions.get(row.id) : undefined;
      return decision ? [[row.id, imageId, row.face_index, ...valuesOf(decision).slice(0, written.length)]] : [];
    });
    if (rows.length === 0) continue;
    // The rows are there and locked: it never inserts, and one statement writes all of them.
    await connection.query(
      `INSERT INTO faces (id, image_id, face_index, ${written.join(', ')}) VALUES ?
       ON DUPLICATE KEY UPDATE ${written.map((column) => `${column} = VALUES(${column})`).join(', ')}`,
      [rows],
    );
  }
}
