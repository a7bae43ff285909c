import { createSeededRandom } from '../cli/eval/seeded-random.ts';
import { type Database, descriptorToBytes, type Row, type WriteResult } from '../lib/database.ts';
import { CANDIDATE_LIMIT, DEFAULT_THRESHOLD } from '../lib/similarity.ts';
import { MODEL } from '../recognizer/engine/face-api-models.ts';

// Photos that were looked at long ago, made up: what the rematch job works on. The same in every run.

/** How far apart face-api's descriptors of two people, and of two photos of one person, lie on the average. */
const STRANGERS_APART = 0.85;
const PHOTOS_APART = 0.42;
const FLOATS = 128;
const ROWS = 1_000;

export interface StoredFacesPlan {
  readonly seed: number;
  /** People in the gallery, with one reference each. */
  readonly known: number;
  /** How many photos each unknown person is in; the first ones are those to name. */
  readonly photosOfPeople: readonly number[];
}

/** 100,000 faces: people in 300, 40 and 3 photos first; of the others most are in few, some in many. */
export const A_HUNDRED_THOUSAND: Omit<StoredFacesPlan, 'known'> = {
  seed: 1,
  photosOfPeople: [300, 40, 3, ...peopleIn(99_657)],
};

function peopleIn(faces: number): number[] {
  const photos: number[] = [];
  for (let left = faces; left > 0; left -= photos.at(-1) ?? 0) photos.push(Math.min(left, 1 + (photos.length % 12)));
  return photos;
}

export interface PlannedFace {
  readonly imageId: number;
  readonly descriptor: Float32Array;
}

export interface StoredFaces {
  /** Its index is the id of the row, less one. */
  readonly faces: readonly PlannedFace[];
  readonly images: number;
  /** Of each face: which unknown person it is of. */
  readonly owners: readonly number[];
  /** Ids of a face of each unknown person. */
  readonly firstFaces: readonly number[];
}

/**
 * Stores the faces of unknown people in photos of one to three, in random order, with the candidates that they have in a
 * gallery of others; the job's row says that all are up to date.
 */
export async function storeFaces(db: Database, plan: StoredFacesPlan): Promise<StoredFaces> {
  const random = createSeededRandom(plan.seed);
  const near = (centre: Float32Array | null, apart: number) =>
    Float32Array.from({ length: FLOATS }, (_, i) => (centre?.[i] ?? 0) + gaussian(random) * (apart / 16));
  const known = Array.from({ length: plan.known }, () => near(null, STRANGERS_APART));
  const owners = plan.photosOfPeople.flatMap((photos, person) => Array.from({ length: photos }, () => person));
  for (let i = owners.length - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    [owners[i], owners[j]] = [owners[j] as number, owners[i] as number];
  }
  const centres = plan.photosOfPeople.map(() => near(null, STRANGERS_APART));
  let imageId = 0;
  let room = 0;
  const faces = owners.map((person) => {
    if (room === 0) {
      imageId += 1;
      room = 1 + Math.floor(random() * 3);
    }
    room -= 1;
    return { imageId, descriptor: near(centres[person] ?? null, PHOTOS_APART) };
  });
  await insertKnown(db, known);
  await insertPhotos(db, faces, imageId, known);
  await db.query("INSERT INTO jobs (name, state) VALUES ('rematch', ?)", [
    JSON.stringify({ doneRevision: 2, lastReferenceId: plan.known }),
  ]);
  const firstFaces = plan.photosOfPeople.map((_, person) => owners.indexOf(person) + 1);
  return { faces, images: imageId, owners, firstFaces };
}

function gaussian(random: () => number): number {
  return Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
}

async function insertKnown(db: Database, known: readonly Float32Array[]): Promise<void> {
  await db.query('UPDATE gallery SET revision = revision + 1 WHERE id = 1');
  const [[gallery]] = await db.query<Row[]>('SELECT revision FROM gallery WHERE id = 1');
  if (known.length === 0) return;
  await db.query('INSERT INTO person (id, name) VALUES ?', [
    known.map((_, index) => [index + 1, `known ${index + 1}`]),
  ]);
  await db.query(
    'INSERT INTO person_images (id, image_name, person_id, descriptor, model, source, revision) VALUES ?',
    [
      known.map((one, index) => {
        const id = index + 1;
        return [id, `photo/${id}#0`, id, descriptorToBytes(one), MODEL, 'photo', gallery?.revision];
      }),
    ],
  );
}

