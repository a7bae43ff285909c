import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { mkdir, mkdtemp, readdir, rm } from 'node:fs/promises';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import mysql from 'mysql2/promise';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Database, descriptorToBytes, openDatabase, type Row } from '../lib/database.ts';
import { claimOperation, storeAnswer } from '../lib/idempotency.ts';
import { forgetAnswers } from '../processor/jobs/forget-answers.ts';
import { askWhole } from './ask.ts';
import {
  createDatabase,
  createStreamName,
  natsUrl,
  type RunningService,
  startService,
  type TestDatabase,
} from './servers.ts';
import { waitFor } from './wait-for.ts';

const MODEL = 'made-up';
const ABANDONED = 'claimed_until = CURRENT_TIMESTAMP(3) - INTERVAL 1 SECOND';

let folder: string;
let database: TestDatabase;
let db: Database;
let env: Record<string, string>;
let one: RunningService;
let other: RunningService;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'faceflow-idempotency-'));
  database = await createDatabase();
  db = openDatabase(database.url);
  env = {
    ...{ MYSQL_URL: database.url, NATS_URL: natsUrl(), IMAGES_STREAM: createStreamName() },
    ...{ EVENTS_STREAM: createStreamName(), IMAGE_ROOTS: folder, MAX_IMAGE_BYTES: '100000' },
    // Nobody is there.
    RECOGNIZER_ADDRESS: '127.0.0.1:9',
  };
  await mkdir(join(folder, 'uploads'));
  [one, other] = await Promise.all([startService('receiver', env), startService('receiver', env)]);
});

afterAll(async () => {
  await Promise.all([one.stop(), other.stop()]);
  await db.close();
  await database.drop();
  await rm(folder, { recursive: true });
});

async function post(path: string, body: unknown, key?: string, service = one) {
  const given: Record<string, string> = key === undefined ? {} : { 'idempotency-key': key };
  const url = `http://127.0.0.1:${service.port}${path}`;
  const { headers, ...answer } = await askWhole('POST', url, body, { headers: given });
  return { ...answer, replayed: headers.get('idempotent-replayed') === 'true' };
}

async function count(table: string): Promise<number> {
  const [rows] = await db.query<Row[]>('SELECT COUNT(*) AS count FROM ??', [table]);
  return rows[0]?.count;
}

/** What is in the database when a receiver dies after its transaction and before the answer is stored. */
async function forgetAnswer(): Promise<void> {
  await db.query(`UPDATE idempotency_keys SET status = NULL, answer = NULL, ${ABANDONED} WHERE status IS NOT NULL`);
}

/** Of requests that are being worked on. */
async function listClaims(): Promise<{ until: Date }[]> {
  const [rows] = await db.query<Row[]>(
    'SELECT claimed_until AS until FROM idempotency_keys WHERE status IS NULL AND claimed_until > CURRENT_TIMESTAMP(3)',
  );
  return rows.map((row) => ({ until: row.until }));
}

async function addPerson(name = randomUUID()): Promise<number> {
  return (await post('/v1/people', { name })).body.id;
}

/** Unknown faces of one image each, in one cluster. */
async function addFaces(howMany: number): Promise<{ faces: number[]; cluster: number }> {
  const [made] = await db.query<mysql.ResultSetHeader>('INSERT INTO clusters (model, size) VALUES (?, ?)', [
    ...[MODEL, howMany],
  ]);
  const faces: number[] = [];
  for (let n = 0; n < howMany; n++) {
    const [image] = await db.query<mysql.ResultSetHeader>("INSERT INTO images (path, status) VALUES (?, 'unknown')", [
      `${randomUUID()}.jpg`,
    ]);
    const descriptor = Float32Array.from({ length: 128 }, () => Math.random());
    const [face] = await db.query<mysql.ResultSetHeader>(
      'INSERT INTO faces (image_id, face_index, descriptor, model, cluster_id, cluster_state) VALUES (?, 0, ?, ?, ?, 1)',
      [image.insertId, descriptorToBytes(descriptor), MODEL, made.insertId],
    );
    faces.push(face.insertId);
  }
  return { faces, cluster: made.insertId };
}

async function photo(colour: string): Promise<Blob> {
  const bytes = await sharp({ create: { width: 40, height: 30, channels: 3, background: colour } })
    .png()
    .toBuffer();
  return new Blob([new Uint8Array(bytes)]);
}

