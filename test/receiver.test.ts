import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { jetstreamManager } from '@nats-io/jetstream';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openTcpProxy } from '../bench/chaos/tcp-proxy.ts';
import { chooseFreePort } from '../cli/free-port.ts';
import { openDatabase } from '../lib/database.ts';
import { openImages } from '../lib/images.ts';
import { askWhole, readAnswer } from './ask.ts';
import { connectNats } from './connect-nats.ts';
import {
  createDatabase,
  createStreamName,
  natsUrl,
  type RunningService,
  startService,
  type TestDatabase,
} from './servers.ts';
import { waitFor } from './wait-for.ts';

let database: TestDatabase;
let receiver: RunningService;
let folder: string;
let root: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'faceflow-receiver-'));
  root = join(folder, 'photos');
  await mkdir(root);
  // 60 x 40, turned by EXIF: upright it is 40 x 60.
  const photo = sharp({ create: { width: 60, height: 40, channels: 3, background: '#c33' } });
  await photo.jpeg().withMetadata({ orientation: 6 }).toFile(join(root, 'turned.jpg'));
  await photo.tiff().toFile(join(root, 'a.tiff'));
  await writeFile(join(root, 'text.png'), 'no picture');
  await writeFile(join(folder, 'secret.jpg'), 'secret');
  await symlink(join(folder, 'secret.jpg'), join(root, 'link.jpg'));
  database = await createDatabase();
  receiver = await startReceiver({ NATS_URL: natsUrl(), MYSQL_URL: database.url });
});

afterAll(async () => {
  await receiver.stop();
  await database.drop();
  await rm(folder, { recursive: true });
});

function startReceiver(env: Record<string, string>) {
  return startService('receiver', { IMAGES_STREAM: createStreamName(), IMAGE_ROOTS: root, LOG_LEVEL: 'debug', ...env });
}

async function call(path: string, options: RequestInit = {}, service = receiver) {
  return readAnswer(await fetch(`http://127.0.0.1:${service.port}${path}`, options));
}

function post(path: string, body: unknown, headers: Record<string, string> = {}, service = receiver) {
  return askWhole('POST', `http://127.0.0.1:${service.port}${path}`, body, { headers });
}

describe('POST /image/post', () => {
  test.each(['application/json', 'application/x-www-form-urlencoded', 'text/plain', 'nonsense'])(
    'takes JSON whatever the Content-Type says: %s',
    async (type) => {
      const { status, body } = await post('/image/post', { path: 'typed.jpg' }, { 'content-type': type });
      expect(status).toBe(202);
      expect(body).toEqual({ id: expect.any(Number), path: 'typed.jpg', status: 'pending' });
    },
  );

  test('a path posted twice, in any spelling, is one image', async () => {
    const answers = await Promise.all(
      ['same.jpg', './same.jpg', 'x/../same.jpg', 'same.jpg'].map((path) => post('/image/post', { path })),
    );
    expect(new Set(answers.map(({ body }) => body.id)).size).toBe(1);
  });

  test.each([
    ['wrong JSON', '{"path', 400, 'invalid_json'],
    ['no body', '', 400, 'invalid_request'],
    ['no path', {}, 400, 'invalid_request'],
    ['a path that is no text', { path: 7 }, 400, 'invalid_request'],
    ['an empty path', { path: '' }, 400, 'path_empty'],
    ['an over-long path', { path: 'a'.repeat(1025) }, 400, 'path_too_long'],
    ['a control character', { path: 'a\0b' }, 400, 'path_invalid'],
    ['a URL of a host that nobody allowed', { path: 'http://127.0.0.1/x.jpg' }, 403, 'url_not_allowed'],
    ['..', { path: '../secret.jpg' }, 403, 'path_outside_roots'],
    ['an absolute path elsewhere', { path: '/etc/passwd' }, 403, 'path_outside_roots'],
    ['a symbolic link that leads out', { path: 'link.jpg' }, 403, 'path_outside_roots'],
    ['a body that is too large', { path: 'a'.repeat(2_000_000) }, 413, 'body_too_large'],
  ])('refuses %s', async (_what, body, status, code) => {
    const answer = await post('/image/post', body);
    expect(answer).toMatchObject({ status, body: { error: { code, retryable: false } } });
    expect(answer.body.error.requestId).toMatch(/^[0-9a-f-]{36}$/);
    expect(answer.body.error.message).not.toContain(folder);
    expect((await call('/healthz')).status).toBe(200);
  });

  test('says which method is possible, and what is not there', async () => {
    const wrong = await call('/image/post', { method: 'DELETE' });
    expect(wrong).toMatchObject({ status: 405, body: { error: { code: 'method_not_allowed' } } });
    expect(wrong.headers.get('allow')).toBe('POST');
    expect((await call('/v1/images/1', { method: 'PUT', body: '{}' })).status).toBe(405);
    expect(await call('/nothing')).toMatchObject({ status: 404, body: { error: { code: 'not_found' } } });
  });
});

