import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { jetstreamManager } from '@nats-io/jetstream';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { systemActor } from '../lib/audit.ts';
import { descriptorFromBytes, type Row } from '../lib/database.ts';
import { erasePerson } from '../lib/erase-person.ts';
import { openStoredGallery } from '../lib/gallery.ts';
import { openPeople } from '../lib/people.ts';
import { MODEL } from '../recognizer/engine/face-api-models.ts';
import { connectNats } from './connect-nats.ts';
import { type PeopleServices, startPeopleServices } from './people-services.ts';
import { natsUrl } from './servers.ts';
import { waitFor } from './wait-for.ts';

let services: PeopleServices;

beforeAll(async () => {
  services = await startPeopleServices();
});
afterAll(() => services.stop());

const call: PeopleServices['call'] = (...args) => services.call(...args);

/** The files of a folder; those that go away meanwhile, as those of a snapshot do, are no longer kept. */
async function dumpFolder(folder: string): Promise<Map<string, Buffer>> {
  const dump = new Map<string, Buffer>();
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name);
    const bytes = entry.isFile() ? await readFile(path).catch(ignoreMissing) : null;
    if (bytes) dump.set(path, bytes);
  }
  return dump;
}

function ignoreMissing(error: NodeJS.ErrnoException): null {
  if (error.code === 'ENOENT') return null;
  throw error;
}

/** Everything that is kept anywhere, as bytes, by where it is. */
async function dumpEverything(): Promise<Map<string, Buffer>> {
  const dump = new Map<string, Buffer>();
  const [tables] = await services.db.query<Row[]>('SHOW TABLES');
  for (const table of tables.map((row) => String(Object.values(row)[0]))) {
    const [rows] = await services.db.query<Row[]>('SELECT * FROM ??', [table]);
    const values = rows.flatMap((row) => Object.values(row)).filter((value) => value !== null);
    const bytes = values.map((value) => (Buffer.isBuffer(value) ? value : Buffer.from(JSON.stringify(value))));
    dump.set(`table ${table}`, Buffer.concat(bytes));
  }
  for (const folder of [services.photos, services.known, services.snapshot]) {
    for (const [where, bytes] of await dumpFolder(folder)) dump.set(where, bytes);
  }
  const nats = await connectNats(natsUrl());
  const manager = await jetstreamManager(nats);
  for await (const { config, state } of manager.streams.list()) {
    // Of this test: others share the server, and some leave tens of thousands of messages there.
    if (!config.name.includes(services.stream)) continue;
    for (let seq = state.first_seq; seq <= state.last_seq && state.messages > 0; seq++) {
      const message = await manager.streams.getMessage(config.name, { seq }).catch(() => null);
      if (message) dump.set(`message ${config.name} ${seq}`, Buffer.from(message.data));
    }
  }
  await nats.close();
  return dump;
}

/** Where a descriptor is: as 32-bit floats, either way round, or its numbers as text. */
function findDescriptor(descriptor: Float32Array, dump: Map<string, Buffer>): string[] {
  const little = Buffer.from(descriptor.buffer, descriptor.byteOffset, 32);
  const needles = [
    little,
    Buffer.from(little).swap32(),
    Buffer.from(String(descriptor[0])),
    Buffer.from(String(descriptor[9])),
  ];
  return [...dump].filter(([, bytes]) => needles.some((needle) => bytes.includes(needle))).map(([where]) => where);
}

/** Where anything of somebody is. */
function findPerson(name: string, descriptors: readonly Float32Array[], dump: Map<string, Buffer>): string[] {
  const named = [...dump].filter(([, bytes]) => bytes.includes(name)).map(([where]) => where);
  return [...named, ...descriptors.flatMap((descriptor) => findDescriptor(descriptor, dump))];
}

async function readDescriptors(personId: number): Promise<Float32Array[]> {
  const [rows] = await services.db.query<Row[]>(
    `SELECT descriptor FROM faces WHERE person_id = ? UNION SELECT descriptor FROM person_images WHERE person_id = ?`,
    [personId, personId],
  );
  return rows.flatMap((row) => (row.descriptor === null ? [] : [descriptorFromBytes(row.descriptor)]));
}

