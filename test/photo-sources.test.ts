import { once } from 'node:events';
import { copyFile, mkdir, mkdtemp, rm } from 'node:fs/promises';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { askWhole, type WholeAnswer } from './ask.ts';
import { type S3Server, s3Error, startS3Server } from './s3-server.ts';
import { samplePhoto } from './sample-photos.ts';
import {
  createDatabase,
  createStreamName,
  natsUrl,
  type RunningService,
  startService,
  type TestDatabase,
} from './servers.ts';
import { waitFor } from './wait-for.ts';

const MAX_BYTES = 1_000_000;

let folder: string;
let photo: Buffer;
let database: TestDatabase;
let services: RunningService[];
let api: string;
let s3: S3Server;
let shared: Record<string, string>;

/** A web server with photos, on loopback: allowed by ALLOW_PRIVATE_URLS. */
let asked: string[] = [];
let misbehaviour: RequestListener | null = null;
const web = createServer((request, response) => {
  asked.push(request.url ?? '');
  if (misbehaviour !== null) misbehaviour(request, response);
  else if (request.url?.endsWith('.jpg')) response.writeHead(200, { 'content-type': 'text/html' }).end(photo);
  else if (request.url === '/page.html') response.writeHead(200, { 'content-type': 'image/jpeg' }).end('<html></html>');
  else if (request.url === '/large') response.end(Buffer.alloc(MAX_BYTES + 1));
  else if (request.url?.startsWith('/to?')) response.writeHead(302, { location: request.url.slice(4) }).end();
  else response.writeHead(404).end();
});
let site: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'faceflow-sources-'));
  await mkdir(join(folder, 'photos'));
  await copyFile(samplePhoto(4), join(folder, 'photos', 'local.jpg'));
  photo = await sharp(samplePhoto(1)).resize(900).jpeg().toBuffer();
  web.listen(0, '127.0.0.1');
  await once(web, 'listening');
  const { port } = web.address() as AddressInfo;
  site = `http://127.0.0.1:${port}`;
  s3 = await startS3Server(['family', 'holiday']);
  database = await createDatabase();
  shared = {
    ...{ MYSQL_URL: database.url, NATS_URL: natsUrl(), IMAGE_ROOTS: join(folder, 'photos') },
    ...{ IMAGES_STREAM: createStreamName(), EVENTS_STREAM: createStreamName(), MAX_IMAGE_BYTES: String(MAX_BYTES) },
    ...{ ALLOW_URLS: '*.example.org', ALLOW_PRIVATE_URLS: `127.0.0.1:${port}`, ...s3.env },
  };
  const recognizer = await startService('recognizer', { ...shared, RECOGNIZER_WORKERS: '1' });
  shared.RECOGNIZER_ADDRESS = `127.0.0.1:${recognizer.port}`;
  const receiver = await startService('receiver', shared);
  const processor = await startService('processor', shared);
  services = [receiver, processor, recognizer];
  api = `http://127.0.0.1:${receiver.port}`;
});

beforeEach(() => {
  asked = [];
  misbehaviour = null;
  s3.misbehaviour = null;
});

afterAll(async () => {
  for (const service of services) await service.stop();
  web.closeAllConnections();
  web.close();
  await s3.stop();
  await database.drop();
  await rm(folder, { recursive: true });
});

const call = (method: string, path: string, body?: unknown, at = api) => askWhole(method, `${at}${path}`, body);

/** Posts a photo and waits for its outcome. */
async function submit(path: string) {
  const { status, body } = await call('POST', '/image/post', { path });
  expect({ status, body }).toMatchObject({ status: 202 });
  return waitFor(
    `${path} to end`,
    async () => {
      const image = (await call('GET', `/v1/images/${body.id}`)).body;
      return image.status !== 'pending' && image;
    },
    90_000,
  );
}

async function expectShown({ id, faces }: { id: number; faces: { id: number }[] }): Promise<void> {
  const whole = await call('GET', `/v1/images/${id}/photo`);
  expect(whole.headers.get('content-type')).toBe('image/jpeg');
  expect(whole.body.equals(photo)).toBe(true);
  const etag = whole.headers.get('etag') ?? '';
  const again = await fetch(`${api}/v1/images/${id}/photo`, { headers: { 'if-none-match': etag } });
  expect(again.status).toBe(304);
  const small = await call('GET', `/v1/images/${id}/photo?width=100`);
  expect(await sharp(small.body).metadata()).toMatchObject({ format: 'jpeg', width: 100 });
  const crop = await call('GET', `/v1/faces/${faces[0]?.id}/crop?width=64`);
  expect(await sharp(crop.body).metadata()).toMatchObject({ format: 'jpeg', width: 64 });
}