describe('whoever calls wrongly is told, in the shape of every other error', () => {
  const part = '--x\r\ncontent-disposition: form-data; name="photo"; filename="a.jpg"\r\n\r\nabc';

  test.each([
    ['without a boundary', 'multipart/form-data', `${part}\r\n--x--\r\n`],
    ['that is none', 'multipart/form-data; boundary=x', 'abc'],
    ['that ends early', 'multipart/form-data; boundary=x', part],
  ])('a form %s', async (_what, type, body) => {
    for (const path of ['/v1/images', '/v1/search']) {
      const answer = await post(path, body, { 'content-type': type });
      expect(answer).toMatchObject({ status: 400, body: { error: { code: 'invalid_form', retryable: false } } });
    }
  });

  test('the type of a form may be written in capitals', async () => {
    const headers = { 'content-type': 'Multipart/Form-Data; boundary=x' };
    const answer = await post('/v1/images', `${part}\r\n--x--\r\n`, headers);
    expect(answer.body.error.code).toBe('image_unreadable');
  });

  test('two photos to search for', async () => {
    const two = new FormData();
    for (const name of ['a', 'b']) two.append('photo', new Blob([name]), `${name}.jpg`);
    expect(await post('/v1/search', two)).toMatchObject({ status: 413, body: { error: { code: 'too_many_files' } } });
  });

  test('text that is no UTF-8 is no other path; a byte order mark is nothing', async () => {
    const send = async (bytes: number[]) =>
      readAnswer(
        await fetch(`http://127.0.0.1:${receiver.port}/image/post`, { method: 'POST', body: Buffer.from(bytes) }),
      );
    const json = [...Buffer.from('{"path":"x.jpg"}')];
    expect(await send([0xef, 0xbb, 0xbf, ...json])).toMatchObject({ status: 202, body: { path: 'x.jpg' } });
    const latin1 = json.with(9, 0xfc);
    expect(await send(latin1)).toMatchObject({ status: 400, body: { error: { code: 'invalid_json' } } });
  });

  test.each([
    ['GET', '/v1/images?limit=5&limit=6', undefined, 'limit: stands more than once in the query'],
    ['GET', '/v1/images?from=yesterday', undefined, '2026-11-21T08:00:00Z'],
    ['DELETE', '/v1/faces/1/person?persn=2', undefined, 'query: there is no persn'],
    ['POST', '/v1/keys', { name: 'a', roles: ['read'], expires: '2030-01-01T00:00:00Z' }, 'body: there is no expires'],
    ['POST', '/v1/people', { name: 'A', treshold: 0.4 }, 'body: there is no treshold'],
    ['POST', '/v1/people', { name: '\ud800' }, 'name: valid Unicode'],
    ['POST', '/v1/webhooks/1/redrive', { id: [1] }, 'body: there is no id'],
    ['POST', '/v1/people/1/faces', {}, 'paths: is missing, or faceId: is missing'],
  ])('%s %s %j', async (method, path, body, says) => {
    const answer = await call(path, { method, ...(body === undefined ? {} : { body: JSON.stringify(body) }) });
    expect(answer).toMatchObject({ status: 400, body: { error: { code: 'invalid_request' } } });
    expect(answer.body.error.message).toContain(says);
  });

  test('names that nobody knows do no harm where something is read or submitted', async () => {
    expect((await call('/v1/images?added=later&limit=1')).status).toBe(200);
    expect((await post('/v1/images', { paths: [{ path: 'x.jpg', added: 'later' }] })).status).toBe(202);
  });

  test('what is wrong before there is a route', async () => {
    const shape = { message: expect.any(String), requestId: expect.any(String), traceId: '', retryable: false };
    const undecodable = await call('/v1/images/%zz');
    expect(undecodable).toMatchObject({ status: 400, body: { error: { code: 'invalid_url', ...shape } } });
    const long = await call('/v1/images', { headers: { 'x-long': 'a'.repeat(20_000) } });
    expect(long).toMatchObject({ status: 431, body: { error: { code: 'headers_too_large', ...shape } } });
  });

  test('OPTIONS and HEAD tell what is possible, too', async () => {
    const options = await call('/v1/images', { method: 'OPTIONS' });
    expect({ status: options.status, allow: options.headers.get('allow') }).toEqual({
      status: 204,
      allow: 'POST, GET, HEAD',
    });
    expect((await call('/v1/events', { method: 'HEAD' })).status).toBe(405);
  });

  test('no cache keeps an answer; photos say how long they may be kept', async () => {
    expect((await call('/v1/images?limit=1')).headers.get('cache-control')).toBe('no-store');
    expect((await call('/v1/images/999999')).headers.get('cache-control')).toBe('no-store');
    const { body } = await post('/image/post', { path: 'turned.jpg' });
    expect((await call(`/v1/images/${body.id}/photo`)).headers.get('cache-control')).toBe('private, max-age=60');
  });
});