const list = async (sql: string, ...values: unknown[]) => (await services.db.query<Row[]>(sql, values))[0];

test('nothing of an erased person is left in tables, files, and messages, and they do not come back', async () => {
  // Two references of somebody who stays; the second is taken away when there is something to see.
  const other = await call('POST', '/v1/people', { name: 'Somebody else' });
  const stays = { paths: [{ path: 'd.jpg' }, { path: 'b.jpg' }] };
  await services.finish(await call('POST', `/v1/people/${other.body.id}/faces`, stays));

  // Known by the folder, by an upload, and by a face; seen in two photos; a candidate and a rejection elsewhere.
  await mkdir(join(services.known, 'Vera Secret'));
  await writeFile(join(services.known, 'Vera Secret', '1.jpg'), await readFile(join(services.photos, 'a.jpg')));
  const person = await waitFor('Vera to be enrolled', async () => {
    const { body } = await call('GET', '/v1/people?q=vera');
    return body.people[0]?.faces === 1 ? body.people[0] : null;
  });
  const photo = await readFile(join(services.photos, 'c.jpg'));
  const uploaded = await services.upload(`/v1/people/${person.id}/faces`, { 'c.jpg': photo }, { force: 'true' });
  expect((await services.finish(uploaded)).codes).toEqual([null]);
  const { faces } = await waitFor('Vera to be seen', async () => {
    await services.db.query("DELETE FROM images WHERE path = 'sample4.jpg'");
    const image = await services.process('sample4.jpg');
    return image.faces.some((face) => face.person?.id === person.id) ? image : null;
  });
  const others = await services.process('sample2.jpg');
  const named = await call('PUT', `/v1/faces/${others.faces[0]?.id}/person`, { personId: person.id });
  expect(named.body).toMatchObject({ enrolled: true, reason: null });
  await call('DELETE', `/v1/faces/${others.faces[1]?.id}/person?person=${person.id}`);
  const near = [
    { personId: person.id, personImageId: 1, distance: 0.6 },
    { personId: person.id + 1000, personImageId: 2, distance: 0.65 },
  ];
  // A copy of a reference's very picture that no job has named yet.
  await services.db.query(
    `UPDATE faces SET descriptor = (SELECT descriptor FROM person_images WHERE person_id = ? AND source = 'photo')
      WHERE id = ?`,
    [person.id, others.faces[1]?.id],
  );

  const descriptors = await readDescriptors(person.id);
  expect(descriptors.length).toBeGreaterThanOrEqual(4);
  // The recognizer writes its snapshot at once when it forgets a reference, and only then.
  const { references } = (await call('GET', `/v1/people/${other.body.id}`)).body;
  await call('DELETE', `/v1/people/${other.body.id}/faces/${references[1].id}`);
  const enrolled = await list('SELECT descriptor FROM person_images WHERE person_id = ?', person.id);
  await waitFor('a snapshot with her', async () => {
    const snapshot = await dumpFolder(services.snapshot);
    return enrolled.every((row) => findDescriptor(descriptorFromBytes(row.descriptor), snapshot).length > 0);
  });
  const before = await dumpEverything();
  for (const descriptor of descriptors) expect(findDescriptor(descriptor, before)).not.toEqual([]);
  const [upload] = await list(
    "SELECT path FROM person_images WHERE person_id = ? AND path LIKE 'uploads/%'",
    person.id,
  );
  expect(before.has(join(services.photos, upload?.path))).toBe(true);

  const bystanderId = others.faces[2]?.id;
  const { status, receipt, after, bystander, images } = await services.whileNothingIsDecidedAgain(async () => {
    await services.db.query('UPDATE faces SET candidates = ? WHERE id = ?', [JSON.stringify(near), bystanderId]);
    await services.db.query('UPDATE images SET rematch = 0');
    const { status, body: receipt } = await call('DELETE', `/v1/people/${person.id}`);
    const after = await dumpEverything();
    const [bystander] = await list('SELECT * FROM faces WHERE id = ?', bystanderId);
    const images = await list('SELECT path, status, person, rematch FROM images ORDER BY path');
    return { status, receipt, after, bystander, images };
  });
  expect(status).toBe(200);
  expect(receipt).toEqual({
    personId: person.id,
    erasedAt: expect.any(String),
    references: 3,
    descriptors: 6,
    faces: 3,
    photos: 2,
    files: 1,
    folderPhotos: ['Vera Secret/1.jpg'],
    folderPhotoCount: 1,
    digest: expect.stringMatching(/^[0-9a-f]{64}$/),
  });

  const left = findPerson('Vera Secret', descriptors, after);
  expect(left.filter((where) => !where.startsWith(services.snapshot))).toEqual([]);
  expect(after.has(join(services.photos, upload?.path))).toBe(false);
  for (const face of [...faces.filter(({ person: who }) => who?.id === person.id), ...others.faces.slice(0, 2)]) {
    const [row] = await list('SELECT * FROM faces WHERE id = ?', face.id);
    expect(row).toMatchObject({
      ...{ descriptor: null, candidates: null, person_id: null, distance: null, erased_at: expect.any(Date) },
      box_left: face.box.left,
    });
    expect((await call('PUT', `/v1/faces/${face.id}/person`, { name: 'Anybody' })).body.error.code).toBe('face_erased');
  }
  expect(bystander?.descriptor).not.toBeNull();
  const candidates = bystander?.candidates;
  expect(typeof candidates === 'string' ? JSON.parse(candidates) : candidates).toEqual([near[1]]);
  expect(images).toEqual([
    { path: 'sample2.jpg', status: 'unknown', person: null, rematch: 2 },
    { path: 'sample4.jpg', status: 'unknown', person: null, rematch: 2 },
  ]);
  expect((await call('GET', `/v1/people/${other.body.id}`)).body.faces).toBe(1);

  // The recognizer follows, on disk as well.
  await waitFor('a snapshot without her', async () => {
    const snapshot = await dumpFolder(services.snapshot);
    const isWhole = [...snapshot.values()].some((bytes) => bytes.includes('Somebody else'));
    return isWhole && findPerson('Vera Secret', descriptors, snapshot).length === 0;
  });

  // The folder's photo, also moved, stays refused.
  await mkdir(join(services.known, 'New name'));
  await writeFile(join(services.known, 'New name', '2.jpg'), await readFile(join(services.photos, 'a.jpg')));
  await waitFor('the photo to be refused', () => services.recognizer.log().includes('of somebody who was erased'));
  await services.db.query("DELETE FROM images WHERE path = 'sample4.jpg'");
  const again = await services.process('sample4.jpg');
  expect(again.faces.map((face) => face.person)).toEqual(again.faces.map(() => null));
  expect((await call('GET', '/v1/people')).body.people.map(({ name }: { name: string }) => name)).toEqual([
    'Somebody else',
  ]);

  // The receipt can be had again; names are not kept with it.
  const repeated = await call('DELETE', `/v1/people/${person.id}`);
  expect(repeated.body).toEqual({ ...receipt, folderPhotos: null });
});