async function formOf(...colours: string[]): Promise<FormData> {
  const form = new FormData();
  for (const colour of colours) form.append('photo', await photo(colour), `${colour}.png`);
  return form;
}

test('every POST below /v1 takes a key: the same answer again, and 409 for another body', async () => {
  const { openapi, paths } = (await (await fetch(`http://127.0.0.1:${one.port}/openapi.json`)).json()) as {
    openapi: string;
    paths: Record<string, Record<string, { parameters?: { name: string }[]; requestBody?: { content: object } }>>;
  };
  expect(openapi).toBe('3.1.0');
  const routes = Object.entries(paths).flatMap(([path, methods]) =>
    methods.post !== undefined && path.startsWith('/v1/') ? [{ path, post: methods.post }] : [],
  );
  expect(routes.length).toBeGreaterThanOrEqual(8);
  for (const { path, post: operation } of routes) {
    expect({ path, parameters: operation.parameters?.map(({ name }) => name) }).toMatchObject({
      parameters: expect.arrayContaining(['idempotency-key']),
    });
    // Somebody who is not there: what is answered does not matter here, if it is an answer for ever.
    const url = path.replaceAll(/\{\w+\}/g, '987654321');
    const bodies: [unknown, unknown][] = [[{ none: 1 }, { none: 2 }]];
    if ('multipart/form-data' in (operation.requestBody?.content ?? {})) {
      bodies.push([await formOf('red'), await formOf('blue')]);
    }
    for (const [body, changed] of bodies) {
      const key = randomUUID();
      const first = await post(url, body, key);
      if (first.status >= 500) continue;
      const again = await post(url, body, key, other);
      // An answer that came before the form was read is no answer for ever, and the same all the same.
      const unread = body instanceof FormData && !again.replayed;
      if (unread) expect({ path, status: again.status }).toEqual({ path, status: 404 });
      else {
        expect({ path, ...again }).toEqual({ path, ...first, replayed: true });
        expect(await post(url, changed, key)).toMatchObject({
          status: 409,
          body: { error: { code: 'idempotency_key_reused', retryable: false } },
        });
      }
    }
  }
});

test('a person is made once, whichever receiver is asked; neither key nor name can be read in the database', async () => {
  const key = `secret-${randomUUID()}`;
  const body = { name: 'Ada Lovelace' };
  const first = await post('/v1/people', body, key);
  expect(first).toMatchObject({ status: 201, replayed: false, body: { name: 'Ada Lovelace' } });
  expect(await post('/v1/people', body, key, other)).toEqual({ ...first, replayed: true });
  expect((await post('/v1/people', body)).status).toBe(409);
  expect((await post('/v1/people', { name: 'Ada' }, key)).body.error.code).toBe('idempotency_key_reused');
  expect((await post('/v1/people?x', body, key)).body.error.code).toBe('idempotency_key_reused');
  expect((await post('/v1/people', body, 'with spaces')).body.error.code).toBe('idempotency_key_invalid');
  const [rows] = await db.query<Row[]>('SELECT * FROM idempotency_keys');
  for (const row of rows) {
    const text = Object.values(row).map((value) => (Buffer.isBuffer(value) ? value.toString('latin1') : String(value)));
    expect(text.join()).not.toMatch(/secret-|Lovelace/);
  }
});

test('many at once, at several receivers: done once, and all hear the same in the end', async () => {
  const key = randomUUID();
  const body = { name: randomUUID() };
  const ask = (n: number) =>
    waitFor('an answer', async () => {
      const answer = await post('/v1/people', body, key, n % 2 === 0 ? one : other);
      const isLater = answer.status === 409 && answer.body.error.code === 'idempotency_in_progress';
      if (isLater) expect(answer.body.error.retryable).toBe(true);
      return isLater ? null : answer;
    });
  const answers = await Promise.all(Array.from({ length: 16 }, (_, n) => ask(n)));
  expect(new Set(answers.map(({ status, body: { id } }) => `${status} ${id}`)).size).toBe(1);
  expect(answers.filter(({ replayed }) => !replayed)).toHaveLength(1);
});

