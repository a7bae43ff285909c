import { copyFile, mkdir, readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { credentials, Metadata, type ServiceError } from '@grpc/grpc-js';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { descriptorFromBytes, type Row } from '../lib/database.ts';
import { distanceBetween } from '../lib/similarity.ts';
import { type DescribeRequest, type DescribeResponse, IdentifyClient } from '../proto/face.ts';
import { type PeopleServices, startPeopleServices } from './people-services.ts';
import { connectRecognizer } from './recognizer-client.ts';
import { untilRematched } from './until-rematched.ts';
import { waitFor } from './wait-for.ts';

const OLD = 'face-api-1';
const NEW = 'face-api-1-mirrored';
/** Looking at every photo again takes a while where others use the machine, too. */
const LONG_MS = 300_000;

// Two recognizers: one that switches, and one that knows the old model only, as every replica of the version before does.
let services: PeopleServices;
let vera: { id: number };

beforeAll(async () => {
  services = await startPeopleServices({ pinnedModel: OLD });
  await mkdir(join(services.known, 'Bo'));
  await copyFile(join(services.photos, 'b.jpg'), join(services.known, 'Bo', 'b.jpg'));
  await waitFor('Bo to be enrolled', async () => (await services.call('GET', '/v1/people?q=bo')).body.people[0]?.faces);
  await copyFile(join(services.photos, 'c.jpg'), join(services.photos, 'gone.jpg'));
  const made = await services.call('POST', '/v1/people', { name: 'Vera' });
  vera = made.body;
  const paths = [{ path: 'a.jpg' }];
  expect((await services.finish(await services.call('POST', `/v1/people/${vera.id}/faces`, { paths }))).codes).toEqual([
    null,
  ]);
  for (const path of ['sample4.jpg', 'sample5.jpg', 'gone.jpg']) await services.process(path);
  const { faces } = await services.process('sample2.jpg');
  const named = await services.call('PUT', `/v1/faces/${faces[0]?.id}/person`, { name: 'Cleo' });
  expect(named.body).toMatchObject({ enrolled: true });
  await rm(join(services.photos, 'gone.jpg'));
  // A photo that was looked at before the recognizers had read who is known is compared again.
  await untilRematched(services.db);
});
afterAll(() => services.stop());

const rows = async (sql: string, ...values: unknown[]) => (await services.db.query<Row[]>(sql, values))[0];
const call: PeopleServices['call'] = (...args) => services.call(...args);

async function findModel(name: string) {
  const { body } = await call('GET', '/v1/models');
  return body.models.find((model: { name: string }) => model.name === name);
}

/** Names of the faces of every photo, by its path. */
async function namesByPath(): Promise<Record<string, (string | null)[]>> {
  const faces = await rows(
    `SELECT i.path, p.name FROM faces f JOIN images i ON i.id = f.image_id LEFT JOIN person p ON p.id = f.person_id
      WHERE i.path NOT LIKE 'load/%' ORDER BY i.path, f.face_index`,
  );
  const found: Record<string, (string | null)[]> = {};
  for (const { path, name } of faces) found[path] = [...(found[path] ?? []), name];
  return found;
}

/** Every stored distance is that of the face and the reference in the model of the face. */
async function expectTrueDistances(): Promise<void> {
  const faces = await rows(
    `SELECT f.id, f.model, f.distance, f.descriptor, IF(pi.model = f.model, pi.descriptor, rd.descriptor) AS reference
       FROM faces f JOIN person_images pi ON pi.id = f.person_image_id
       LEFT JOIN reference_descriptors rd ON rd.person_image_id = pi.id AND rd.model = f.model
      WHERE f.distance IS NOT NULL AND f.person_id IS NOT NULL`,
  );
  expect(faces.length).toBeGreaterThan(2);
  for (const { id, model, distance, descriptor, reference } of faces) {
    const measured = distanceBetween(descriptorFromBytes(descriptor), descriptorFromBytes(reference));
    expect({ id, model, distance: distance.toFixed(5) }).toEqual({ id, model, distance: measured.toFixed(5) });
  }
}

function describeBy(port: number, request: Partial<DescribeRequest>): Promise<DescribeResponse> {
  const client = new IdentifyClient(`127.0.0.1:${port}`, credentials.createInsecure());
  const whole = { imagePath: '', knownPhoto: '', models: [], ...request };
  return new Promise<DescribeResponse>((resolve, reject) => {
    const done = (error: ServiceError | null, response: DescribeResponse) =>
      error ? reject(error) : resolve(response);
    client.describe(whole, new Metadata(), { deadline: Date.now() + 60_000 }, done);
  }).finally(() => client.close());
}

const untilSwitched = (model: string) =>
  waitFor(
    `every photo to be of ${model}`,
    async () => {
      const left = await rows(
        `SELECT i.path, i.rematch, f.model FROM faces f JOIN images i ON i.id = f.image_id
          WHERE i.path <> 'gone.jpg' AND f.descriptor IS NOT NULL AND (f.model <> ? OR i.rematch > 0 OR f.candidates IS NULL)`,
        model,
      );
      const pending = await rows("SELECT 1 FROM images WHERE status = 'pending'");
      return left.length + pending.length === 0;
    },
    LONG_MS,
  );

interface SearchMatch {
  readonly person: { readonly id: number };
  readonly matched: boolean;
  readonly distance: number;
}

let before: Record<string, (string | null)[]>;

test('a model is prepared in the background, also when the processor is killed, and compared; nobody is answered by it', async () => {
  expect((await call('GET', '/v1/models')).body.models).toMatchObject([
    { name: OLD, state: 'active' },
    { name: NEW, state: 'available', counts: null },
  ]);
  expect((await call('POST', '/v1/models/other/prepare')).body.error.code).toBe('model_not_found');
  expect(await call('POST', `/v1/models/${NEW}/activate`)).toMatchObject({
    status: 409,
    body: { error: { code: 'model_not_prepared' } },
  });
  expect((await call('GET', `/v1/models/${NEW}/comparison`)).body.error.code).toBe('model_not_compared');
  before = await namesByPath();
  expect(before).toMatchObject({ 'gone.jpg': [null], 'sample2.jpg': expect.arrayContaining(['Cleo']) });
  expect(before['sample4.jpg']).toContain('Vera');
  expect(before['sample5.jpg']).toContain('Bo');

  expect(await call('POST', `/v1/models/${NEW}/prepare`)).toMatchObject({ status: 202, body: { state: 'preparing' } });
  await services.restartProcessor('SIGKILL');
  const prepared = await waitFor(
    'the model to be prepared and compared',
    async () => {
      const model = await findModel(NEW);
      return model.comparedAt && model;
    },
    LONG_MS,
  );
  expect(prepared).toMatchObject({
    state: 'prepared',
    counts: { references: { described: 3, waiting: 0, missing: {} } },
  });
  const [{ faces }] = (await rows('SELECT COUNT(*) AS faces FROM faces')) as [Row];
  expect(prepared.counts.faces).toEqual({ described: faces - 1, waiting: 0, missing: { file_not_found: 1 } });
  const { body: comparison } = await call('GET', `/v1/models/${NEW}/comparison`);
  // Not the photo that is gone; not the face that a person has named.
  expect(comparison).toMatchObject({ model: NEW, activeModel: OLD, photos: 3, faces: faces - 2 });
  expect(comparison.gained + comparison.lost + comparison.otherPerson).toBe(comparison.examples.length);

  // What was computed is what a recognizer says of the photo; what answers is what it was.
  const [face] = await rows(
    `SELECT d.descriptor, f.descriptor AS base FROM face_descriptors d JOIN faces f ON f.id = d.face_id
       JOIN images i ON i.id = f.image_id WHERE i.path = 'sample4.jpg' AND f.face_index = 0`,
  );
  const seen = await describeBy(services.recognizer.port, { imagePath: 'sample4.jpg', models: [OLD, NEW] });
  const [old, mirrored] = seen.faces[0]?.descriptors ?? [];
  expect([old?.model, mirrored?.model]).toEqual([OLD, NEW]);
  expect(distanceBetween(descriptorFromBytes(face?.base), old?.descriptor ?? [])).toBeLessThan(1e-4);
  expect(distanceBetween(descriptorFromBytes(face?.descriptor), mirrored?.descriptor ?? [])).toBeLessThan(1e-4);
  expect(distanceBetween(descriptorFromBytes(face?.descriptor), old?.descriptor ?? [])).toBeGreaterThan(0.05);
  const folder = await describeBy(services.recognizer.port, { knownPhoto: 'Bo/b.jpg', models: [NEW] });
  expect(folder.faces).toHaveLength(1);
  await expect(describeBy(services.recognizer.port, { knownPhoto: '../photos/a.jpg', models: [NEW] })).rejects.toThrow(
    'outside',
  );
  await expect(describeBy(services.pinned?.port ?? 0, { imagePath: 'a.jpg', models: [NEW] })).rejects.toThrow(
    `The model ${NEW} was asked for`,
  );
  expect(new Set((await rows('SELECT model FROM faces')).map((row) => row.model))).toEqual(new Set([OLD]));
  expect(await namesByPath()).toEqual(before);
}, 900_000);

test('while the model is switched under load every question is answered, by the distances of one model', async () => {
  // Vera's reference and her face in another photo, in each model.
  const [pair] = await rows(
    `SELECT pi.descriptor AS old_reference, rd.descriptor AS new_reference FROM person_images pi
       JOIN reference_descriptors rd ON rd.person_image_id = pi.id WHERE pi.person_id = ?`,
    vera.id,
  );
  const [own] = await rows(
    `SELECT f.descriptor AS old_face, d.descriptor AS new_face FROM faces f JOIN face_descriptors d ON d.face_id = f.id
       JOIN images i ON i.id = f.image_id WHERE i.path = 'sample4.jpg' AND f.person_id = ?`,
    vera.id,
  );
  const measure = (a: Buffer, b: Buffer) => distanceBetween(descriptorFromBytes(a), descriptorFromBytes(b)).toFixed(4);
  const distanceIn: Record<string, string> = {
    [OLD]: measure(own?.old_face, pair?.old_reference),
    [NEW]: measure(own?.new_face, pair?.new_reference),
  };
  const across = [measure(own?.old_face, pair?.new_reference), measure(own?.new_face, pair?.old_reference)];
  expect(new Set([...Object.values(distanceIn), ...across]).size).toBe(4);

  await mkdir(join(services.photos, 'load'));
  const photo = await readFile(join(services.photos, 'sample4.jpg'));
  const answers: { model: string; distance: string }[] = [];
  let searching = true;
  const search = async () => {
    while (searching) {
      const { status, body } = await services.upload('/v1/search', { 'sample4.jpg': photo });
      expect({ status, body: status === 200 ? null : body }).toEqual({ status: 200, body: null });
      const matches = body.faces.flatMap((face: { matches: SearchMatch[] }) => face.matches);
      const hers = matches.find((match: SearchMatch) => match.matched && match.person.id === vera.id);
      answers.push({ model: body.model, distance: hers?.distance.toFixed(4) });
    }
  };
  const posted: string[] = [];
  const post = async () => {
    while (searching) {
      const path = `load/${posted.length}.jpg`;
      await copyFile(join(services.photos, 'sample4.jpg'), join(services.photos, path));
      const { status, body } = await call('POST', '/image/post', { path });
      expect(status).toBe(202);
      posted.push(path);
      // The next one when this one is done: on a slow machine not more and more of them wait.
      const isDone = async () => (await call('GET', `/v1/images/${body.id}`)).body.status !== 'pending';
      await waitFor(`${path} to be done`, isDone, LONG_MS);
      await sleep(500);
    }
  };
  const load = Promise.all([search(), search(), post()]);
  try {
    await waitFor('answers before', () => answers.length >= 4, LONG_MS);
    expect(new Set(answers.map((answer) => answer.model))).toEqual(new Set([OLD]));
    expect(await call('POST', `/v1/models/${NEW}/activate`)).toMatchObject({ body: { model: { state: 'active' } } });
    await waitFor('answers by both models', () => new Set(answers.map((answer) => answer.model)).size === 2, LONG_MS);
    const afterwards = answers.length;
    await waitFor('answers after', () => answers.length >= afterwards + 6, LONG_MS);
  } finally {
    searching = false;
    await load;
  }
  for (const { model, distance } of answers)
    expect({ model, distance }).toEqual({ model, distance: distanceIn[model] });

  // The replica that knows the old model only has answered by it all along; what it said of photos is made good.
  await untilSwitched(NEW);
  await expectTrueDistances();
  const images = await rows("SELECT path, status FROM images WHERE path LIKE 'load/%' AND status <> 'matched'");
  expect(images).toEqual([]);
  expect(await rows('SELECT 1 FROM images WHERE status NOT IN (?)', ['matched', 'unknown'])).toEqual([]);
  const [gone] = await rows("SELECT f.model FROM faces f JOIN images i ON i.id = f.image_id WHERE i.path = 'gone.jpg'");
  expect(gone?.model).toBe(OLD);
  expect(await namesByPath()).toMatchObject({
    'sample2.jpg': expect.arrayContaining(['Cleo']),
    'sample4.jpg': expect.arrayContaining(['Vera']),
    'sample5.jpg': expect.arrayContaining(['Bo']),
  });
  expect((await call('DELETE', `/v1/models/${NEW}`)).body.error.code).toBe('model_active');
}, 1_200_000);

test('naming, enrolling and erasing know both versions of a face', async () => {
  // Enrolled in the model that answers now; the job gives the reference the other one, for who knows that only.
  const { body: dora } = await call('POST', '/v1/people', { name: 'Dora' });
  await services.finish(await call('POST', `/v1/people/${dora.id}/faces`, { paths: [{ path: 'e.jpg' }] }));
  const versions = () =>
    rows(
      `SELECT pi.model, rd.model AS other FROM person_images pi
         LEFT JOIN reference_descriptors rd ON rd.person_image_id = pi.id AND rd.descriptor IS NOT NULL
        WHERE pi.person_id = ?`,
      dora.id,
    );
  await waitFor('both versions', async () => (await versions())[0]?.other != null, LONG_MS);
  expect((await versions()).flatMap((row) => [row.model, row.other]).sort()).toEqual([OLD, NEW]);
  const old = connectRecognizer(services.pinned?.port ?? 0);
  await waitFor('the old replica to know her', async () => {
    const { model, faces } = await old.identify('e.jpg');
    expect(model).toBe(OLD);
    return faces[0]?.match?.personName === 'Dora';
  });
  old.close();
  expect((await services.process('sample6.jpg')).faces.some((face) => face.person?.id === dora.id)).toBe(true);

  const bytesOf = async () => {
    const stored = await rows(
      `SELECT descriptor FROM person_images WHERE person_id = ? UNION ALL
       SELECT rd.descriptor FROM reference_descriptors rd JOIN person_images pi ON pi.id = rd.person_image_id
        WHERE pi.person_id = ? UNION ALL
       SELECT descriptor FROM faces WHERE person_id = ? UNION ALL
       SELECT d.descriptor FROM face_descriptors d JOIN faces f ON f.id = d.face_id WHERE f.person_id = ?`,
      ...[vera.id, vera.id, vera.id, vera.id],
    );
    return stored.flatMap((row) => (row.descriptor === null ? [] : [row.descriptor as Buffer]));
  };
  await waitFor(
    'both versions of all that is hers',
    async () => {
      const [row] = await rows(
        `SELECT (SELECT COUNT(*) FROM faces WHERE person_id = ?) -
                (SELECT COUNT(*) FROM face_descriptors d JOIN faces f ON f.id = d.face_id WHERE f.person_id = ?) AS n`,
        ...[vera.id, vera.id],
      );
      return row?.n === 0;
    },
    LONG_MS,
  );
  const needles = (await bytesOf()).map((bytes) => bytes.subarray(0, 32));
  expect(needles.length).toBeGreaterThan(6);
  expect((await readdir(services.snapshot)).includes(NEW)).toBe(true);
  expect((await call('DELETE', `/v1/people/${vera.id}`)).status).toBe(200);
  const left: string[] = [];
  for (const table of ['faces', 'face_descriptors', 'person_images', 'reference_descriptors']) {
    const found = await rows('SELECT descriptor FROM ?? WHERE descriptor IS NOT NULL', table);
    const all = Buffer.concat(found.map((row) => row.descriptor));
    left.push(...needles.filter((needle) => all.includes(needle)).map(() => table));
  }
  expect(left).toEqual([]);
  // Each gallery has a snapshot of its own.
  await waitFor('snapshots without her', async () => {
    const files = await readdir(services.snapshot, { recursive: true, withFileTypes: true });
    const bytes = await Promise.all(
      files.filter((file) => file.isFile()).map((file) => readFile(join(file.parentPath, file.name)).catch(() => null)),
    );
    return !bytes.some((some) => needles.some((needle) => some?.includes(needle)));
  });
}, 900_000);

test('back to the model before, and away with the other', async () => {
  expect((await call('POST', `/v1/models/${OLD}/activate`)).status).toBe(200);
  await untilSwitched(OLD);
  await expectTrueDistances();
  const names = await namesByPath();
  for (const path of ['sample2.jpg', 'sample5.jpg', 'gone.jpg']) expect(names[path]).toEqual(before[path]);

  expect(await call('DELETE', `/v1/models/${NEW}`)).toMatchObject({ status: 202, body: { state: 'dropping' } });
  await waitFor('its descriptors to be gone', async () => (await findModel(NEW)).state === 'available', LONG_MS);
  for (const table of ['face_descriptors', 'reference_descriptors', 'faces', 'person_images']) {
    expect(await rows('SELECT 1 FROM ?? WHERE model = ? AND descriptor IS NOT NULL', table, NEW)).toEqual([]);
  }
  await waitFor('the photos to be named as before', async () => {
    const now = await namesByPath();
    return ['sample2.jpg', 'sample5.jpg'].every((path) => JSON.stringify(now[path]) === JSON.stringify(before[path]));
  });
  const { faces } = await services.process('sample6.jpg');
  expect(faces.some((face) => face.person?.name === 'Dora')).toBe(true);
}, 900_000);