test('a photo of an erased person cannot slip in while it is being encoded', async () => {
  const people = openPeople(services.db);
  const contentHash = 'ab'.repeat(32);
  await services.db.query('INSERT INTO refused_photos (content_hash) VALUES (UNHEX(?))', [contentHash]);
  const photo = {
    imageName: 'late/1.jpg',
    personName: 'late',
    fileSize: 1,
    fileMtimeMs: 1,
    contentHash,
    failure: null,
    quality: null,
  };
  expect(await people.recordKnownPhoto({ ...photo, model: 'm', descriptor: new Float32Array(128) })).toBe(false);
  expect(await list("SELECT 1 FROM person WHERE name = 'late'")).toEqual([]);
});

test('an erasure that dies is invisible at once, and finished by the next call; enrolments under way lose', async () => {
  const { body } = await call('POST', '/v1/people', { name: 'Zoe' });
  const uploaded = await services.upload(`/v1/people/${body.id}/faces`, {
    'e.jpg': await readFile(join(services.photos, 'e.jpg')),
  });
  await services.finish(uploaded);
  const gallery = openStoredGallery(services.db);
  const before = await gallery.galleryRevision();
  const dies = { isUpload: () => true, deleteUpload: () => Promise.reject(new Error('the disk is gone')) };
  await expect(erasePerson(services.db, body.id, { actor: systemActor('test'), ...dies })).rejects.toThrow(
    'the disk is gone',
  );
  // Marked as every change is, so that recognizers forget the name, and do not find that somebody has meddled.
  const { changed } = await gallery.loadGalleryChanges(MODEL, before);
  expect(changed).toEqual([
    expect.objectContaining({ personId: body.id, personName: expect.stringMatching(/^erased /) }),
  ]);
  expect((await call('GET', `/v1/people/${body.id}`)).status).toBe(404);
  for (const [method, path, given] of [
    ['PATCH', `/v1/people/${body.id}`, { name: 'Zoe again' }],
    ['POST', `/v1/people/${body.id}/faces`, { paths: [{ path: 'e.jpg' }] }],
    ['POST', '/v1/enrolments', { enrolments: [{ person: body.id, path: 'e.jpg' }] }],
  ] as const) {
    expect((await call(method, path, given)).body.error.code).toBe('person_not_found');
  }
  const { status, body: receipt } = await call('DELETE', `/v1/people/${body.id}`);
  expect({ status, receipt }).toMatchObject({ status: 200, receipt: { references: 1, descriptors: 1, files: 1 } });
  expect(await list('SELECT 1 FROM person WHERE id = ?', body.id)).toEqual([]);

  // Twice at once, and while photos are being enrolled: one receipt, and nobody comes back.
  const { body: amy } = await call('POST', '/v1/people', { name: 'Amy' });
  const paths = ['b.jpg', 'e.jpg', 'c.jpg'].map((path) => ({ path }));
  const enrolling = await call('POST', `/v1/people/${amy.id}/faces`, { paths, force: true });
  await waitFor('the first to be enrolled', async () => (await call('GET', `/v1/people/${amy.id}`)).body.faces > 0);
  const receipts = await Promise.all([1, 2, 3].map(() => call('DELETE', `/v1/people/${amy.id}`)));
  expect(receipts.map((answer) => answer.status)).toEqual([200, 200, 200]);
  expect(new Set(receipts.map((answer) => answer.body.digest)).size).toBe(1);
  expect((await services.finish(enrolling)).batch.total).toBe(0);
  expect(await list('SELECT 1 FROM person_images WHERE person_id = ?', amy.id)).toEqual([]);
  expect(await list('SELECT 1 FROM person WHERE id = ?', amy.id)).toEqual([]);
});

test('somebody who is in more photos than fit in a transaction is erased from all of them', async () => {
  const { body } = await call('POST', '/v1/people', { name: 'Everywhere' });
  const numbers = Array.from({ length: 1_300 }, (_, n) => n);
  await services.db.query('INSERT INTO images (path, status, person) VALUES ?', [
    numbers.map((n) => [`many/${n}.jpg`, 'matched', body.id]),
  ]);
  await services.db.query(
    `INSERT INTO faces (image_id, face_index, descriptor, model, person_id)
     SELECT id, 0, REPEAT('x', 512), 'm', person FROM images WHERE path LIKE 'many/%'`,
  );
  const { body: receipt } = await call('DELETE', `/v1/people/${body.id}`);
  expect(receipt).toMatchObject({ faces: 1_300, photos: 1_300, descriptors: 1_300, references: 0 });
  expect(
    await list("SELECT status, person, COUNT(*) AS n FROM images WHERE path LIKE 'many/%' GROUP BY status, person"),
  ).toEqual([{ status: 'unknown', person: null, n: 1_300 }]);
  expect(await list("SELECT 1 FROM faces WHERE descriptor IS NOT NULL AND model = 'm'")).toEqual([]);
});