describe('several photos in one form', () => {
  const photos = async (...contents: (string | Buffer)[]) => {
    const form = new FormData();
    contents.forEach((content, index) => {
      form.append('photo', new Blob([new Uint8Array(Buffer.from(content))]), `photo-${index + 1}.jpg`);
    });
    return post('/v1/images', form);
  };
  const picture = (colour: string) =>
    sharp({ create: { width: 20, height: 20, channels: 3, background: colour } })
      .png()
      .toBuffer();

  test('one answer for each, in order, also when two are the same', async () => {
    const [green, blue] = [await picture('#0a0'), await picture('#00a')];
    const { status, body } = await photos(green, green, blue);
    expect(status).toBe(202);
    const ids = body.images.map((image: { id: number }) => image.id);
    expect(ids).toEqual([ids[0], ids[0], expect.any(Number)]);
    expect(ids[2]).not.toBe(ids[0]);
  });

  test('one that is no photo is named, and none is stored', async () => {
    const red = await picture('#a00');
    const { status, body } = await photos(red, 'no picture', red);
    expect({ status, code: body.error.code }).toEqual({ status: 422, code: 'image_unreadable' });
    expect(body.error.message).toContain('None was stored, because of file 2, "photo-2.jpg": ');
    expect((await photos(red)).body.images).toMatchObject([{ status: 'pending' }]);
    expect((await photos('no picture')).body.error.message).not.toContain('file 1');
  });
});

test('the model that answers is not dropped, and activating it again changes nothing', async () => {
  const activate = () => call('/v1/models/face-api-1/activate', { method: 'POST' });
  const [first, again] = [await activate(), await activate()];
  expect(first).toMatchObject({ status: 200, body: { model: { state: 'active' } } });
  expect(again).toMatchObject({ status: 200, body: { galleryRevision: first.body.galleryRevision } });
  const dropped = await call('/v1/models/face-api-1', { method: 'DELETE' });
  expect(dropped).toMatchObject({ status: 409, body: { error: { code: 'model_active' } } });
  const unknown = await call('/v1/models/other/comparison');
  expect(unknown).toMatchObject({ status: 404, body: { error: { code: 'model_not_found' } } });
});

