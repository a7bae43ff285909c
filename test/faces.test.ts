import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Database, descriptorToBytes, openDatabase, type Row, type WriteResult } from '../lib/database.ts';
import { type FaceDecision, type Faces, openFaces } from '../lib/faces.ts';
import { type Images, openImages, type SeenFace } from '../lib/images.ts';
import { listMarkedImages } from '../lib/rematch-images.ts';
import { createDatabase, type TestDatabase } from './servers.ts';

const MODEL = 'm1';
const descriptor = Array.from({ length: 128 }, () => 0.25);

let database: TestDatabase;
let db: Database;
let faces: Faces;
let images: Images;
/** Two people with a reference each. */
let ada: { personId: number; personImageId: number };
let bo: typeof ada;

beforeAll(async () => {
  database = await createDatabase();
  db = openDatabase(database.url);
  faces = openFaces(db);
  images = openImages(db);
  ada = await addPerson('ada');
  bo = await addPerson('bo');
});

afterAll(async () => {
  await db.close();
  await database.drop();
});

async function addPerson(name: string) {
  const [person] = await db.query<WriteResult>('INSERT INTO person (name) VALUES (?)', [name]);
  const [reference] = await db.query<WriteResult>(
    'INSERT INTO person_images (image_name, person_id, descriptor, model) VALUES (?, ?, ?, ?)',
    [`${name}.jpg`, person.insertId, descriptorToBytes(descriptor), MODEL],
  );
  return { personId: person.insertId, personImageId: reference.insertId };
}

const readRevision = async () =>
  (await db.query<Row[]>('SELECT revision FROM gallery WHERE id = 1'))[0][0]?.revision as number;

const changeGallery = () => db.query('UPDATE gallery SET revision = revision + 1 WHERE id = 1');

/** An image with as many faces as people are given, null for a stranger. */
async function addImage(path: string, named: (typeof ada | null)[], revision?: number) {
  const [image] = await images.addImages([path]);
  if (image === undefined) throw new Error('an image');
  const galleryRevision = revision ?? (await readRevision());
  const seen = named.map(
    (person): SeenFace => ({
      ...{ box: null, confidence: 0.9, descriptor, model: MODEL, distance: 0.4, threshold: 0.55, galleryRevision },
      ...{ personId: person?.personId ?? null, personImageId: person?.personImageId ?? null, candidates: [] },
      quality: null,
    }),
  );
  const personId = named.find((person) => person !== null)?.personId ?? null;
  const status = personId === null ? 'unknown' : 'matched';
  await images.recordOutcome(image.id, { status, personId, width: 10, height: 10, faces: seen });
  const probes = (await faces.readProbes([image.id])).get(image.id)?.probes ?? [];
  return { id: image.id, faceIds: probes.map(({ faceId }) => faceId), galleryRevision };
}

function decide(person: typeof ada | null, distance = 0.3): FaceDecision {
  const candidates = [ada, bo].map((candidate) => ({ ...candidate, distance }));
  const { personId = null, personImageId = null } = person ?? {};
  return { personId, personImageId, distance, threshold: 0.5, candidates };
}

type Added = Awaited<ReturnType<typeof addImage>>;

async function rewrite(
  image: Added,
  decisions: FaceDecision[],
  { revision = image.galleryRevision, model = MODEL } = {},
) {
  const byFace = new Map(decisions.flatMap((one, index) => [[image.faceIds[index] ?? 0, one] as const]));
  const decided = new Map([[image.id, byFace]]);
  const changed = await db.transact((connection) => faces.rewriteDecisions(connection, model, revision, decided));
  return { changed: changed.includes(image.id) };
}

const isMarked = async (image: Added) =>
  (await db.query<Row[]>('SELECT rematch FROM images WHERE id = ?', [image.id]))[0][0]?.rematch === 1;
const mark = (image: Added) => db.query('UPDATE images SET rematch = 1 WHERE id = ?', [image.id]);
const namesIn = async (image: Added) =>
  (await images.findImage(image.id))?.faces.map(({ person }) => person?.name ?? null);

describe('an outcome', () => {
  test('that is older than the gallery marks its image, one that knows it does not', async () => {
    const fresh = await addImage('fresh.jpg', [null]);
    const revision = await readRevision();
    await changeGallery();
    const stale = await addImage('stale.jpg', [null], revision);
    const elsewhere = await addImage('without-database.jpg', [null], 0);
    expect(await listMarkedImages(db, Number.MAX_SAFE_INTEGER, 10)).toEqual([stale.id]);
    expect([await isMarked(fresh), await isMarked(elsewhere)]).toEqual([false, false]);
    await rewrite(stale, [decide(null)], { revision: revision + 1 });
    expect(await listMarkedImages(db, Number.MAX_SAFE_INTEGER, 10)).toEqual([]);
  });

  test('waits for a change of the gallery that is being made, and knows it', async () => {
    const revision = await readRevision();
    let adding: Promise<Added> | undefined;
    await db.transact(async (connection) => {
      await connection.query('UPDATE gallery SET revision = revision + 1 WHERE id = 1');
      adding = addImage('meanwhile.jpg', [null], revision);
      await new Promise((resolve) => setTimeout(resolve, 200));
    });
    const image = await adding;
    expect(image && (await isMarked(image))).toBe(true);
    if (image) await rewrite(image, [decide(null)], { revision: revision + 1 });
  });
});

