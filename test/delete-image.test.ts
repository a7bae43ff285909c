import { access, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { systemActor } from '../lib/audit.ts';
import { type Database, openDatabase, type Row } from '../lib/database.ts';
import { deleteImage } from '../lib/delete-image.ts';
import { enrolFace } from '../lib/name-face.ts';
import { type PeopleServices, startPeopleServices } from './people-services.ts';
import { waitFor } from './wait-for.ts';

const ACTOR = systemActor('test');

let services: PeopleServices;

beforeAll(async () => {
  services = await startPeopleServices();
});
afterAll(() => services.stop());

const call: PeopleServices['call'] = (...args) => services.call(...args);

async function count(sql: string, ...values: unknown[]): Promise<number> {
  const [rows] = await services.db.query<Row[]>(`SELECT COUNT(*) AS count FROM ${sql}`, values);
  return rows[0]?.count;
}

const readGallery = async () => (await services.db.query<Row[]>('SELECT revision FROM gallery'))[0][0]?.revision;
const isThere = (path: string) =>
  access(join(services.photos, path)).then(
    () => true,
    () => false,
  );

async function upload(bytes: Uint8Array): Promise<{ id: number; path: string }> {
  const { body } = await services.upload('/v1/images', { 'photo.jpg': bytes });
  const [{ id, path }] = body.images;
  await waitFor(
    'the upload to be looked at',
    async () => (await call('GET', `/v1/images/${id}`)).body.status !== 'pending',
  );
  return { id, path };
}

const untilStatus = (id: number, status: string) =>
  waitFor(`image ${id} to be ${status}`, async () => (await call('GET', `/v1/images/${id}`)).body.status === status);

test('an image goes with its faces, its file and the reference made of it; who was named by that is unknown again', async () => {
  const original = await readFile(join(services.photos, 'a.jpg'));
  const { id, path } = await upload(original);
  const { body: image } = await call('GET', `/v1/images/${id}`);
  const named = await call('PUT', `/v1/faces/${image.faces[0].id}/person`, { name: 'Ada' });
  expect(named.body).toMatchObject({ enrolled: true });
  const darker = await upload(await sharp(original).modulate({ brightness: 0.9 }).jpeg().toBuffer());
  await untilStatus(darker.id, 'matched');
  const before = await readGallery();

  expect(await call('DELETE', `/v1/images/${id}`)).toEqual({ status: 204, body: null });
  expect((await call('GET', `/v1/images/${id}`)).status).toBe(404);
  expect((await call('GET', `/v1/faces/${image.faces[0].id}`)).status).toBe(404);
  expect(await isThere(path)).toBe(false);
  expect(await count('faces WHERE image_id = ?', id)).toBe(0);
  expect(await count('person_images')).toBe(0);
  expect(await count('gallery_removals WHERE revision = ?', before + 1)).toBe(1);
  // The recognizer has heard of it.
  await untilStatus(darker.id, 'unknown');
  const again = await upload(original);
  expect((await call('GET', `/v1/images/${again.id}`)).body.status).toBe('unknown');
  await call('DELETE', `/v1/images/${again.id}`);
  await call('DELETE', `/v1/images/${darker.id}`);
  expect(await isThere(darker.path)).toBe(false);
});

test('a file that others need stays, and one that nobody has uploaded; an image that is nobody changes no gallery', async () => {
  const { id, path } = await upload(await readFile(join(services.photos, 'b.jpg')));
  const { body: person } = await call('POST', '/v1/people', { name: 'Bo' });
  const enrolled = await services.finish(await call('POST', `/v1/people/${person.id}/faces`, { paths: [{ path }] }));
  expect(enrolled.codes).toEqual([null]);
  const before = await readGallery();
  expect((await call('DELETE', `/v1/images/${id}`)).status).toBe(204);
  expect(await isThere(path)).toBe(true);

  const plain = await services.process('c.jpg');
  expect((await call('DELETE', `/v1/images/${plain.id}`)).status).toBe(204);
  expect(await isThere('c.jpg')).toBe(true);
  expect(await readGallery()).toBe(before);
  expect(await call('DELETE', `/v1/images/${plain.id}`)).toMatchObject({ status: 404 });
});

test('"not this person" goes with the face it was said of, and is told to copies of the gallery', async () => {
  const image = await services.process('d.jpg');
  const { body: person } = await call('POST', '/v1/people', { name: 'Cy' });
  const face = image.faces[0]?.id;
  expect((await call('DELETE', `/v1/faces/${face}/person?person=${person.id}`)).status).toBeLessThan(300);
  const before = await readGallery();
  expect((await call('DELETE', `/v1/images/${image.id}`)).status).toBe(204);
  expect(await count('face_rejections')).toBe(0);
  expect(await count('person WHERE id = ? AND revision = ?', person.id, before + 1)).toBe(1);
});

test('a face that becomes a reference while its image is deleted is in the gallery or it is not: nothing in between', async () => {
  const { body: person } = await call('POST', '/v1/people', { name: 'Di' });
  const db: Database = openDatabase(services.databaseUrl);
  const options = { actor: ACTOR, isUpload: () => false, deleteUpload: async () => false };
  for (let round = 0; round < 10; round++) {
    const image = await services.process('e.jpg');
    const [face] = image.faces;
    const before = await count('gallery_removals');
    const [deleted, reference] = await Promise.all([
      deleteImage(db, image.id, options),
      enrolFace(db, face?.id ?? 0, { personId: person.id, forced: true }, ACTOR).catch(() => null),
    ]);
    expect(deleted).toEqual(reference === null ? [] : [person.id]);
    expect(await count('person_images WHERE source = ?', 'face')).toBe(0);
    // Copies of the gallery that have seen the reference are told that it has gone.
    expect((await count('gallery_removals')) - before).toBe(reference === null ? 0 : 1);
  }
  await db.close();
});
