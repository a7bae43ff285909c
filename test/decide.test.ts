import { copyFile, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { credentials, Metadata, type ServiceError, status } from '@grpc/grpc-js';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  type Database,
  descriptorToBytes,
  openDatabase,
  type Queryable,
  type Row,
  type WriteResult,
} from '../lib/database.ts';
import { bumpRevision } from '../lib/gallery.ts';
import { listMarkedImages } from '../lib/rematch-images.ts';
import {
  IdentifyClient,
  type IdentifyResponse,
  type MatchRequest,
  type MatchResponse,
  type Probe,
} from '../proto/face.ts';
import { ask as askAt, type Json } from './ask.ts';
import { samplePhoto } from './sample-photos.ts';
import {
  createDatabase,
  createStreamName,
  natsUrl,
  type RunningService,
  startService,
  type TestDatabase,
} from './servers.ts';
import { untilRematched } from './until-rematched.ts';
import { waitFor } from './wait-for.ts';

const MODEL = 'face-api-1';
/** The gallery must not be seen by polling where Match is asked for a revision. */
const NEVER_MS = '3600000';

let folder: string;
let testDatabase: TestDatabase;
let db: Database;
let recognizer: RunningService;
let client: IdentifyClient;

/** A descriptor at a place on one axis: distances are differences. */
const at = (place: number) => Array.from({ length: 128 }, (_, index) => (index === 0 ? place : 0));

function call<Response>(start: (answer: (error: ServiceError | null, response: Response) => void) => void) {
  return new Promise<Response>((resolve, reject) => {
    start((error, response) => (error ? reject(error) : resolve(response)));
  });
}

const ask = (request: MatchRequest) => call<MatchResponse>((answer) => client.match(request, answer));

/** Decides photos at the gallery as it is now. */
async function match(photos: Partial<Probe>[][]) {
  const minGalleryRevision = await readRevision();
  const probes = photos.map((probes) => ({
    probes: probes.map((probe) => ({ descriptor: at(0), faceId: 0, qualityReasons: [], personId: 0, ...probe })),
  }));
  const response = await ask({ model: MODEL, minGalleryRevision, photos: probes });
  expect(response.galleryRevision).toBeGreaterThanOrEqual(minGalleryRevision);
  return response.photos.map(({ decisions }) => decisions);
}

/** The names that the faces of one photo get. */
async function namesOf(...probes: Partial<Probe>[]) {
  const [decisions = []] = await match([probes]);
  return decisions.map((decision) => decision.match?.personName ?? null);
}

const readRevision = async () =>
  (await db.query<Row[]>('SELECT revision FROM gallery WHERE id = 1'))[0][0]?.revision as number;

/** Changes something, as every writer does: the revision first, and stamped on what changed. */
function change<Result>(write: (revision: number, connection: Queryable) => Promise<Result>): Promise<Result> {
  return db.transact(async (connection) => write(await bumpRevision(connection), connection));
}

/** A person with one reference at a place. */
function addPerson(name: string, place: number, threshold: number | null = null) {
  return change(async (revision, connection) => {
    const [person] = await connection.query<WriteResult>(
      'INSERT INTO person (name, threshold, revision) VALUES (?, ?, ?)',
      [name, threshold, revision],
    );
    await connection.query(
      'INSERT INTO person_images (image_name, person_id, descriptor, model, revision) VALUES (?, ?, ?, ?, ?)',
      [`${name}.jpg`, person.insertId, descriptorToBytes(at(place)), MODEL, revision],
    );
    return person.insertId;
  });
}

/** A face of some photo, of which somebody said that it is not this person. */
function rejectFace(personId: number, place: number) {
  return change(async (revision, connection) => {
    await connection.query("INSERT INTO images (path, status) VALUES (?, 'unknown')", [`rejected-${revision}.jpg`]);
    await connection.query(
      'INSERT INTO faces (image_id, face_index, descriptor, model) SELECT MAX(id), 0, ?, ? FROM images',
      [descriptorToBytes(at(place)), MODEL],
    );
    const [rows] = await connection.query<Row[]>('SELECT MAX(id) AS id FROM faces');
    const faceId: number = rows[0]?.id;
    await connection.query('INSERT INTO face_rejections (person_id, face_id) VALUES (?, ?)', [personId, faceId]);
    await connection.query('UPDATE person SET revision = ? WHERE id = ?', [revision, personId]);
    return faceId;
  });
}

