import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type FastifyInstance, fastify } from 'fastify';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createLog } from '../lib/log.ts';
import { buildApp } from './app.ts';

const log = createLog('frontend-test', { level: 'silent', format: 'json' });
const asset = '/assets/index-1a2b3c.js';
const stopping = new AbortController().signal;
let folder: string;
let receiver: FastifyInstance;
let app: FastifyInstance;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'faceflow-page-'));
  await mkdir(join(folder, 'assets'));
  await writeFile(join(folder, 'index.html'), '<!doctype html><title>Faceflow</title>');
  await writeFile(join(folder, asset), 'export {};');
  await writeFile(join(folder, `${asset}.gz`), 'compressed');
  receiver = buildReceiver();
  const receiverUrl = await receiver.listen({ host: '127.0.0.1', port: 0 });
  app = await buildApp({ log, receiverUrl, pageFolder: folder, stopping });
});

afterAll(async () => {
  await app.close();
  await receiver.close();
  await rm(folder, { recursive: true });
});

describe('the page', () => {
  test.each(['/', '/?status=unknown', '/people/7'])('%s is index.html, asked for again each time', async (url) => {
    const response = await app.inject(url);
    expect(response.statusCode).toBe(200);
    expect(response.body).toContain('<title>Faceflow</title>');
    expect(response.headers['content-type']).toContain('text/html');
    expect(response.headers['cache-control']).toBe('no-cache');
  });

  test('assets never change, and go out as they were compressed by the build', async () => {
    const response = await app.inject({ url: asset, headers: { 'accept-encoding': 'gzip' } });
    expect(response.headers['cache-control']).toBe('public, max-age=31536000, immutable');
    expect(response.headers['content-encoding']).toBe('gzip');
    expect(response.body).toBe('compressed');
    expect((await app.inject(asset)).body).toBe('export {};');
  });

  test.each(['/assets/index-old.js', '/assets/none', '/robots.txt'])(
    '%s is missing: 404, not the page',
    async (url) => {
      const response = await app.inject(url);
      expect(response.statusCode).toBe(404);
      expect(response.json().error).toMatchObject({ code: 'not_found', retryable: false });
    },
  );

  test('its server tells metrics', async () => {
    const response = await app.inject('/metrics');
    expect(response.headers['content-type']).toContain('text/plain');
    expect(response.body).toMatch(/^process_resident_memory_bytes \d+$/m);
  });

  test('nothing can be posted to it', async () => {
    expect((await app.inject({ method: 'POST', url: '/' })).statusCode).toBe(404);
  });

  test('a page that is not built says what to do', async () => {
    const build = buildApp({ log, receiverUrl: 'http://127.0.0.1:1', pageFolder: join(folder, 'none'), stopping });
    await expect(build).rejects.toThrow(/not built.*npm run build/);
  });
});

test.each(['/', asset, '/healthz', '/v1/echo', '/assets/none'])('%s has the security headers', async (url) => {
  const { headers } = await app.inject(url);
  const policy = String(headers['content-security-policy']).split('; ');
  expect(policy).toEqual(expect.arrayContaining(["default-src 'none'", "frame-ancestors 'none'"]));
  if (url.startsWith('/v1')) {
    expect(policy).toContain('sandbox');
    expect(policy.some((directive) => directive.startsWith('script-src'))).toBe(false);
  } else {
    expect(policy).toContain("script-src 'self'");
    expect(policy.join()).not.toContain('unsafe');
  }
  expect(headers['x-content-type-options']).toBe('nosniff');
  expect(headers['referrer-policy']).toBe('no-referrer');
});

test('health', async () => {
  expect((await app.inject('/healthz')).json()).toEqual({ status: 'ok' });
  expect((await app.inject('/readyz')).json()).toEqual({ status: 'ready' });
});

describe('the receiver behind the page', () => {
  test('gets the request as it was, with an id', async () => {
    const response = await app.inject('/v1/echo?status=unknown&cursor=a%2Fb');
    expect(response.json()).toMatchObject({ method: 'GET', url: '/v1/echo?status=unknown&cursor=a%2Fb' });
    expect(response.json().requestId).toMatch(/^[0-9a-f-]{36}$/);
  });

  test.each(['/image/post', '/images/post'])('gets what is posted to %s, whatever its type', async (url) => {
    const headers = { 'content-type': 'application/x-www-form-urlencoded' };
    const response = await app.inject({ method: 'POST', url, headers, payload: '{"path":"a.jpg"}' });
    expect(response.json()).toMatchObject({ method: 'POST', url, body: '{"path":"a.jpg"}' });
  });

  test.each([404, 503])('its own errors are passed on: %i', async (status) => {
    const response = await app.inject(`/v1/error/${status}`);
    expect(response.statusCode).toBe(status);
    expect(response.json().error.code).toBe('made_up');
  });

  test('a kind of file that it says is one stays it', async () => {
    const response = await app.inject('/v1/photo');
    expect(response.headers['content-type']).toBe('image/jpeg');
    expect(response.headers['cache-control']).toBe('private, max-age=60');
    expect(response.rawPayload).toEqual(Buffer.from([0xff, 0xd8, 0x00, 0xff]));
  });

  test('away: 502 in the shape of every error', async () => {
    const lonely = await buildApp({ log, receiverUrl: 'http://127.0.0.1:1', pageFolder: folder, stopping });
    const response = await lonely.inject('/v1/images');
    expect(response.statusCode).toBe(502);
    expect(response.json()).toEqual({
      error: {
        code: 'receiver_unavailable',
        message: expect.stringContaining('try again'),
        requestId: expect.stringMatching(/^[0-9a-f-]{36}$/),
        traceId: expect.stringMatching(/^[0-9a-f]{32}$/),
        retryable: true,
      },
    });
    await lonely.close();
  });
});

function buildReceiver(): FastifyInstance {
  const server = fastify();
  server.removeAllContentTypeParsers();
  server.addContentTypeParser('*', { parseAs: 'string' }, (_request, body, done) => done(null, body));
  server.get('/v1/photo', (_request, reply) => {
    reply.header('cache-control', 'private, max-age=60').type('image/jpeg');
    return reply.send(Buffer.from([0xff, 0xd8, 0x00, 0xff]));
  });
  server.get<{ Params: { status: number } }>('/v1/error/:status', (request, reply) =>
    reply.code(Number(request.params.status)).send({ error: { code: 'made_up' } }),
  );
  server.all('*', ({ method, url, body, headers }) => ({ method, url, body, requestId: headers['x-request-id'] }));
  return server;
}