describe('uploads', () => {
  test('the same form, with another boundary, is the same request; another photo, name or field is not', async () => {
    const key = randomUUID();
    const first = await post('/v1/images', await formOf('#123456', '#654321'), key);
    expect(first).toMatchObject({ status: 202, replayed: false });
    expect(first.body.images).toHaveLength(2);
    expect(await post('/v1/images', await formOf('#123456', '#654321'), key, other)).toEqual({
      ...first,
      replayed: true,
    });
    const renamed = new FormData();
    renamed.append('photo', await photo('#123456'), 'x.png');
    renamed.append('photo', await photo('#654321'), '#654321.png');
    const withField = await formOf('#123456', '#654321');
    withField.append('force', 'true');
    const reordered = await formOf('#654321', '#123456');
    for (const form of [renamed, withField, reordered, await formOf('#123456')]) {
      expect((await post('/v1/images', form, key)).body.error.code).toBe('idempotency_key_reused');
    }
    expect((await post('/v1/images', { paths: [{ path: 'a.jpg' }] }, key)).body.error.code).toBe(
      'idempotency_key_reused',
    );
    expect((await readdir(join(folder, 'uploads'))).filter((name) => name.endsWith('.part'))).toEqual([]);
  });

  test('one that is refused half-way is not remembered, and a smaller one may follow', async () => {
    const key = randomUUID();
    const tooLarge = new FormData();
    tooLarge.append('photo', new Blob([new Uint8Array(150_000)]), 'a.png');
    expect((await post('/v1/images', tooLarge, key)).status).toBe(413);
    expect((await post('/v1/images', tooLarge, key)).status).toBe(413);
    expect((await post('/v1/images', await formOf('red'), key)).status).toBe(202);
  });

  test('a receiver that was paused while it read, and overtaken, changes nothing when it wakes up', async () => {
    const person = await addPerson();
    const key = randomUUID();
    const form = new Response(await formOf('#00ff00'));
    const type = form.headers.get('content-type') ?? '';
    const bytes = Buffer.from(await form.arrayBuffer());
    const before = await count('enrolment_batches');

    const slow: Socket = connect(one.port, '127.0.0.1');
    slow.write(
      `POST /v1/people/${person}/faces HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: ${type}\r\n` +
        `content-length: ${bytes.length}\r\nidempotency-key: ${key}\r\n\r\n`,
    );
    slow.write(bytes.subarray(0, 100));
    await waitFor('the claim', async () => (await listClaims()).length === 1);
    const send = async () => post(`/v1/people/${person}/faces`, await formOf('#00ff00'), key, other);
    expect((await send()).body.error.code).toBe('idempotency_in_progress');

    one.kill('SIGSTOP');
    await db.query(`UPDATE idempotency_keys SET ${ABANDONED} WHERE status IS NULL`);
    const answer = await send();
    one.kill('SIGCONT');
    expect(answer).toMatchObject({ status: 202, replayed: false });
    let heard = '';
    slow.on('data', (data) => {
      heard += data;
    });
    slow.write(bytes.subarray(100));
    await once(slow, 'close');
    expect(heard).toContain('409 Conflict');
    expect(heard).toContain('idempotency_in_progress');
    expect(await send()).toEqual({ ...answer, replayed: true });
    expect(await count('enrolment_batches')).toBe(before + 1);
  });
});

test('a receiver that is killed after the work and before the answer: another one gives the answer, and does nothing twice', async () => {
  const victim = await startService('receiver', env);
  const key = randomUUID();
  const body = { name: randomUUID() };
  // A person who has been made is read for the answer, and whether they are being erased.
  const locker = await mysql.createConnection({ uri: database.url });
  await locker.query('LOCK TABLES erasures WRITE');
  const lost = post('/v1/people', body, key, victim).catch(() => 'cut off');
  const findPerson = async () => (await db.query<Row[]>('SELECT id FROM person WHERE name = ?', [body.name]))[0][0]?.id;
  const id = await waitFor('the person', findPerson);
  const [claimed] = await listClaims();
  await waitFor('the claim to be renewed', async () => {
    const [now] = await listClaims();
    return now !== undefined && claimed !== undefined && now.until > claimed.until;
  });
  victim.kill('SIGKILL');
  await victim.exited;
  await locker.query('UNLOCK TABLES');
  await locker.end();
  expect(await lost).toBe('cut off');

  expect((await post('/v1/people', body, key)).body.error.code).toBe('idempotency_in_progress');
  await db.query(`UPDATE idempotency_keys SET ${ABANDONED} WHERE status IS NULL`);
  expect((await post('/v1/people', { name: 'x' }, key)).body.error.code).toBe('idempotency_key_reused');
  const answer = await post('/v1/people', body, key);
  expect(answer).toMatchObject({ status: 201, replayed: false, body: { id } });
  expect(await post('/v1/people', body, key, other)).toEqual({ ...answer, replayed: true });
});