describe('decisions that are written again', () => {
  test('change faces and image, clear the mark, and say whether any answer changed', async () => {
    const image = await addImage('change.jpg', [ada, null]);
    await mark(image);
    expect(await rewrite(image, [decide(null), decide(bo)])).toEqual({ changed: true });
    expect(await images.findImage(image.id)).toMatchObject({ status: 'matched', person: { name: 'bo' } });
    expect(await isMarked(image)).toBe(false);
    const face = await faces.findFace(image.faceIds[1] ?? 0);
    expect(face).toMatchObject({
      ...{ imageId: image.id, person: { name: 'bo' }, referenceImage: 'bo.jpg', decidedBy: 'gallery' },
      ...{ distance: 0.3, threshold: 0.5, model: MODEL, galleryRevision: image.galleryRevision, erasedAt: null },
      candidates: [{ person: { name: 'ada' }, distance: 0.3 }, { person: { name: 'bo' } }],
    });
    expect(await rewrite(image, [decide(null, 0.35), decide(bo)])).toEqual({ changed: false });
    // Whoever marked it has changed its answer before.
    await db.query('UPDATE images SET rematch = 2 WHERE id = ?', [image.id]);
    expect(await listMarkedImages(db, Number.MAX_SAFE_INTEGER, 10)).toEqual([image.id]);
    expect(await rewrite(image, [decide(null, 0.35), decide(bo)])).toEqual({ changed: true });
    expect(await rewrite(image, [decide(null), decide(null)])).toEqual({ changed: true });
    expect(await images.findImage(image.id)).toMatchObject({ status: 'unknown', person: null });
  });

  test('leave what a person said, but for its candidates; their word decides for the image', async () => {
    const image = await addImage('said.jpg', [ada, null]);
    await db.query("UPDATE faces SET decided_by = 'user', distance = NULL WHERE id = ?", [image.faceIds[0]]);
    // A match of that face is no part of its decision; the same person given again is.
    for (const own of [decide(null), decide(ada)]) {
      await mark(image);
      await rewrite(image, [own, decide(bo, 0.1)]);
      expect([await namesIn(image), await isMarked(image)]).toEqual([['ada', 'bo'], false]);
    }
    expect(await images.findImage(image.id)).toMatchObject({
      person: { name: 'ada' },
      faces: [{ decidedBy: 'user', distance: null, candidates: [{ distance: 0.3 }, { distance: 0.3 }] }, {}],
    });
  });

  test('of an image without faces clear its mark and nothing else', async () => {
    const image = await addImage('nobody.jpg', []);
    await mark(image);
    expect(await rewrite(image, [])).toEqual({ changed: false });
    expect(await isMarked(image)).toBe(false);
  });
});

describe('decisions that contradict what is so by now are not written, and the image stays marked', () => {
  const contradictions: [
    string,
    (faceIds: readonly number[]) => Promise<unknown>,
    { revision?: number; model?: string },
  ][] = [
    ['the person was given to another face', ([, id]) => say(id, ada), {}],
    ['another person was given to the face', ([id]) => say(id, bo), {}],
    ['the person was rejected for the face', ([id]) => reject(id, ada), {}],
    ['somebody was rejected for a face after that revision', ([, id]) => reject(id, bo, 1_000_000), {}],
    ['the decisions are older than what is written', async () => undefined, { revision: 0 }],
    ['the descriptors are of another model by now', async () => undefined, { model: 'm0' }],
  ];

  test.each(contradictions)('%s', async (what, change, options) => {
    const image = await addImage(`${what}.jpg`, [null, null]);
    await change(image.faceIds);
    const before = await namesIn(image);
    expect(await rewrite(image, [decide(ada), decide(null)], options)).toEqual({ changed: false });
    expect([await namesIn(image), await isMarked(image)]).toEqual([before, true]);
    await db.query('DELETE FROM images WHERE id = ?', [image.id]);
  });

  test('the person is gone, or the reference is somebody else’s', async () => {
    const image = await addImage('gone.jpg', [null]);
    const cy = await addPerson('cy');
    await db.query('UPDATE person_images SET person_id = ? WHERE id = ?', [bo.personId, cy.personImageId]);
    expect(await rewrite(image, [decide(cy)])).toEqual({ changed: false });
    await db.query('UPDATE person_images SET person_id = ? WHERE id = ?', [cy.personId, cy.personImageId]);
    await db.query('DELETE FROM person WHERE id = ?', [cy.personId]);
    expect(await rewrite(image, [decide(cy)])).toEqual({ changed: false });
    expect([await namesIn(image), await isMarked(image)]).toEqual([[null], true]);
  });

  test('nobody is named twice; a face without a decision is no face that was decided', async () => {
    const image = await addImage('twice.jpg', [null, null]);
    await rewrite(image, [decide(ada), decide(ada)]);
    expect([await namesIn(image), await isMarked(image)]).toEqual([[null, null], true]);
    await rewrite(image, [decide(ada)]);
    expect([await namesIn(image), await isMarked(image)]).toEqual([[null, null], true]);
  });

  test('of an image that is gone nothing is left', async () => {
    const image = await addImage('deleted.jpg', [null]);
    await db.query('DELETE FROM images WHERE id = ?', [image.id]);
    expect(await rewrite(image, [decide(ada)])).toEqual({ changed: false });
    expect(await faces.findFace(image.faceIds[0] ?? 0)).toBeNull();
  });
});

const say = (faceId: number | undefined, person: typeof ada) =>
  db.query("UPDATE faces SET decided_by = 'user', person_id = ? WHERE id = ?", [person.personId, faceId]);

async function reject(faceId: number | undefined, person: typeof ada, revision = 0) {
  await db.query('INSERT INTO face_rejections (person_id, face_id) VALUES (?, ?)', [person.personId, faceId]);
  await db.query('UPDATE person SET revision = ? WHERE id = ?', [revision, person.personId]);
}
