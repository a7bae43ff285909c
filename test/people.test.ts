import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Row } from '../lib/database.ts';
import { type PeopleServices, type SeenFace, startPeopleServices } from './people-services.ts';
import { startFaceflow } from './start-faceflow.ts';
import { waitFor } from './wait-for.ts';

let services: PeopleServices;

beforeAll(async () => {
  services = await startPeopleServices();
});
afterAll(() => services.stop());

const call: PeopleServices['call'] = (...args) => services.call(...args);

async function addPerson(name: string): Promise<number> {
  const { status, body } = await call('POST', '/v1/people', { name });
  expect(status).toBe(201);
  return body.id;
}

/** The database's own view of one face. */
async function readFaceRow(id: number): Promise<Row> {
  const [rows] = await services.db.query<Row[]>(
    `SELECT f.*, i.status, i.person, i.rematch FROM faces f JOIN images i ON i.id = f.image_id WHERE f.id = ?`,
    [id],
  );
  if (rows[0] === undefined) throw new Error(`no face ${id}`);
  return rows[0];
}

async function readGallery(): Promise<number> {
  const [rows] = await services.db.query<Row[]>('SELECT revision FROM gallery');
  return rows[0]?.revision;
}

describe('people', () => {
  test('are added, found, listed page by page, renamed and given thresholds; names are unique', async () => {
    for (const name of ['List 1', 'List 2', 'List 3']) await addPerson(name);
    const { body: first } = await call('GET', '/v1/people?q=list&limit=2');
    expect(first.people.map((person: { name: string }) => person.name)).toEqual(['List 1', 'List 2']);
    const { body: second } = await call('GET', `/v1/people?q=list&limit=2&cursor=${first.nextCursor}`);
    expect(second).toMatchObject({ people: [{ name: 'List 3' }], nextCursor: null });
    expect((await call('GET', '/v1/people?q=%25')).body.people).toEqual([]);

    const [{ id }] = first.people;
    const before = await readGallery();
    expect(await call('PATCH', `/v1/people/${id}`, { name: 'Renamed', threshold: 0.4 })).toMatchObject({
      status: 200,
      body: {
        id,
        name: 'Renamed',
        threshold: 0.4,
        faces: 0,
        images: 0,
        cover: null,
        coverReference: null,
        references: [],
      },
    });
    expect(await readGallery()).toBe(before + 1);
    expect((await call('PATCH', `/v1/people/${id}`, { threshold: null })).body.threshold).toBeNull();
    for (const [method, path, body, status, code] of [
      ['POST', '/v1/people', { name: ' List 2 ' }, 409, 'person_exists'],
      ['PATCH', `/v1/people/${id}`, { name: 'List 2' }, 409, 'person_exists'],
      ['PATCH', `/v1/people/${id}`, { threshold: 0.71 }, 400, 'invalid_request'],
      ['POST', '/v1/people', { name: ' ' }, 400, 'invalid_request'],
      ['GET', '/v1/people/999999', undefined, 404, 'person_not_found'],
      ['PATCH', '/v1/people/999999', { name: 'x' }, 404, 'person_not_found'],
      ['DELETE', '/v1/people/999999', undefined, 404, 'person_not_found'],
      ['POST', `/v1/people/${id}/merge`, { people: [999999] }, 404, 'person_not_found'],
      ['POST', '/v1/people/999999/faces', { paths: [{ path: 'a.jpg' }] }, 404, 'person_not_found'],
      ['POST', `/v1/people/${id}/faces`, undefined, 400, 'invalid_request'],
      ['POST', `/v1/people/${id}/faces`, { faceId: 999999 }, 404, 'face_not_found'],
      ['DELETE', `/v1/people/${id}/faces/999999`, undefined, 404, 'reference_not_found'],
      ['GET', '/v1/enrolments/999999', undefined, 404, 'batch_not_found'],
    ] as const) {
      const answer = await call(method, path, body);
      expect({ path, status: answer.status, code: answer.body.error?.code }).toEqual({ path, status, code });
    }
  });
});