describe('POST /images/post', () => {
  test('accepts and refuses each path by itself, in order', async () => {
    const paths = [{ path: 'b1.jpg' }, { path: '../b2.jpg' }, { path: '' }, { path: 'b1.jpg' }, { path: 'b3.jpg' }];
    const { status, body } = await post('/images/post', { paths });
    expect(status).toBe(202);
    expect(body.images).toMatchObject([
      { path: 'b1.jpg', status: 'pending' },
      { path: '../b2.jpg', error: { code: 'path_outside_roots' } },
      { path: '', error: { code: 'path_empty' } },
      { path: 'b1.jpg' },
      { path: 'b3.jpg', status: 'pending' },
    ]);
    expect(body.images[3].id).toBe(body.images[0].id);
  });

  test('takes 10,000 paths at once, and every one is enqueued', async () => {
    const { body: before } = await call('/v1/stats');
    const paths = Array.from({ length: 10_000 }, (_, n) => ({ path: `bulk/${n}/${'long'.repeat(20)}.jpg` }));
    const { status, body } = await post('/images/post', { paths });
    expect(status).toBe(202);
    expect(new Set(body.images.map((image: { id: number }) => image.id)).size).toBe(10_000);
    // On a busy machine counting takes long, and then the last count is told while the next is made.
    await waitFor('10,000 more in table and queue', async () => {
      const { body: after } = await call('/v1/stats');
      const more = [after.images.pending - before.images.pending, after.queue.pending - before.queue.pending];
      return more.every((count) => count === 10_000);
    });
    const tooMany = await post('/images/post', { paths: [...paths, { path: 'one-more.jpg' }] });
    expect(tooMany).toMatchObject({ status: 413, body: { error: { code: 'too_many_paths' } } });
  });
});