async function insertPhotos(
  db: Database,
  faces: readonly PlannedFace[],
  images: number,
  known: readonly Float32Array[],
): Promise<void> {
  for (let start = 1; start <= images; start += ROWS) {
    const ids = Array.from({ length: Math.min(ROWS, images - start + 1) }, (_, index) => start + index);
    await db.query('INSERT INTO images (id, path, status, finished_at) VALUES ?', [
      ids.map((id) => [id, `${id}.jpg`, 'unknown', new Date()]),
    ]);
  }
  for (let start = 0; start < faces.length; start += ROWS) {
    const rows = faces.slice(start, start + ROWS).map(({ imageId, descriptor }, index) => {
      const candidates = nearestOf(descriptor, known);
      const distance = candidates[0]?.distance ?? null;
      const decided = [JSON.stringify(candidates), distance, DEFAULT_THRESHOLD, 2];
      return [start + index + 1, imageId, start + index, descriptorToBytes(descriptor), MODEL, ...decided];
    });
    await db.query(
      `INSERT INTO faces (id, image_id, face_index, descriptor, model, candidates, distance, threshold, gallery_revision)
       VALUES ?`,
      [rows.map((row) => [row[0], row[1], (row[2] as number) % 60_000, ...row.slice(3)])],
    );
  }
}

function nearestOf(descriptor: Float32Array, known: readonly Float32Array[]) {
  return known
    .map((one, index) => ({ personId: index + 1, personImageId: index + 1, distance: distanceOf(descriptor, one) }))
    .filter((one) => one.distance <= CANDIDATE_LIMIT)
    .sort((a, b) => a.distance - b.distance)
    .slice(0, 5);
}

export function distanceOf(a: Float32Array, b: Float32Array): number {
  let sum = 0;
  for (let i = 0; i < FLOATS; i++) sum += ((a[i] as number) - (b[i] as number)) ** 2;
  return Math.sqrt(sum);
}

/**
 * A person says whose a face is, as the API does: the face becomes a reference of theirs, in one transaction.
 *
 * @param marked whether the photo itself is marked, as the API does
 * @returns the id of the person
 */
export function nameFace(db: Database, faceId: number, name: string, marked = true): Promise<number> {
  return db.transact(async (connection) => {
    await connection.query('UPDATE gallery SET revision = revision + 1 WHERE id = 1');
    const [[gallery]] = await connection.query<Row[]>('SELECT revision FROM gallery WHERE id = 1');
    const [person] = await connection.query<WriteResult>('INSERT INTO person (name, revision) VALUES (?, ?)', [
      name,
      gallery?.revision,
    ]);
    await connection.query(
      `INSERT INTO person_images (image_name, person_id, descriptor, model, source, face_id, revision)
       SELECT CONCAT('face/', id), ?, descriptor, model, 'face', id, ? FROM faces WHERE id = ?`,
      [person.insertId, gallery?.revision, faceId],
    );
    await connection.query(
      `UPDATE faces f JOIN images i ON i.id = f.image_id
          SET f.person_id = ?, f.decided_by = 'user', i.rematch = ? WHERE f.id = ?`,
      [person.insertId, marked ? 1 : 0, faceId],
    );
    return person.insertId;
  });
}

/** The faces that an exact scan gives to the person whose only reference is a face: the nearest one of each photo. */
export function facesNearTo({ faces }: StoredFaces, faceId: number): Set<number> {
  const reference = faces[faceId - 1];
  if (reference === undefined) throw new Error(`There is no face ${faceId}.`);
  const nearest = new Map<number, { id: number; distance: number }>();
  for (const [index, { imageId, descriptor }] of faces.entries()) {
    const distance = distanceOf(descriptor, reference.descriptor);
    if (distance <= DEFAULT_THRESHOLD && distance < (nearest.get(imageId)?.distance ?? Number.POSITIVE_INFINITY)) {
      nearest.set(imageId, { id: index + 1, distance });
    }
  }
  return new Set([...nearest.values()].map(({ id }) => id));
}

export async function facesOf(db: Database, personId: number): Promise<Set<number>> {
  const [rows] = await db.query<Row[]>('SELECT id FROM faces WHERE person_id = ?', [personId]);
  return new Set(rows.map((row) => row.id));
}