async function clear() {
  await change(async (revision, connection) => {
    await connection.query('UPDATE gallery SET threshold = NULL, threshold_revision = ?', [revision]);
    await connection.query('INSERT INTO gallery_removals (revision, person_image_id) SELECT ?, id FROM person_images', [
      revision,
    ]);
    await connection.query('DELETE FROM person');
  });
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'faceflow-decide-'));
  await mkdir(join(folder, 'photos'));
  await copyFile(samplePhoto(1), join(folder, 'photos', 'photo.jpg'));
  testDatabase = await createDatabase();
  db = openDatabase(testDatabase.url);
  recognizer = await startService('recognizer', {
    MYSQL_URL: testDatabase.url,
    IMAGE_ROOTS: join(folder, 'photos'),
    RECOGNIZER_WORKERS: '1',
    GALLERY_POLL_MS: NEVER_MS,
    MAX_IMAGE_BYTES: '5000000',
    LOG_LEVEL: 'debug',
  });
  client = new IdentifyClient(`127.0.0.1:${recognizer.port}`, credentials.createInsecure());
});

afterAll(async () => {
  client.close();
  await recognizer.stop();
  await db.close();
  await testDatabase.drop();
  await rm(folder, { recursive: true });
});

describe('Match', () => {
  test('answers photo by photo, face by face, in the order asked, with why', async () => {
    await clear();
    const ada = await addPerson('Ada', 0);
    const bo = await addPerson('Bo', 0.5);
    const photos = await match([[{ descriptor: at(-0.25) }], [], [{ descriptor: at(3) }, { descriptor: at(0.375) }]]);
    expect(photos.map((decisions) => decisions.map((one) => one.match?.personName ?? null))).toEqual([
      ['Ada'],
      [],
      [null, 'Bo'],
    ]);
    expect(photos[0]?.[0]).toMatchObject({ nearestDistance: 0.25, threshold: 0.55, match: { imageName: 'Ada.jpg' } });
    expect(photos[2]?.[0]).toMatchObject({ nearestDistance: 2.5, threshold: 0.55, candidates: [] });
    expect(photos[2]?.[1]?.candidates).toMatchObject([
      { personId: bo, distance: 0.125 },
      { personId: ada, distance: 0.375 },
    ]);
  });

  test('nobody is named twice in a photo, and the whole photo counts', async () => {
    await clear();
    await addPerson('Ada', 0);
    expect(await namesOf({ descriptor: at(0.25) }, { descriptor: at(0.125) })).toEqual([null, 'Ada']);
    await addPerson('Bo', -0.5);
    // The nearest pair is the second face and Ada; it would leave the first one nobody but Bo, who is too far.
    expect(await namesOf({ descriptor: at(0.375) }, { descriptor: at(-0.1875) })).toEqual(['Ada', 'Bo']);
  });

  test('a face that a person has named is theirs, and nobody else in the photo is', async () => {
    await clear();
    const ada = await addPerson('Ada', 0);
    const bo = await addPerson('Bo', 0.5);
    expect(await namesOf({ descriptor: at(0) }, { descriptor: at(2), personId: ada })).toEqual(['Bo', null]);
    const [[, pinned] = []] = await match([[{}, { descriptor: at(0.5), personId: ada }]]);
    expect(pinned).toMatchObject({ match: undefined, candidates: [{ personId: bo }, { personId: ada }] });
  });

  test('"not this person" holds for that face, and for faces like it', async () => {
    await clear();
    const ada = await addPerson('Ada', 0);
    await addPerson('Bo', 0.75);
    const rejected = await rejectFace(ada, 0.25);
    expect(await namesOf({ descriptor: at(0.25), faceId: rejected })).toEqual(['Bo']);
    expect(await namesOf({ descriptor: at(0.1875) })).toEqual([null]);
    expect(await namesOf({ descriptor: at(0.0625) })).toEqual(['Ada']);
    // Even where its descriptor is gone.
    await change(async (revision, connection) => {
      await connection.query('UPDATE faces SET descriptor = NULL WHERE id = ?', [rejected]);
      await connection.query('UPDATE person SET revision = ? WHERE id = ?', [revision, ada]);
    });
    expect(await namesOf({ descriptor: at(0.1875), faceId: rejected })).toEqual([null]);
    expect(await namesOf({ descriptor: at(0.1875) })).toEqual(['Ada']);
  });

  test('people may have thresholds of their own, and so may the gallery', async () => {
    await clear();
    await addPerson('Ada', 0, 0.25);
    await addPerson('Bo', 3, 0.65);
    const probes = [{ descriptor: at(0.375) }, { descriptor: at(2.375) }, { descriptor: at(0.1875) }];
    expect(await namesOf(...probes)).toEqual([null, 'Bo', 'Ada']);
    await change((revision, connection) =>
      connection.query('UPDATE person SET threshold = NULL, revision = ?', [revision]),
    );
    expect(await namesOf(...probes.slice(0, 2))).toEqual(['Ada', null]);
    await change((revision, connection) =>
      connection.query('UPDATE gallery SET threshold = 0.3, threshold_revision = ?', [revision]),
    );
    expect(await namesOf(...probes.slice(0, 2))).toEqual([null, null]);
  });

  test('a revision that is asked for is seen at once; one that cannot be is UNAVAILABLE', async () => {
    await clear();
    expect(await namesOf({})).toEqual([null]);
    await addPerson('Ada', 0);
    // Nothing polls here: who asks for no revision gets the gallery as it was.
    const photos = [{ probes: [{ descriptor: at(0), faceId: 0, qualityReasons: [], personId: 0 }] }];
    const stale = await ask({ model: MODEL, minGalleryRevision: 0, photos });
    expect(stale.photos[0]?.decisions[0]?.match).toBeUndefined();
    expect(await namesOf({})).toEqual(['Ada']);
    const minGalleryRevision = (await readRevision()) + 1;
    await expect(ask({ model: MODEL, minGalleryRevision, photos })).rejects.toMatchObject({
      code: status.UNAVAILABLE,
      details: expect.stringContaining(`Revision ${minGalleryRevision}`),
    });
    await db.query('RENAME TABLE gallery TO gallery_away');
    const away = ask({ model: MODEL, minGalleryRevision, photos });
    await expect(away).rejects.toMatchObject({ code: status.UNAVAILABLE });
    await db.query('RENAME TABLE gallery_away TO gallery');
  });

  test('descriptors of another model, or of another length, are refused', async () => {
    const request = { model: MODEL, minGalleryRevision: 0, photos: [] };
    for (const model of ['face-api-2', '']) {
      await expect(ask({ ...request, model })).rejects.toMatchObject({ code: status.FAILED_PRECONDITION });
    }
    const photos = [{ probes: [{ descriptor: [1, 2], faceId: 0, qualityReasons: [], personId: 0 }] }];
    const error: ServiceError = await ask({ ...request, photos }).then(
      () => Promise.reject(new Error('answered')),
      (failure) => failure,
    );
    expect(error.code).toBe(status.INVALID_ARGUMENT);
    expect(error.metadata.get('faceflow-error-code')).toEqual(['descriptor_invalid']);
  });

  test('a large batch keeps nobody waiting for long', async () => {
    await clear();
    const ada = await addPerson('Ada', 0);
    await change((revision, connection) =>
      connection.query('INSERT INTO person_images (image_name, person_id, descriptor, model, revision) VALUES ?', [
        Array.from({ length: 2_000 }, (_, index) => [
          ...[`many-${index}.jpg`, ada, descriptorToBytes(at(index / 1_000)), MODEL, revision],
        ]),
      ]),
    );
    await match([[]]);
    const probe = { descriptor: at(0.5), faceId: 0, qualityReasons: [], personId: 0 };
    const photos = Array.from({ length: 500 }, () => ({ probes: [probe, probe] }));
    const asked = performance.now();
    let busyMs = 0;
    const answered = ask({ model: MODEL, minGalleryRevision: 0, photos }).finally(() => {
      busyMs = performance.now() - asked;
    });
    const waits: number[] = [];
    while (busyMs === 0) {
      const started = performance.now();
      await ask({ model: MODEL, minGalleryRevision: 0, photos: [] });
      waits.push(performance.now() - started);
    }
    expect((await answered).photos).toHaveLength(500);
    expect(Math.max(...waits)).toBeLessThan(busyMs / 2);
  });
});