describe('reading', () => {
  test('pages, newest first, with a cursor and a filter', async () => {
    const { body: first } = await call('/v1/images?limit=3');
    const { body: second } = await call(`/v1/images?limit=3&cursor=${first.nextCursor}`);
    const ids = [...first.images, ...second.images].map((image: { id: number }) => image.id);
    expect(ids).toEqual(ids.toSorted((a, b) => b - a));
    expect(new Set(ids).size).toBe(6);
    expect((await call('/v1/images?status=matched')).body).toEqual({ images: [], nextCursor: null });
    expect(await call('/v1/images?status=odd')).toMatchObject({
      status: 400,
      body: { error: { code: 'invalid_request' } },
    });
    expect((await call('/v1/images?limit=0')).status).toBe(400);
    expect((await call('/v1/images?limit=1&to=9999-12-31')).body.images).toHaveLength(1);
    expect((await call('/v1/audit?limit=1&from=2026-01-01&to=9999-12-31')).status).toBe(200);
    expect((await call('/v1/images?cursor=x')).status).toBe(400);
  });

  test('one image, or why not', async () => {
    const { body: posted } = await post('/image/post', { path: 'one.jpg' });
    const { body } = await call(`/v1/images/${posted.id}`);
    expect(body).toMatchObject({ id: posted.id, path: 'one.jpg', status: 'pending', person: null, faces: [] });
    expect(Date.parse(body.createdAt)).toBeGreaterThan(Date.now() - 60_000);
    expect(await call('/v1/images/999999')).toMatchObject({
      status: 404,
      body: { error: { code: 'image_not_found' } },
    });
    expect((await call('/v1/images/abc')).status).toBe(400);
  });

  test('a face has its quality, or null where nobody has judged it', async () => {
    const { body: posted } = await post('/image/post', { path: 'judged.jpg' });
    const db = openDatabase(database.url);
    const quality = {
      ...{ pixels: 20, sharpness: 0.02, brightness: 0.4, yaw: -12.5, pitch: 3, roll: 25.1 },
      reasons: ['SMALL_BOUNDING_BOX', 'EXTREME_POSE'] as const,
    };
    const face = {
      ...{ box: { left: 0.1, top: 0.1, width: 0.2, height: 0.2 }, confidence: 0.9, descriptor: null, model: null },
      ...{
        personId: null,
        personImageId: null,
        distance: null,
        threshold: 0.495,
        galleryRevision: null,
        candidates: null,
      },
    };
    const faces = [
      { ...face, quality },
      { ...face, quality: null },
    ];
    const outcome = { status: 'unknown', personId: null, width: 640, height: 480, faces } as const;
    expect(await openImages(db).recordOutcome(posted.id, outcome)).toBe(true);
    await db.close();
    const { body } = await call(`/v1/images/${posted.id}`);
    expect(body.faces.map((seen: { quality: unknown }) => seen.quality)).toEqual([quality, null]);
  });

  test('the photo, upright and in a format that browsers show; a thumbnail on request', async () => {
    const photoOf = async (path: string, query = '') => {
      const { body } = await post('/image/post', { path });
      const response = await fetch(`http://127.0.0.1:${receiver.port}/v1/images/${body.id}/photo${query}`);
      return { response, bytes: Buffer.from(await response.arrayBuffer()) };
    };
    const thumbnail = await photoOf('turned.jpg', '?width=20');
    expect(thumbnail.response.headers.get('content-type')).toBe('image/jpeg');
    expect(await sharp(thumbnail.bytes).metadata()).toMatchObject({ width: 20, height: 30 });
    const never = await photoOf('turned.jpg', '?width=4000');
    expect(await sharp(never.bytes).metadata()).toMatchObject({ width: 40, height: 60 });
    const original = await photoOf('turned.jpg');
    expect(await sharp(original.bytes).metadata()).toMatchObject({ format: 'jpeg', orientation: 6 });
    expect((await photoOf('a.tiff')).response.headers.get('content-type')).toBe('image/jpeg');

    const etag = thumbnail.response.headers.get('etag') ?? '';
    const again = await fetch(thumbnail.response.url, { headers: { 'if-none-match': etag } });
    expect(again.status).toBe(304);
    expect((await photoOf('text.png')).response.status).toBe(422);
    expect((await photoOf('none.jpg')).response.status).toBe(404);
  });

  test('describes itself: OpenAPI 3.1 with every route', async () => {
    const { body } = await call('/openapi.json');
    expect(body.openapi).toBe('3.1.0');
    const routes = [
      '/image/post',
      '/images/post',
      '/v1/images',
      '/v1/images/{id}',
      '/v1/images/{id}/photo',
      '/v1/stats',
    ];
    expect(Object.keys(body.paths)).toEqual(expect.arrayContaining(routes));
    expect((await fetch(`http://127.0.0.1:${receiver.port}/docs`)).status).toBe(200);
  });
});