test('whatever was done is not done again by the next try, on any route', async () => {
  const [target, source, model] = [await addPerson(), await addPerson(), await addPerson()];
  const { faces, cluster } = await addFaces(5);
  const named = await addFaces(3);
  const routes: [path: string, body: unknown][] = [
    ['/v1/images', { paths: [{ path: 'once.jpg' }] }],
    ['/v1/images', await formOf('#0000ff')],
    ['/v1/people', { name: randomUUID() }],
    [`/v1/people/${target}/merge`, { people: [source] }],
    [`/v1/people/${model}/faces`, { paths: [{ path: 'a.jpg' }, { path: '../outside.jpg' }] }],
    [`/v1/people/${model}/faces`, { faceId: faces[0] }],
    [`/v1/people/${model}/faces`, await formOf('#00ffff')],
    ['/v1/enrolments', { enrolments: [{ person: 'Somebody new', path: 'b.jpg' }] }],
    [`/v1/clusters/${cluster}/split`, { faces: faces.slice(3) }],
    [`/v1/clusters/${named.cluster}/name`, { name: 'Grace' }],
  ];
  const tables = [
    'images',
    'person',
    'person_images',
    'enrolment_batches',
    'enrolments',
    'clusters',
    'audit',
    'gallery',
  ];
  const state = async () => {
    const [gallery] = await db.query<Row[]>('SELECT revision FROM gallery');
    return { revision: gallery[0]?.revision, counts: await Promise.all(tables.map(count)) };
  };
  for (const [path, body] of routes) {
    const key = randomUUID();
    const first = await post(path, body, key);
    expect({ path, status: first.status }).toEqual({ path, status: expect.toSatisfy((status) => status < 300) });
    const after = await state();
    await forgetAnswer();
    expect({ path, ...(await post(path, body, key, other)) }).toEqual({ path, ...first });
    expect({ path, ...(await state()) }).toEqual({ path, ...after });
  }
});

test('an answer that may be another one later is not kept, but the key stays that of its request', async () => {
  const key = randomUUID();
  for (const _ of [1, 2]) {
    expect(await post('/v1/search', { path: 'a.jpg' }, key)).toMatchObject({ status: 503, replayed: false });
  }
  expect((await post('/v1/search', { path: 'b.jpg' }, key)).body.error.code).toBe('idempotency_key_reused');
});

test('a key is its caller’s, for a day', async () => {
  const request = { caller: 'key:1', key: randomUUID(), fingerprint: Buffer.alloc(32, 1) };
  const claim = await claimOperation(db, request);
  if (claim.kind !== 'mine') throw new Error('It is new.');
  await storeAnswer(db, claim.operation, { status: 201, headers: { location: '/x' }, body: '{}' });
  expect((await claimOperation(db, { ...request, caller: 'key:2' })).kind).toBe('mine');
  expect(await claimOperation(db, request)).toMatchObject({
    ...{ kind: 'answered', answer: { status: 201, headers: { location: '/x' }, body: '{}' } },
  });
  const age = (hours: number) =>
    db.query('UPDATE idempotency_keys SET created_at = CURRENT_TIMESTAMP(3) - INTERVAL ? HOUR WHERE id = ?', [
      ...[hours, claim.operation.id],
    ]);
  const isThere = async () =>
    (await db.query<Row[]>('SELECT 1 FROM idempotency_keys WHERE id = ?', [claim.operation.id]))[0].length;
  const job = { write: db.transact, signal: new AbortController().signal };
  await age(23);
  await forgetAnswers(job);
  expect(await isThere()).toBe(1);
  await age(25);
  expect((await claimOperation(db, request)).kind).toBe('mine');
  await age(25);
  await db.query("INSERT INTO jobs (name) VALUES ('answers')");
  expect(await forgetAnswers(job)).toBeGreaterThanOrEqual(1);
  expect(await isThere()).toBe(0);
});
