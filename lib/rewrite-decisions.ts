import type { Queryable, Row } from './database.ts';
import type { FaceDecision } from './faces.ts';
import { summariseFaces } from './image-summary.ts';
import { storedCandidatesToColumn } from './stored-candidates.ts';

/** `images.rematch`, where somebody who marked an image has changed its answer as well. */
const CHANGED_ALREADY = 2;

type Decisions = ReadonlyMap<number, FaceDecision>;

interface Rewrite {
  readonly model: string;
  readonly galleryRevision: number;
  readonly decisions: Decisions;
}

/** Documented at `Faces`. Statements are for all images at once: one by one they would take most of the time. */
export async function rewriteDecisions(
  connection: Queryable,
  model: string,
  galleryRevision: number,
  decided: ReadonlyMap<number, Decisions>,
): Promise<number[]> {
  if (decided.size === 0) return [];
  // Whoever names or un-names a face marks its image in the same transaction, and so waits here, or is waited for.
  const [images] = await connection.query<Row[]>(
    'SELECT id, status, person, rematch FROM images WHERE id IN (?) ORDER BY id FOR UPDATE',
    [[...decided.keys()]],
  );
  const seen = images.filter((image) => ['matched', 'unknown', 'no_face'].includes(image.status));
  if (seen.length === 0) return [];
  const facesOf = await readFaces(
    connection,
    seen.map((image) => image.id),
  );
  const rewrites = seen.map((image): ImageRewrite => {
    const faces = facesOf.get(image.id) ?? [];
    const comparable = faces.filter((row) => row.comparable === 1);
    return { image, faces, comparable, model, galleryRevision, decisions: decided.get(image.id) ?? new Map() };
  });
  const consistent = rewrites.filter((rewrite) => !contradictsFaces(rewrite.comparable, rewrite));
  const people = await readPeopleBehind(connection, consistent);
  const accepted = consistent.filter((rewrite) => !contradictsPeople(people, rewrite));
  await setMarks(connection, without(rewrites, accepted), 'GREATEST(rematch, 1)');
  await writeDecisions(connection, accepted);
  const summarised = await writeSummaries(connection, accepted);
  await setMarks(connection, accepted, '0');
  return accepted.filter((rewrite) => hasChanged(rewrite) || summarised.has(rewrite)).map(({ image }) => image.id);
}

interface ImageRewrite extends Rewrite {
  readonly image: Row;
  readonly faces: readonly Row[];
  /** Those of the faces that have a descriptor. */
  readonly comparable: readonly Row[];
}

async function readFaces(connection: Queryable, imageIds: readonly number[]): Promise<Map<number, Row[]>> {
  const [rows] = await connection.query<Row[]>(
    `SELECT id, image_id, face_index, person_id, distance, decided_by, model, gallery_revision,
            descriptor IS NOT NULL AS comparable
       FROM faces WHERE image_id IN (?) ORDER BY image_id, face_index FOR UPDATE`,
    [imageIds],
  );
  const facesOf = new Map<number, Row[]>();
  for (const row of rows) facesOf.set(row.image_id, [...(facesOf.get(row.image_id) ?? []), row]);
  return facesOf;
}

function hasChanged(rewrite: ImageRewrite): boolean {
  const renamed = decidedByGallery(rewrite.comparable).some((row) => row.person_id !== personIn(rewrite, row));
  return renamed || rewrite.image.rematch === CHANGED_ALREADY;
}

const without = (all: readonly ImageRewrite[], some: readonly ImageRewrite[]) =>
  all.filter((one) => !some.includes(one));