describe('Identify with a photo instead of its path', () => {
  const identify = (imagePath: string, image: Buffer) =>
    call<IdentifyResponse>((answer) =>
      client.identify({ imagePath, image }, new Metadata(), { deadline: Date.now() + 60_000 }, answer),
    );
  const failWith = (imagePath: string, image: Buffer) =>
    identify(imagePath, image).then(
      () => Promise.reject(new Error('answered')),
      (error: ServiceError) => [error.code, error.metadata.get('faceflow-error-code')[0]],
    );

  test('sees what it sees in the file, and names it', async () => {
    await clear();
    const file = await readFile(samplePhoto(1));
    const fromFile = await identify('photo.jpg', Buffer.alloc(0));
    const [seen] = fromFile.recognition?.faces ?? [];
    const ada = await addPerson('Ada', 0);
    await change((revision, connection) =>
      connection.query('UPDATE person_images SET descriptor = ?, revision = ?', [
        descriptorToBytes(seen?.descriptor ?? []),
        revision,
      ]),
    );
    await match([[]]);
    const { recognition, imageName } = await identify('', file);
    expect(imageName).toBe('Ada.jpg');
    expect(recognition).toMatchObject({ width: 1920, height: 1280, galleryRevision: await readRevision() });
    expect(recognition?.faces.map(({ box }) => box)).toEqual(fromFile.recognition?.faces.map(({ box }) => box));
    expect(recognition?.faces[0]).toMatchObject({
      // It leans: it must be nearer than others (recognizer/quality.ts).
      ...{ match: { personName: 'Ada' }, threshold: 0.495, candidates: [{ personId: ada }] },
    });
    expect(recognition?.faces[0]?.candidates[0]?.distance).toBeLessThan(1e-3);
  });

  test('has the same limits and codes', async () => {
    const tooLarge = Buffer.alloc(5_000_001);
    expect(await failWith('', tooLarge)).toEqual([status.INVALID_ARGUMENT, 'image_too_large']);
    expect(await failWith('', Buffer.from('text'))).toEqual([status.INVALID_ARGUMENT, 'image_unreadable']);
    expect(await failWith('', Buffer.from('<svg xmlns="http://www.w3.org/2000/svg"/>'))).toEqual([
      status.INVALID_ARGUMENT,
      'image_format_unsupported',
    ]);
    expect(await failWith('photo.jpg', Buffer.from('x'))).toEqual([status.INVALID_ARGUMENT, 'request_invalid']);
    // 4.9 MB: more than gRPC takes by default.
    const noise = Buffer.from(Array.from({ length: 1_600 * 1_000 * 3 }, () => Math.random() * 256));
    const photo = await sharp(noise, { raw: { width: 1_600, height: 1_000, channels: 3 } })
      .png()
      .toBuffer();
    expect(photo.length).toBeGreaterThan(4_700_000);
    expect((await identify('', photo)).recognition).toMatchObject({ faces: [], width: 1_600 });
  });
});