describe('when something is missing', () => {
  test('without NATS a photo is accepted all the same', async () => {
    const port = await chooseFreePort();
    const lonely = await startReceiver({ NATS_URL: `nats://127.0.0.1:${port}`, MYSQL_URL: database.url });
    const db = openDatabase(database.url);
    const waiting = () => openImages(db).listNotEnqueued({ minAgeMs: 0, limit: 10 });
    expect(await post('/image/post', { path: 'later.jpg' }, {}, lonely)).toMatchObject({ status: 202 });
    expect(await waiting()).toHaveLength(1);
    expect((await call('/v1/stats', {}, lonely)).body.queue).toBeNull();
    await lonely.stop();
    // The other receiver's sweeper publishes what this one could not.
    await waitFor('the outbox to be empty', async () => (await waiting()).length === 0);
    await db.close();
  });

  test('where NATS hangs a photo is accepted all the same, and enqueued when it goes on', async () => {
    const { hostname, port } = new URL(natsUrl());
    const proxy = await openTcpProxy([{ host: hostname, port: Number(port) }], Math.random);
    const url = new URL(natsUrl());
    url.port = String(proxy.port);
    const own = await createDatabase();
    const hanging = await startReceiver({ NATS_URL: url.href, MYSQL_URL: own.url });
    const queued = async () => (await call('/v1/stats', {}, hanging)).body.queue?.pending;
    await waitFor('the queue to be there', async () => (await queued()) === 0);
    await proxy.fail('hung');
    expect(await post('/image/post', { path: 'hung.jpg' }, {}, hanging)).toMatchObject({ status: 202 });
    await waitFor('the log to say so', () => hanging.log().includes('ids were not taken by the queue'));
    await proxy.fail(null);
    await waitFor('the photo to be enqueued', async () => (await queued()) === 1, 60_000);
    await hanging.stop();
    await proxy.close();
    await own.drop();
  });

  test('what the queue has lost is published again, and what still waits in it is not', async () => {
    const other = await createDatabase();
    const stream = createStreamName();
    const forgetful = await startReceiver({ NATS_URL: natsUrl(), MYSQL_URL: other.url, IMAGES_STREAM: stream });
    const queued = async () => (await call('/v1/stats', {}, forgetful)).body.queue.pending;
    const db = openDatabase(other.url);
    await post('/images/post', { paths: [{ path: 'a.jpg' }, { path: 'b.jpg' }] }, {}, forgetful);
    await expect.poll(queued).toBe(2);
    const nats = await connectNats(natsUrl());
    const manager = await jetstreamManager(nats);
    await manager.streams.purge(stream);
    expect(await queued()).toBe(0);
    await db.query('UPDATE images SET enqueued_at = enqueued_at - INTERVAL 1 HOUR');
    // The stream remembers the message ids of the last two minutes: a new one has forgotten them.
    await manager.streams.delete(stream);
    await forgetful.stop();
    const next = await startReceiver({ NATS_URL: natsUrl(), MYSQL_URL: other.url, IMAGES_STREAM: stream });
    const waiting = async () => (await call('/v1/stats', {}, next)).body.queue?.pending;
    await waitFor('both to be published again', async () => (await waiting()) === 2, 120_000);
    // Older than all that waits? No: as old as the next to be handed out.
    await db.query('UPDATE images SET enqueued_at = enqueued_at - INTERVAL 5 MINUTE');
    await sleep(17_000);
    expect(await waiting()).toBe(2);
    expect(next.log().split('the queue has lost images')).toHaveLength(2);
    await next.stop();
    await nats.close();
    await db.close();
    await other.drop();
  });

  test('without a database it lives, is not ready, and answers 500 with retryable', async () => {
    const port = await chooseFreePort();
    const env = {
      NATS_URL: natsUrl(),
      MYSQL_URL: `mysql://a:b@127.0.0.1:${port}/c`,
      IMAGES_STREAM: createStreamName(),
    };
    const blind = await startService('receiver', { IMAGE_ROOTS: root, ...env }, { ready: '/healthz' });
    expect((await call('/readyz', {}, blind)).status).toBe(503);
    const answer = await post('/image/post', { path: 'x.jpg' }, {}, blind);
    expect(answer).toMatchObject({ status: 500, body: { error: { code: 'internal_error', retryable: true } } });
    await blind.stop();
  });

  test('with a wrong configuration it says everything that is wrong, and exits with 1', async () => {
    const broken = await startService('receiver', { MYSQL_URL: 'x', LOG_LEVEL: 'loud' }, { ready: false });
    expect(await broken.exited).toMatchObject({ code: 1 });
    for (const key of ['MYSQL_URL', 'NATS_URL', 'IMAGE_ROOTS', 'LOG_LEVEL'])
      expect(broken.log()).toContain(`${key}: expected`);
  });

  test('SIGTERM ends it with 0', async () => {
    const other = await startReceiver({ NATS_URL: natsUrl(), MYSQL_URL: database.url });
    expect(await other.stop()).toMatchObject({ code: 0 });
  });
});