describe('URLs', () => {
  test('a photo is fetched by the recognizer, once, found, shown, searched with and enrolled', async () => {
    const image = await submit(`${site}/Zo%C3%AB%20am%20See/first.jpg#top`);
    expect(image).toMatchObject({ status: 'unknown', path: `${site}/Zoë am See/first.jpg`, reason: null });
    expect(image.faces.length).toBeGreaterThan(1);
    expect(asked).toEqual(['/Zo%C3%AB%20am%20See/first.jpg']);
    for (const q of ['zoe see first', 'first.jpg', '127.0.0.1']) {
      const { body } = await call('GET', `/v1/images?q=${encodeURIComponent(q)}`);
      expect(body.images.map(({ id }: { id: number }) => id)).toContain(image.id);
    }
    await expectShown(image);

    const found = await call('POST', '/v1/search', { path: `${site}/other.jpg`, images: true });
    expect(found.status).toBe(200);
    expect(found.body.faces[0].images.map(({ path }: { path: string }) => path)).toContain(image.path);

    const person = await call('POST', '/v1/people', { name: 'Ada' });
    const paths = [{ path: `${site}/enrolled.jpg`, face: 0 }, { path: 'https://other.org/a.jpg' }];
    const enrolling = await call('POST', `/v1/people/${person.body.id}/faces`, { paths, force: true });
    const batch = `/v1/enrolments/${enrolling.body.batch.id}`;
    await waitFor('the enrolment', async () => (await call('GET', batch)).body.pending === 0);
    const { photos } = (await call('GET', `${batch}/photos`)).body;
    expect(photos).toMatchObject([
      { status: 'enrolled', path: paths[0]?.path },
      { status: 'refused', reason: { code: 'url_not_allowed' } },
    ]);
  });

  test.each([
    ['https://example.org/a.jpg', 403, 'url_not_allowed'],
    ['https://a.example.org:8443/a.jpg', 403, 'url_not_allowed'],
    ['http://127.0.0.1:22/a.jpg', 403, 'url_not_allowed'],
    ['http://169.254.169.254/latest/meta-data/', 403, 'url_not_allowed'],
    ['https://user:secret@a.example.org/a.jpg', 422, 'url_invalid'],
    ['https://', 422, 'url_invalid'],
    ['ftp://a.example.org/a.jpg', 400, 'path_unsupported'],
  ])('%s is refused when it is posted', async (path, status, code) => {
    for (const route of ['/image/post', '/v1/search']) {
      const answer = await call('POST', route, { path });
      expect(answer).toMatchObject({ status, body: { error: { code, retryable: false } } });
    }
    expect(asked).toEqual([]);
  });

  test.each([
    ['/gone', 'file_not_found'],
    ['/page.html', 'image_unreadable'],
    ['/large', 'image_too_large'],
    ['/to?http://127.0.0.1:22/', 'url_not_allowed'],
    ['/to?http://169.254.169.254/latest/meta-data/', 'url_not_allowed'],
    ['/to?file:///etc/passwd', 'url_not_allowed'],
  ])('%s ends in %s', async (path, code) => {
    expect(await submit(`${site}${path}`)).toMatchObject({ status: 'unreadable', reason: { code } });
  });

  test('a server that is away holds nobody else up, and its photos are tried again', async () => {
    misbehaviour = (_, response) => response.writeHead(503).end();
    // More than the failures in a row after which a recognizer is taken to be away.
    const waiting = Array.from({ length: 7 }, (_, n) => submit(`${site}/later-${n}.jpg`));
    await waitFor('all to have been asked for', () => new Set(asked).size === 7);
    expect((await submit('local.jpg')).faces.length).toBeGreaterThan(0);
    const { body: queue } = await call('GET', '/v1/images?status=pending');
    expect(queue.images).toHaveLength(7);
    const shown = await call('GET', `/v1/images/${queue.images[0].id}/photo`);
    expect(shown).toMatchObject({ status: 502, body: { error: { code: 'url_unreachable', retryable: true } } });
    // The breaker stayed closed.
    expect(services[1]?.log()).toContain('trying again later');
    expect(services[1]?.log()).not.toContain('the recognizer is unavailable');
    misbehaviour = null;
    for (const image of await Promise.all(waiting)) expect(image.faces.length).toBeGreaterThan(1);
  });
});