describe('the API says why', () => {
  let services: RunningService[];
  let url: string;

  beforeAll(async () => {
    const shared = {
      MYSQL_URL: testDatabase.url,
      NATS_URL: natsUrl(),
      IMAGES_STREAM: createStreamName(),
      IMAGE_ROOTS: join(folder, 'photos'),
    };
    services = await Promise.all([
      startService('receiver', shared),
      startService('processor', { ...shared, RECOGNIZER_ADDRESS: `127.0.0.1:${recognizer.port}` }),
    ]);
    url = `http://127.0.0.1:${services[0]?.port}`;
    // What it does when it begins, it does not do to the photo that comes.
    await untilRematched(db);
  });
  afterAll(() => Promise.all(services.map((service) => service.stop())));

  async function get(path: string): Promise<Json> {
    const { status, body } = await askAt('GET', `${url}${path}`);
    return { status, ...body };
  }

  test('of a face: the candidates with their names, the threshold, the model and the gallery', async () => {
    const posted = await fetch(`${url}/image/post`, { method: 'POST', body: '{"path":"photo.jpg"}' });
    const { id } = (await posted.json()) as { id: number };
    const image = await waitFor('the photo', async () => {
      const now = await get(`/v1/images/${id}`);
      return now.status === 'matched' && now;
    });
    const [face] = image.faces;
    const person = { id: expect.any(Number), name: 'Ada' };
    expect(face).toMatchObject({
      ...{ person, decidedBy: 'gallery', threshold: 0.495, model: MODEL, galleryRevision: await readRevision() },
      candidates: [{ person, distance: face.distance, similarity: face.similarity }],
    });
    const { status: found, ...detail } = await get(`/v1/faces/${face.id}`);
    expect(found).toBe(200);
    expect(detail).toEqual({ ...face, imageId: id, erasedAt: null });
    const { images } = await get('/v1/images');
    const { candidates: _, ...listed } = face;
    expect(images[0].faces[0]).toEqual(listed);
    expect(await listMarkedImages(db, Number.MAX_SAFE_INTEGER, 10)).toEqual([]);

    await db.query('DELETE FROM person');
    expect(await get(`/v1/faces/${face.id}`)).toMatchObject({ person: null, candidates: [] });
    expect(await get('/v1/faces/987654')).toMatchObject({ status: 404, error: { code: 'face_not_found' } });
  });

  test('and shows it: a crop, which programs may keep; 409 when the file is another photo, 404 without one', async () => {
    const { images } = await get('/v1/images?status=matched');
    const [{ id, box }] = images[0].faces;
    const crop = await fetch(`${url}/v1/faces/${id}/crop`);
    expect([crop.status, crop.headers.get('content-type')]).toEqual([200, 'image/jpeg']);
    const { width, height } = await sharp(Buffer.from(await crop.arrayBuffer())).metadata();
    // The face is far from every border: its margin of 0.3 is there on all sides.
    expect(Math.abs(width - 1.6 * box.width * 1920)).toBeLessThanOrEqual(2);
    expect(Math.abs(height - 1.6 * box.height * 1280)).toBeLessThanOrEqual(2);
    const small = await fetch(`${url}/v1/faces/${id}/crop?width=64`);
    expect(await sharp(Buffer.from(await small.arrayBuffer())).metadata()).toMatchObject({ width: 64 });
    const headers = { 'if-none-match': small.headers.get('etag') ?? '' };
    expect((await fetch(small.url, { headers })).status).toBe(304);
    expect((await fetch(crop.url, { headers })).status).toBe(200);
    expect((await get(`/v1/faces/${id}/crop?width=9999`)).status).toBe(400);
    expect(await get('/v1/faces/987654/crop')).toMatchObject({ status: 404, error: { code: 'face_not_found' } });

    const photo = join(folder, 'photos', 'photo.jpg');
    await writeFile(photo, await sharp(samplePhoto(2)).resize(300).jpeg().toBuffer());
    expect(await get(`/v1/faces/${id}/crop`)).toMatchObject({ status: 409, error: { code: 'photo_changed' } });
    await rm(photo);
    expect(await get(`/v1/faces/${id}/crop`)).toMatchObject({ status: 404, error: { code: 'file_not_found' } });
    await db.query('UPDATE faces SET box_left = NULL WHERE id = ?', [id]);
    expect(await get(`/v1/faces/${id}/crop`)).toMatchObject({ status: 409, error: { code: 'face_without_box' } });
  });
});