describe('enrolment', () => {
  test('a photo makes a person known, and every refusal says why', async () => {
    const ada = await addPerson('Ada');
    const bea = await addPerson('Bea');
    const enrol = async (person: number, paths: object[], force = false) =>
      services.finish(await call('POST', `/v1/people/${person}/faces`, { paths, force }));

    expect(await enrol(ada, [{ path: 'a.jpg' }])).toMatchObject({
      batch: { total: 1, enrolled: 1, refused: 0, failed: 0, finishedAt: expect.any(String) },
      codes: [null],
    });
    const { body: person } = await call('GET', `/v1/people/${ada}`);
    expect(person).toMatchObject({
      faces: 1,
      references: [
        { source: 'photo', path: 'a.jpg', imageName: expect.stringMatching(/^photo\/[0-9a-f]{64}#0$/), failure: null },
      ],
    });
    await waitFor('Ada to be recognised', async () => {
      await services.db.query("DELETE FROM images WHERE path = 'sample4.jpg'");
      const { faces } = await services.process('sample4.jpg');
      return faces.some((face) => face.person?.name === 'Ada');
    });

    await sharp(join(services.photos, 'a.jpg'))
      .resize(300)
      .jpeg({ quality: 80 })
      .toFile(join(services.photos, 'a2.jpg'));
    await sharp({ create: { width: 300, height: 200, channels: 3, background: '#4a4' } })
      .jpeg()
      .toFile(join(services.photos, 'lawn.jpg'));
    await writeFile(join(services.photos, 'text.jpg'), 'no picture');
    const refused = await enrol(ada, [
      { path: 'a.jpg' },
      { path: 'a2.jpg' },
      { path: 'sample5.jpg' },
      { path: 'sample5.jpg', face: 9 },
      { path: 'lawn.jpg' },
      { path: 'text.jpg' },
      { path: 'missing.jpg' },
      { path: '../outside.jpg' },
    ]);
    expect(refused.codes).toEqual([
      ...['duplicate_face', 'duplicate_face', 'several_faces', 'face_index_invalid', 'no_face'],
      ...['image_unreadable', 'file_not_found', 'path_outside_roots'],
    ]);
    expect(refused.batch).toMatchObject({ total: 8, refused: 8, enrolled: 0 });
    expect((await enrol(bea, [{ path: 'a2.jpg' }, { path: 'a.jpg' }])).codes).toEqual([
      'belongs_to_other',
      'belongs_to_other',
    ]);
    expect((await call('GET', `/v1/people/${bea}`)).body.faces).toBe(0);

    // By force also those; the very same face of the very same photo goes over to whom it was given last.
    expect((await enrol(ada, [{ path: 'a2.jpg' }], true)).codes).toEqual([null]);
    expect((await call('GET', `/v1/people/${ada}`)).body.faces).toBe(2);
    expect((await enrol(bea, [{ path: 'a.jpg' }], true)).codes).toEqual([null]);
    expect((await call('GET', `/v1/people/${ada}`)).body.faces).toBe(1);
    expect((await call('GET', `/v1/people/${bea}`)).body).toMatchObject({ references: [{ path: 'a.jpg' }] });
    expect((await enrol(bea, [{ path: 'sample3.jpg', face: 1 }])).codes).toEqual([null]);
  });

  test('two people who are given the same face at the same moment: one of them gets it', async () => {
    const batches = await Promise.all(
      ['Twin 1', 'Twin 2', 'Twin 3'].map((person) =>
        call('POST', '/v1/enrolments', { enrolments: [{ person, path: 'b.jpg' }] }),
      ),
    );
    const ends = await Promise.all(batches.map(services.finish));
    expect(ends.map(({ codes }) => codes[0]).sort()).toEqual(['belongs_to_other', 'belongs_to_other', null]);
  });

  test('uploads are stored by their content, once, and nothing of a refused one stays', async () => {
    const photo = await readFile(join(services.photos, 'c.jpg'));
    const id = await addPerson('Cleo');
    const answer = await services.upload(`/v1/people/${id}/faces`, { 'of cleo.png': photo, 'again.jpg': photo });
    expect(answer.status).toBe(202);
    expect((await services.finish(answer)).batch).toMatchObject({ total: 1, enrolled: 1 });
    const [reference] = (await call('GET', `/v1/people/${id}`)).body.references;
    expect(reference.path).toMatch(/^uploads\/[0-9a-f]{2}\/[0-9a-f]{64}\.jpg$/);
    expect(await readFile(join(services.photos, reference.path))).toEqual(photo);

    const posted = await services.upload('/v1/images', { 'any.jpg': photo });
    expect(posted).toMatchObject({ status: 202, body: { images: [{ path: reference.path, status: 'pending' }] } });
    const twice = await services.upload('/v1/images', { 'any.jpg': photo });
    expect(twice.body.images[0].id).toBe(posted.body.images[0].id);
    const named = await services.upload('/v1/images', {
      '照片 Ümläut.jpeg': await readFile(join(services.photos, 'd.jpg')),
    });
    expect(named.body.images[0].path).toMatch(/^uploads\/[0-9a-f]{2}\/[0-9a-f]{64}\/照片 Ümläut\.jpg$/);
    const found = await call('GET', `/v1/images?${new URLSearchParams({ q: 'ümläut 照片' })}`);
    expect(found.body.images).toMatchObject([{ id: named.body.images[0].id }]);
    expect((await call('DELETE', `/v1/images/${named.body.images[0].id}`)).status).toBe(204);
    await expect(readFile(join(services.photos, named.body.images[0].path))).rejects.toThrow('ENOENT');
    expect(await call('POST', '/v1/images', { paths: [{ path: 'd.jpg' }, { path: '../x' }] })).toMatchObject({
      status: 202,
      body: { images: [{ path: 'd.jpg' }, { error: { code: 'path_outside_roots' } }] },
    });

    const text = new TextEncoder().encode('no photo');
    const large = new Uint8Array(3_000_001);
    const list = async () => (await readdir(join(services.photos, 'uploads'), { recursive: true })).sort();
    const before = await list();
    for (const [files, status, code] of [
      [{ 'a.jpg': photo, 'b.jpg': text }, 422, 'image_unreadable'],
      [{ 'a.jpg': photo, 'large.jpg': large, 'c.jpg': photo }, 413, 'image_too_large'],
      [{ 'huge.jpg': new Uint8Array(20_000_000) }, 413, 'image_too_large'],
      [{ 'empty.jpg': new Uint8Array() }, 400, 'image_empty'],
      [{}, 400, 'no_photo'],
    ] as const) {
      const refused = await services.upload('/v1/images', files as Record<string, Uint8Array>);
      expect(refused).toMatchObject({ status, body: { error: { code } } });
      expect(JSON.stringify(refused.body)).not.toContain(services.photos);
    }
    expect(await list()).toEqual(before);
    expect((await services.upload('/v1/people/999999/faces', { 'a.jpg': photo })).body.error.code).toBe(
      'person_not_found',
    );
  });

  test('the folder is enrolled as ever; a reference taken from its person does not come back', async () => {
    await mkdir(join(services.known, 'Enid'));
    await writeFile(join(services.known, 'Enid', '1.jpg'), await readFile(join(services.photos, 'e.jpg')));
    const enid = await waitFor('Enid to be enrolled', async () => {
      const { body } = await call('GET', '/v1/people?q=Enid');
      return body.people[0]?.faces === 1 ? body.people[0] : null;
    });
    const { body } = await call('GET', `/v1/people/${enid.id}`);
    expect(body.references).toMatchObject([{ source: 'folder', imageName: 'Enid/1.jpg', path: null }]);
    const deleted = await call('DELETE', `/v1/people/${enid.id}/faces/${body.references[0].id}`);
    expect(deleted.status).toBe(204);
    await waitFor('the photo to be refused', () => services.recognizer.log().includes('was taken from them'));
    expect((await call('GET', `/v1/people/${enid.id}`)).body.references).toEqual([]);
    const [removals] = await services.db.query<Row[]>('SELECT * FROM gallery_removals WHERE person_image_id = ?', [
      body.references[0].id,
    ]);
    expect(removals).toHaveLength(1);
  });
});

describe('faces', () => {
  let good: SeenFace[];
  let leaning: SeenFace;

  beforeAll(async () => {
    const [{ faces: two }, { faces: one }] = [
      await services.process('sample2.jpg'),
      await services.process('sample1.jpg'),
    ];
    const faces = [...two, ...one];
    expect(faces.map((face) => face.person)).toEqual([null, null, null, null, null, null]);
    expect(faces.map((face) => face.quality?.reasons.join())).toEqual([
      ...['', 'EXTREME_POSE', ''],
      ...['EXTREME_POSE', '', 'EXTREME_POSE'],
    ]);
    good = faces.filter((face) => face.quality?.reasons.length === 0);
    leaning = one[0] as SeenFace;
  });
  const face = (index: number) => (good[index] as SeenFace).id;

  test('naming one enrols it and names the image; "not this person" undoes that, and is remembered', async () => {
    const { whileNothingIsDecidedAgain } = services;
    const [{ status, body }, row] = await whileNothingIsDecidedAgain(async () => [
      await call('PUT', `/v1/faces/${face(0)}/person`, { name: 'Fay' }),
      await readFaceRow(face(0)),
    ]);
    expect(status).toBe(200);
    expect(body).toMatchObject({ id: face(0), person: { name: 'Fay' }, enrolled: true, reason: null });
    expect(row).toMatchObject({ decided_by: 'user', status: 'matched', person: body.person.id, rematch: 2 });
    const { body: person } = await call('GET', `/v1/people/${body.person.id}`);
    expect(person).toMatchObject({
      images: 1,
      cover: face(0),
      references: [{ source: 'face', imageName: `face/${face(0)}`, faceId: face(0) }],
    });
    // Naming it once more changes nothing.
    expect((await call('PUT', `/v1/faces/${face(0)}/person`, { personId: person.id })).body.enrolled).toBe(true);
    expect((await call('GET', `/v1/people/${person.id}`)).body.references).toEqual(person.references);

    const [rejected, rowAfter] = await whileNothingIsDecidedAgain(async () => [
      await call('DELETE', `/v1/faces/${face(0)}/person`),
      await readFaceRow(face(0)),
    ]);
    expect(rejected).toMatchObject({ status: 200, body: { person: null } });
    expect(rowAfter).toMatchObject({
      decided_by: 'gallery',
      status: 'unknown',
      person: null,
      rematch: 2,
    });
    expect((await call('GET', `/v1/people/${person.id}`)).body.references).toEqual([]);
    const rejections = async () =>
      (await services.db.query<Row[]>('SELECT person_id FROM face_rejections WHERE face_id = ?', [face(0)]))[0];
    expect(await rejections()).toEqual([{ person_id: person.id }]);
    expect((await call('DELETE', `/v1/faces/${face(0)}/person`)).body.error.code).toBe('face_not_named');
    expect((await call('DELETE', `/v1/faces/${face(0)}/person?person=${person.id}`)).status).toBe(200);

    // The face may still tell that it was nearest to the reference that is gone.
    const gone = [{ personId: person.id, personImageId: person.references[0].id, distance: 0 }];
    const named = await whileNothingIsDecidedAgain(async () => {
      await services.db.query('UPDATE faces SET candidates = ? WHERE id = ?', [JSON.stringify(gone), face(0)]);
      return call('PUT', `/v1/faces/${face(0)}/person`, { personId: person.id, enrol: false });
    });
    expect(named.body).toMatchObject({ enrolled: false, reason: null });
    expect(await rejections()).toEqual([]);
  });

  test('a face that is the same picture as a reference is named and not enrolled; by force it is', async () => {
    const id = await addPerson('Gina');
    await services.db.query(
      `INSERT INTO person_images (image_name, person_id, descriptor, model, source)
       SELECT 'photo/copy#0', ?, descriptor, model, 'photo' FROM faces WHERE id = ?`,
      [id, face(1)],
    );
    const named = await call('PUT', `/v1/faces/${face(1)}/person`, { personId: id });
    expect(named.body).toMatchObject({ person: { id }, enrolled: false, reason: { code: 'duplicate_face' } });
    const forced = await call('PUT', `/v1/faces/${face(1)}/person`, { personId: id, force: true });
    expect(forced.body).toMatchObject({ enrolled: true, reason: null });
  });

  test('a poor face is named and not enrolled; by force it is', async () => {
    const id = await addPerson('Lea');
    const named = await call('PUT', `/v1/faces/${leaning.id}/person`, { personId: id });
    expect(named).toMatchObject({
      status: 200,
      body: { person: { id }, enrolled: false, reason: { code: 'poor_quality' } },
    });
    expect(named.body.reason.message).toContain('EXTREME_POSE');
    expect(await readFaceRow(leaning.id)).toMatchObject({ person_id: id, decided_by: 'user', status: 'matched' });
    const enrolled = await call('POST', `/v1/people/${id}/faces`, { faceId: leaning.id });
    expect(enrolled).toMatchObject({ status: 422, body: { error: { code: 'poor_quality', retryable: false } } });
    expect((await call('GET', `/v1/people/${id}`)).body.references).toEqual([]);

    const forced = await call('PUT', `/v1/faces/${leaning.id}/person`, { personId: id, force: true });
    expect(forced.body).toMatchObject({ enrolled: true, reason: null });
    expect((await call('GET', `/v1/people/${id}`)).body.references).toMatchObject([{ faceId: leaning.id }]);
  });

  test('POST …/faces with a face is all or nothing', async () => {
    const [hal, ida] = [await addPerson('Hal'), await addPerson('Ida')];
    const enrolled = await call('POST', `/v1/people/${hal}/faces`, { faceId: face(2) });
    expect(enrolled).toMatchObject({ status: 201, body: { reference: expect.any(Number) } });
    expect(await readFaceRow(face(2))).toMatchObject({ person_id: hal, decided_by: 'user' });
    const others = await call('POST', `/v1/people/${ida}/faces`, { faceId: face(2) });
    expect(others).toMatchObject({ status: 409, body: { error: { code: 'belongs_to_other' } } });
    expect(await readFaceRow(face(2))).toMatchObject({ person_id: hal });
    const forced = await call('POST', `/v1/people/${ida}/faces`, { faceId: face(2), force: true });
    expect(forced).toMatchObject({ status: 201, body: enrolled.body });
    expect((await call('GET', `/v1/people/${hal}`)).body.references).toEqual([]);
    expect(await readFaceRow(face(2))).toMatchObject({ person_id: ida });
  });

  test("named by many at once, a face is one person's in the end, and so is its reference", async () => {
    const ids = await Promise.all(Array.from({ length: 6 }, (_, n) => addPerson(`Claimant ${n}`)));
    const answers = await Promise.all(ids.map((personId) => call('PUT', `/v1/faces/${face(0)}/person`, { personId })));
    expect(answers.map(({ status }) => status)).toEqual(ids.map(() => 200));
    const { person_id, person } = await readFaceRow(face(0));
    expect(ids).toContain(person_id);
    expect(person).toBe(person_id);
    const [references] = await services.db.query<Row[]>('SELECT person_id FROM person_images WHERE face_id = ?', [
      face(0),
    ]);
    expect(references).toEqual([{ person_id }]);
  });

  test('merged while they are being named, people lose nothing; merged and erased at once, somebody comes first', async () => {
    const [target, source] = [await addPerson('Target'), await addPerson('Source')];
    const [merged, named] = await Promise.all([
      call('POST', `/v1/people/${target}/merge`, { people: [source, target] }),
      call('PUT', `/v1/faces/${face(1)}/person`, { personId: source, force: true }),
    ]);
    expect(merged.status).toBe(200);
    expect([200, 404]).toContain(named.status);
    const row = await readFaceRow(face(1));
    if (named.status === 200) expect(row).toMatchObject({ person_id: target });
    else expect(row.person_id).not.toBe(source);
    expect((await call('GET', `/v1/people/${source}`)).status).toBe(404);

    const [x, y] = [await addPerson('X'), await addPerson('Y')];
    const [merge, erase] = await Promise.all([
      call('POST', `/v1/people/${x}/merge`, { people: [y] }),
      call('DELETE', `/v1/people/${y}`),
    ]);
    expect([`${merge.status} ${erase.status}`]).toContainEqual(expect.stringMatching(/^(200 404|404 200)$/));
  });

  test('merging moves references, faces, rejections and enrolments; what people said of a face wins', async () => {
    const [target, source] = [await addPerson('Merge target'), await addPerson('Merge source')];
    await call('PUT', `/v1/faces/${face(0)}/person`, { personId: source });
    await call('DELETE', `/v1/faces/${face(0)}/person?person=${target}`);
    await call('PUT', `/v1/faces/${face(0)}/person`, { personId: source });
    await call('DELETE', `/v1/faces/${face(2)}/person?person=${source}`);
    await services.finish(
      await call('POST', `/v1/people/${source}/faces`, { paths: [{ path: 'd.jpg' }], force: true }),
    );
    const [{ status, body }, row] = await services.whileNothingIsDecidedAgain(async () => {
      await services.db.query('UPDATE images SET rematch = 0');
      const merged = await call('POST', `/v1/people/${target}/merge`, { people: [source] });
      return [merged, await readFaceRow(face(0))];
    });
    expect(status).toBe(200);
    expect(body.references.map(({ source: from }: { source: string }) => from).sort()).toEqual(['face', 'photo']);
    const revision = await readGallery();
    const [references] = await services.db.query<Row[]>(
      'SELECT DISTINCT revision FROM person_images WHERE person_id = ?',
      [target],
    );
    expect(references).toEqual([{ revision }]);
    expect(row).toMatchObject({
      person_id: target,
      decided_by: 'user',
      person: target,
      rematch: 2,
    });
    const [rejections] = await services.db.query<Row[]>('SELECT face_id FROM face_rejections WHERE person_id = ?', [
      target,
    ]);
    expect(rejections).toEqual([{ face_id: face(2) }]);
    const [enrolments] = await services.db.query<Row[]>(
      'SELECT person_id FROM enrolments WHERE path = ? AND forced = 1',
      ['d.jpg'],
    );
    expect(enrolments).toEqual([{ person_id: target }]);
    expect((await call('GET', '/v1/people?q=Merge')).body.people).toHaveLength(1);
  });
});

test('faceflow people: add, list, rename, merge, erase', async () => {
  const faceflow = (...args: string[]) => startFaceflow(['people', ...args], { FACEFLOW_URL: services.url }).ended;
  const added = await faceflow(
    'add',
    'Petra',
    join(services.photos, 'e.jpg'),
    join(services.photos, 'text.jpg'),
    '--force',
  );
  expect(added.code).toBe(1);
  expect(added.stdout).toContain('text.jpg: image_unreadable');
  expect(added.stdout).toMatch(/Petra \(person \d+\): 1 enrolled, 1 refused/);
  expect((await faceflow('rename', 'Petra', 'Petra B')).stdout).toContain('Petra B');
  await faceflow('add', 'Petra C', join(services.photos, 'd.jpg'), '--force');
  const merged = await faceflow('merge', 'Petra B', 'Petra C', '--json');
  expect(JSON.parse(merged.stdout)).toMatchObject({ name: 'Petra B', faces: 2 });
  expect((await faceflow('list', 'petra')).stdout).toMatch(/Petra B +2 /);
  expect(JSON.parse((await faceflow('erase', 'Petra B', '--json')).stdout)).toMatchObject({ references: 2, files: 2 });
  expect(await faceflow('rename', 'Petra B', 'x')).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('There is nobody named Petra B.'),
  });
  expect((await faceflow('list', 'petra', '--json')).stdout).toBe('{"people":[]}\n');
});

test('where uploads cannot be stored, it says so and takes paths all the same', async () => {
  // Root may write anywhere; a file in the folder's place stops everybody.
  const uploads = join(services.photos, 'uploads');
  await rename(uploads, `${uploads}-away`);
  await writeFile(uploads, '');
  const photo = await readFile(join(services.photos, 'c.jpg'));
  const refused = await services.upload('/v1/images', { 'c.jpg': photo });
  expect(refused).toMatchObject({ status: 403, body: { error: { code: 'uploads_not_possible', retryable: false } } });
  expect(refused.body.error.message).toContain('IMAGE_ROOTS');
  expect((await call('POST', '/v1/images', { paths: [{ path: 'c.jpg' }] })).status).toBe(202);
  await rm(uploads);
  await rename(`${uploads}-away`, uploads);
});