async function setMarks(connection: Queryable, rewrites: readonly ImageRewrite[], mark: string): Promise<void> {
  if (rewrites.length === 0) return;
  await connection.query(`UPDATE images SET rematch = ${mark} WHERE id IN (?)`, [
    rewrites.map(({ image }) => image.id),
  ]);
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

/** What people have said that decisions may contradict. */
interface PeopleBehind {
  /** Rows of `face_rejections`, with the revision of the person. */
  readonly rejections: readonly Row[];
  /** Whose each reference is. */
  readonly personOf: ReadonlyMap<number | null, number>;
}

/** Read with locks: as it is, not as it was. */
async function readPeopleBehind(connection: Queryable, rewrites: readonly ImageRewrite[]): Promise<PeopleBehind> {
  const faceIds = rewrites.flatMap(({ comparable }) => comparable.map((row): number => row.id));
  if (faceIds.length === 0) return { rejections: [], personOf: new Map() };
  const [rejections] = await connection.query<Row[]>(
    `SELECT r.face_id, r.person_id, p.revision FROM face_rejections r JOIN person p ON p.id = r.person_id
      WHERE r.face_id IN (?) LOCK IN SHARE MODE`,
    [faceIds],
  );
  const named = rewrites.flatMap((rewrite) => namesIn(rewrite).map(({ personImageId }) => personImageId));
  if (named.length === 0) return { rejections, personOf: new Map() };
  const [references] = await connection.query<Row[]>(
    `SELECT pi.id, pi.person_id FROM person_images pi JOIN person p ON p.id = pi.person_id
      WHERE pi.id IN (?) LOCK IN SHARE MODE`,
    [named],
  );
  return { rejections, personOf: new Map(references.map((row) => [row.id, row.person_id])) };
}

/** The people whom decisions name, with the references that they rest on. */
function namesIn({ comparable, decisions }: ImageRewrite) {
  return decidedByGallery(comparable).flatMap((row) => {
    const { personId = null, personImageId = null } = decisions.get(row.id) ?? {};
    return personId === null ? [] : [{ personId, personImageId }];
  });
}

/** Whether people have rejected, removed or moved what the decisions rest on. */
function contradictsPeople({ rejections, personOf }: PeopleBehind, rewrite: ImageRewrite): boolean {
  const { comparable, decisions, galleryRevision } = rewrite;
  const own = new Set(comparable.map((row) => row.id));
  const rejected = rejections.some(
    (row) =>
      own.has(row.face_id) &&
      (row.revision > galleryRevision || decisions.get(row.face_id)?.personId === row.person_id),
  );
  return rejected || namesIn(rewrite).some(({ personId, personImageId }) => personOf.get(personImageId) !== personId);
}

async function writeDecisions(connection: Queryable, rewrites: readonly ImageRewrite[]): Promise<void> {
  const columns = ['candidates', 'gallery_revision'];
  const provenance = ['person_id', 'person_image_id', 'distance', 'threshold'];
  for (const [kind, written] of [
    ['gallery', [...columns, ...provenance]],
    ['user', columns],
  ] as const) {
    const rows = rewrites.flatMap(({ image, comparable, galleryRevision, decisions }) =>
      comparable.flatMap((row) => {
        const decision = row.decided_by === kind ? decisions.get(row.id) : undefined;
        if (decision === undefined) return [];
        return [[row.id, image.id, row.face_index, ...valuesOf(decision, galleryRevision).slice(0, written.length)]];
      }),
    );
    if (rows.length === 0) continue;
    // The rows are there and locked: it never inserts, and one statement writes all of them.
    await connection.query(
      `INSERT INTO faces (id, image_id, face_index, ${written.join(', ')}) VALUES ?
       ON DUPLICATE KEY UPDATE ${written.map((column) => `${column} = VALUES(${column})`).join(', ')}`,
      [rows],
    );
  }
}

function valuesOf(decision: FaceDecision, galleryRevision: number) {
  return [
    storedCandidatesToColumn(decision.candidates),
    galleryRevision,
    decision.personId,
    decision.personImageId,
    decision.distance,
    decision.threshold,
  ];
}

/** Brings status and person of the images up to date. @returns those where either is another one now */
async function writeSummaries(
  connection: Queryable,
  rewrites: readonly ImageRewrite[],
): Promise<ReadonlySet<ImageRewrite>> {
  const changed = new Set<ImageRewrite>();
  for (const rewrite of rewrites) {
    const { image, faces, decisions } = rewrite;
    if (faces.length === 0 || image.status === 'no_face') continue;
    const { status, personId } = summariseFaces(
      faces.map((row) => {
        const decision = row.comparable === 1 && row.decided_by === 'gallery' ? decisions.get(row.id) : undefined;
        const { personId, distance } = decision ?? { personId: row.person_id, distance: row.distance };
        return { personId, distance, decidedBy: row.decided_by };
      }),
    );
    if (status === image.status && personId === image.person) continue;
    await connection.query('UPDATE images SET status = ?, person = ? WHERE id = ?', [status, personId, image.id]);
    changed.add(rewrite);
  }
  return changed;
}