describe('S3', () => {
  test('an object is read, shown and searched with', async () => {
    const key = 'Zoë & 100 %/a?b#c+d.jpg';
    await s3.put('family', key, photo);
    const image = await submit(`s3://family/${key}`);
    expect(image).toMatchObject({ status: expect.stringMatching(/matched|unknown/), path: `s3://family/${key}` });
    expect(image.faces.length).toBeGreaterThan(1);
    await expectShown(image);
    const { body } = await call('GET', `/v1/images?q=${encodeURIComponent('family zoe')}`);
    expect(body.images.map(({ id }: { id: number }) => id)).toContain(image.id);
    expect((await call('POST', '/v1/search', { path: image.path })).status).toBe(200);
  });

  test.each([
    ['s3://other/a.jpg', 403, 's3_not_allowed'],
    ['s3://family', 422, 's3_invalid'],
    ['s3://family/../other/a.jpg', 422, 's3_invalid'],
  ])('%s is refused when it is posted', async (path, status, code) => {
    expect(await call('POST', '/image/post', { path })).toMatchObject({ status, body: { error: { code } } });
  });

  test('what is missing, or too large, ends so', async () => {
    await s3.put('holiday', 'large.jpg', Buffer.alloc(MAX_BYTES + 1));
    const [missing, large] = await Promise.all([submit('s3://holiday/none.jpg'), submit('s3://holiday/large.jpg')]);
    expect(missing).toMatchObject({ status: 'unreadable', reason: { code: 'file_not_found' } });
    expect(large).toMatchObject({ status: 'unreadable', reason: { code: 'image_too_large' } });
  });

  test('what this service may not read says so', async () => {
    s3.misbehaviour = s3Error(403, 'AccessDenied');
    const image = await submit('s3://holiday/secret.jpg');
    expect(image).toMatchObject({ status: 'unreadable', reason: { code: 'file_not_permitted' } });
    expect(image.reason.message).toContain('AccessDenied');
  });

  test('a store that is away is asked again', async () => {
    await s3.put('holiday', 'later.jpg', photo);
    let failures = 0;
    s3.misbehaviour = (request, response) => {
      failures++;
      s3Error(503, 'SlowDown')(request, response);
    };
    const ending = submit('s3://holiday/later.jpg');
    await waitFor('a failure', () => failures > 0);
    s3.misbehaviour = null;
    expect((await ending).faces.length).toBeGreaterThan(1);
  });

  test('wrong credentials say nothing about an object: once they are right it can be read', async () => {
    await s3.put('holiday', 'first.jpg', photo);
    const { id } = await submit('s3://holiday/first.jpg');
    const answer = await askOther({ AWS_ACCESS_KEY_ID: 'wrong' }, id);
    expect(answer).toMatchObject({ status: 502, body: { error: { code: 's3_unreachable', retryable: true } } });
    expect(answer.body.error.message).toContain('InvalidAccessKeyId');
    expect((await call('GET', `/v1/images/${id}/photo`)).status).toBe(200);
  });
});

test('what never answers is given up', async () => {
  await s3.put('holiday', 'slow.jpg', photo);
  const images = await Promise.all([submit(`${site}/slow.jpg`), submit('s3://holiday/slow.jpg')]);
  misbehaviour = () => {};
  s3.misbehaviour = () => {};
  for (const { id } of images) {
    const answer = await askOther({ DOWNLOAD_TIMEOUT_MS: '500' }, id);
    expect(answer).toMatchObject({ status: 502, body: { error: { code: expect.stringMatching(/_unreachable$/) } } });
    expect(answer.body.error.message).toContain('it takes too long');
  }
});

/** Asks a receiver with another configuration to show a photo. */
async function askOther(env: Record<string, string>, id: number): Promise<WholeAnswer> {
  const other = await startService('receiver', { ...shared, ...env });
  try {
    return await call('GET', `/v1/images/${id}/photo`, undefined, `http://127.0.0.1:${other.port}`);
  } finally {
    await other.stop();
  }
}
