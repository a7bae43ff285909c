import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { type ApiKeys, type KeyRole, openApiKeys } from '../lib/api-keys.ts';
import { systemActor } from '../lib/audit.ts';
import { type Database, openDatabase } from '../lib/database.ts';
import { mayCall, ROUTE_ACCESS } from '../receiver/access/route-roles.ts';
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

const ACTOR = systemActor('test');

let folder: string;
let database: TestDatabase;
let db: Database;
let keys: ApiKeys;
/** Everybody must say who they are. */
let closed: RunningService;
/** As it is on a laptop: nobody need. */
let open: RunningService;
const keyOf = {} as Record<KeyRole, string>;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'faceflow-access-'));
  database = await createDatabase();
  db = openDatabase(database.url);
  keys = openApiKeys(db);
  for (const role of ['ingest', 'read', 'admin'] as const) keyOf[role] = await addKey(role);
  closed = await startReceiver({ ALLOW_ANONYMOUS: 'false', LOG_LEVEL: 'trace' });
  open = await startReceiver({});
});

afterAll(async () => {
  await Promise.all([closed, open].map((service) => service?.stop()));
  await db?.close();
  await database?.drop();
  await rm(folder, { recursive: true, force: true });
});

function startReceiver(env: Record<string, string>, options = {}) {
  const shared = {
    MYSQL_URL: database.url,
    NATS_URL: natsUrl(),
    IMAGES_STREAM: createStreamName(),
    IMAGE_ROOTS: folder,
  };
  return startService('receiver', { ...shared, ...env }, options);
}

async function addKey(role: KeyRole, expiresAt: Date | null = null): Promise<string> {
  return (await keys.addKey({ name: `a key to ${role}`, roles: [role], expiresAt, actor: ACTOR })).key;
}

interface Called {
  readonly status: number;
  readonly headers: Headers;
  readonly code: string | undefined;
}

/** By node:http, which sends whatever header it is told; only the beginning of the answer is awaited. */
function call(
  service: RunningService,
  path: string,
  options: { method?: string; key?: string | undefined; headers?: object; body?: string } = {},
) {
  const { method = 'GET', key, body } = options;
  const headers = {
    ...(key === undefined ? {} : { authorization: `Bearer ${key}` }),
    ...(body === undefined ? {} : { 'content-length': Buffer.byteLength(body) }),
    ...options.headers,
  };
  return new Promise<Called>((resolve, reject) => {
    const sent = request({ host: '127.0.0.1', port: service.port, path, method, headers }, async (response) => {
      const answer = {
        status: response.statusCode ?? 0,
        headers: new Headers(response.headers as Record<string, string>),
      };
      if (answer.headers.get('content-type')?.startsWith('text/event-stream')) {
        sent.destroy();
        resolve({ ...answer, code: undefined });
        return;
      }
      const content = await text(response);
      const isJson = answer.headers.get('content-type')?.includes('json') && content !== '';
      resolve({ ...answer, code: isJson ? JSON.parse(content).error?.code : undefined });
    });
    sent.on('error', reject);
    sent.end(body);
  });
}

describe('every route of the API', () => {
  const nobodyMay = /^(not_authenticated|not_allowed)$/;
  const readRoutes = async () => {
    const { paths } = (await (await fetch(`http://127.0.0.1:${closed.port}/openapi.json`)).json()) as {
      paths: Record<string, Record<string, { security: object[] }>>;
    };
    return Object.entries(paths).flatMap(([path, methods]) =>
      Object.entries(methods).map(([method, { security }]) => ({
        name: `${method.toUpperCase()} ${path.replaceAll(/\{(\w+)\}/g, ':$1')}`,
        ...{ method: method.toUpperCase(), security },
        // Nothing has this id, and no body is valid: whoever is let in is told so, and nothing happens.
        url: path.replaceAll(/\{\w+\}/g, '99999999'),
      })),
    );
  };

  test('has its line in the table; open is what is meant to be, and what changes something is for admins', async () => {
    const routes = await readRoutes();
    expect(routes.length).toBeGreaterThan(40);
    expect(routes.map(({ name }) => name).filter((name) => ROUTE_ACCESS[name] === undefined)).toEqual([]);
    const named = routes.map((route) => ({ ...route, access: ROUTE_ACCESS[route.name] ?? [] }));
    expect(
      named
        .filter(({ access }) => access === 'open')
        .map(({ name }) => name)
        .sort(),
    ).toEqual(
      expect.arrayContaining([
        'GET /healthz',
        'GET /readyz',
        'GET /v1/login',
        'GET /v1/login/callback',
        'GET /v1/session',
        'POST /v1/logout',
      ]),
    );
    const open = named.filter(({ access }) => access === 'open').map(({ name }) => name);
    expect(
      open.filter(
        (name) =>
          !/^(GET \/(healthz|readyz|metrics)|GET \/v1\/(session|login|login\/callback)|POST \/v1\/logout)$/.test(name),
      ),
    ).toEqual([]);
    const changing = named.filter(
      ({ method, access }) => method !== 'GET' && access !== 'open' && !access.includes('admin'),
    );
    expect(changing.map(({ name }) => name).sort()).toEqual([
      'POST /image/post',
      'POST /images/post',
      'POST /v1/images',
      'POST /v1/search',
    ]);
  });

  test.each(['nobody', 'ingest', 'read', 'admin'] as const)(
    'lets %s in where the table says so, and only there',
    async (role) => {
      const roles = role === 'nobody' ? [] : [role];
      const key = role === 'nobody' ? undefined : keyOf[role];
      const status = role === 'nobody' ? 401 : 403;
      for (const { name, method, url, security } of await readRoutes()) {
        const access = ROUTE_ACCESS[name] ?? [];
        const answer = await call(closed, url, { method, key, ...(method === 'GET' ? {} : { body: '{}' }) });
        const what = `${role} at ${name}: ${answer.status} ${answer.code}`;
        expect(nobodyMay.test(answer.code ?? '') && answer.status === status, what).toBe(!mayCall(access, roles));
        expect(security, name).toEqual(access === 'open' ? [] : [{ key: access }]);
      }
    },
  );

  test('HEAD is as GET, and what is not there or not possible is told to everybody', async () => {
    expect(await call(closed, '/v1/people', { method: 'HEAD' })).toMatchObject({ status: 401 });
    expect(await call(closed, '/v1/people', { method: 'HEAD', key: keyOf.ingest })).toMatchObject({ status: 403 });
    expect(await call(closed, '/v1/people', { method: 'HEAD', key: keyOf.read })).toMatchObject({ status: 200 });
    expect(await call(closed, '/v1/people/')).toMatchObject({ status: 401 });
    expect(await call(closed, '/v1/nothing')).toMatchObject({ status: 404 });
    expect(await call(closed, '/image/post', { method: 'DELETE' })).toMatchObject({ status: 405 });
  });
});

describe('keys', () => {
  test('a key that is none, or is not sent as one: 401 with how it wants it', async () => {
    const made = `ff_${'x'.repeat(43)}`;
    for (const headers of [
      { authorization: `Bearer ${made}` },
      { authorization: made },
      { authorization: `Basic ${Buffer.from(`a:${keyOf.admin}`).toString('base64')}` },
      { authorization: `Bearer ${createHash('sha256').update(keyOf.admin).digest('hex')}` },
      { authorization: '' },
    ]) {
      const answer = await call(closed, '/v1/stats', { headers });
      expect(answer).toMatchObject({ status: 401 });
      expect(answer.headers.get('www-authenticate')).toBe('Bearer');
    }
    // Also where nobody would have to say who they are: a key that does not work must not look as if it did.
    expect(await call(open, '/v1/stats', { key: made })).toMatchObject({ status: 401, code: 'key_invalid' });
  });

  test('are made, listed and revoked over the API, and told once', async () => {
    const headers = { authorization: `Bearer ${keyOf.admin}` };
    const ask = (method: string, path: string, body?: object) =>
      askWhole(method, `http://127.0.0.1:${closed.port}${path}`, body, { headers });
    const made = await ask('POST', '/v1/keys', { name: 'camera', roles: ['ingest', 'read'] });
    expect(made).toMatchObject({ status: 201, body: { name: 'camera', roles: ['ingest', 'read'], expiresAt: null } });
    expect(made.headers.get('cache-control')).toBe('no-store');
    const { key, id } = made.body;
    expect(key).toMatch(/^ff_[A-Za-z0-9_-]{43}$/);
    expect((await call(closed, '/v1/stats', { key })).status).toBe(200);
    expect((await call(closed, '/v1/keys', { key })).status).toBe(403);
    const listed = await ask('GET', '/v1/keys');
    expect(listed.body.keys.find((one: { id: number }) => one.id === id)).toMatchObject({
      lastUsedAt: expect.any(String),
    });
    expect(JSON.stringify(listed.body)).not.toContain('ff_');
    const [rows] = await db.query('SELECT * FROM api_keys');
    expect(JSON.stringify(rows)).not.toContain(key.slice(3));
    expect(await ask('DELETE', `/v1/keys/${id}`)).toMatchObject({
      status: 200,
      body: { revokedAt: expect.any(String) },
    });
    await waitFor('the key to stop working', async () => (await call(closed, '/v1/stats', { key })).status === 401);
    expect(await ask('DELETE', '/v1/keys/999999')).toMatchObject({
      status: 404,
      body: { error: { code: 'key_not_found' } },
    });
    const late = { name: 'late', roles: ['read'], expiresAt: '2020-01-01T00:00:00Z' };
    expect(await ask('POST', '/v1/keys', late)).toMatchObject({ status: 400 });
  });

  test('an expired one does not work', async () => {
    const key = await addKey('admin', new Date(Date.now() + 3_600_000));
    expect((await call(closed, '/v1/stats', { key })).status).toBe(200);
    await db.query('UPDATE api_keys SET expires_at = CURRENT_TIMESTAMP(3) - INTERVAL 1 SECOND WHERE hash = UNHEX(?)', [
      createHash('sha256').update(key).digest('hex'),
    ]);
    await waitFor('the key to stop working', async () => (await call(closed, '/v1/stats', { key })).status === 401);
  });

  test('a revoked one stops working at every receiver within seconds, also where it is listening', async () => {
    const other = await startReceiver({ ALLOW_ANONYMOUS: 'false' });
    onTestFinished(() => void other.stop());
    const { key, id } = await keys.addKey({ name: 'soon gone', roles: ['read'], expiresAt: null, actor: ACTOR });
    const events = await fetch(`http://127.0.0.1:${other.port}/v1/events`, {
      headers: { authorization: `Bearer ${key}` },
    });
    expect(events.status).toBe(200);
    const ended = events.text().then(
      () => 'ended',
      () => 'ended',
    );
    for (const service of [closed, other]) expect((await call(service, '/v1/stats', { key })).status).toBe(200);
    await keys.revokeKey(id, ACTOR);
    for (const service of [closed, other])
      await waitFor('the key to stop working', async () => (await call(service, '/v1/stats', { key })).status === 401);
    expect(await ended).toBe('ended');
  });

  test('faceflow keys makes the first one, straight in the database, and revokes it', async () => {
    const main = fileURLToPath(new URL('../dist/cli/main.js', import.meta.url));
    const env = { PATH: process.env.PATH, HOME: process.env.HOME, MYSQL_URL: database.url, DATA_DIR: folder };
    const faceflow = (...args: string[]) => promisify(execFile)(process.execPath, [main, 'keys', ...args], { env });
    const { stdout } = await faceflow(
      'add',
      'from a terminal',
      '--role',
      'ingest',
      '--role',
      'read',
      '--expires',
      '90d',
    );
    const key = stdout.trim();
    expect((await call(closed, '/v1/stats', { key })).status).toBe(200);
    const { keys: listed } = JSON.parse((await faceflow('list', '--json')).stdout);
    expect(listed.at(-1)).toMatchObject({ name: 'from a terminal', roles: ['ingest', 'read'] });
    expect(Date.parse(listed.at(-1).expiresAt) - Date.now()).toBeGreaterThan(89 * 86_400_000);
    expect((await faceflow('revoke', 'from a terminal')).stdout).toMatch(/revoked/);
    await waitFor('the key to stop working', async () => (await call(closed, '/v1/stats', { key })).status === 401);
    await expect(faceflow('revoke', 'nobody')).rejects.toMatchObject({
      stderr: expect.stringMatching(/no key named nobody/),
    });
    await expect(faceflow('add', 'x', '--role', 'king')).rejects.toMatchObject({
      stderr: expect.stringMatching(/ingest, read, admin/),
    });
  });

  test('faceflow keys also works on the private database of a folder, while nothing runs there', async () => {
    const main = fileURLToPath(new URL('../dist/cli/main.js', import.meta.url));
    const { PATH, HOME, XDG_CACHE_HOME } = process.env;
    const env = { PATH, HOME, ...(XDG_CACHE_HOME ? { XDG_CACHE_HOME } : {}), DATA_DIR: join(folder, 'private') };
    const faceflow = (...args: string[]) => promisify(execFile)(process.execPath, [main, 'keys', ...args], { env });
    expect((await faceflow('add', 'first', '--role', 'admin')).stdout).toMatch(/^ff_\S{43}\n$/);
    expect((await faceflow('list')).stdout).toMatch(/\n1 +first +admin +never used\n$/);
    await expect(faceflow('revoke', '7')).rejects.toMatchObject({ stderr: expect.stringMatching(/There is no key 7/) });
  });

  test('none is ever in the log', () => {
    for (const key of Object.values(keyOf)) expect(closed.log()).not.toContain(key.slice(3, 20));
  });
});

describe('where nobody need say who they are', () => {
  test('a page of another site is kept out, whatever it tries', async () => {
    const body = '{"path":"a.jpg"}';
    const port = open.port;
    for (const headers of [
      { origin: 'https://evil.example' },
      { origin: 'null' },
      { origin: `http://127.0.0.1:${port + 1}` },
      { origin: `http://127.0.0.1:${port}`, 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'no-cors' },
      { 'sec-fetch-site': 'same-site', 'sec-fetch-mode': 'cors' },
      { 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'navigate' },
    ])
      expect(await call(open, '/image/post', { method: 'POST', body, headers })).toMatchObject({
        status: 403,
        code: 'cross_site',
      });
    const image = { 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'no-cors', 'sec-fetch-dest': 'image' };
    expect(await call(open, '/v1/images', { headers: image })).toMatchObject({ status: 403 });
    const own = { origin: `http://127.0.0.1:${port}`, 'sec-fetch-site': 'same-origin' };
    expect((await call(open, '/image/post', { method: 'POST', body, headers: own })).status).toBe(202);
    const link = { 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'navigate' };
    expect((await call(open, '/v1/images', { headers: link })).status).toBe(200);
  });

  test('a stranger’s name that leads here is not believed (DNS rebinding)', async () => {
    for (const host of ['evil.example', `evil.example:${open.port}`, '127.0.0.1.evil.example'])
      expect(await call(open, '/v1/images', { headers: { host } })).toMatchObject({
        status: 403,
        code: 'host_not_allowed',
      });
    const forwarded = { 'x-forwarded-host': 'evil.example' };
    expect((await call(open, '/v1/images', { headers: forwarded })).status).toBe(403);
    for (const host of [`localhost:${open.port}`, 'faceflow.localhost', '[::1]'])
      expect((await call(open, '/v1/images', { headers: { host } })).status).toBe(200);
  });

  test('who comes through a proxy from elsewhere must say who they are', async () => {
    for (const from of ['192.0.2.7', '127.0.0.1, 192.0.2.7', '192.0.2.7, 127.0.0.1', '::ffff:192.0.2.7', 'unknown'])
      expect(await call(open, '/v1/images', { headers: { 'x-forwarded-for': from } })).toMatchObject({ status: 401 });
    expect((await call(open, '/v1/images', { headers: { 'x-real-ip': '192.0.2.7' } })).status).toBe(401);
    expect((await call(open, '/v1/images', { headers: { 'x-forwarded-for': '::1, 127.0.0.1' } })).status).toBe(200);
    const headers = { 'x-forwarded-for': '192.0.2.7' };
    expect((await call(open, '/v1/images', { headers, key: keyOf.read })).status).toBe(200);
  });

  test('through the page’s server the same holds', async () => {
    const frontend = await startService('frontend', { RECEIVER_URL: `http://127.0.0.1:${open.port}` });
    onTestFinished(() => void frontend.stop());
    expect((await call(frontend, '/v1/images')).status).toBe(200);
    expect((await call(frontend, '/v1/images', { headers: { host: 'evil.example' } })).status).toBe(403);
    expect((await call(frontend, '/v1/images', { headers: { 'x-forwarded-for': '192.0.2.7' } })).status).toBe(401);
    const origin = { origin: `http://127.0.0.1:${frontend.port}` };
    const post = { method: 'POST', body: '{"path":"b.jpg"}' };
    expect((await call(frontend, '/image/post', { ...post, headers: origin })).status).toBe(202);
    const other = { origin: 'https://evil.example' };
    expect((await call(frontend, '/image/post', { ...post, headers: other })).status).toBe(403);
    expect((await call(frontend, '/v1/stats', { key: keyOf.ingest })).status).toBe(403);
  });
});

describe('starting', () => {
  test.each([{ HOST: '0.0.0.0' }, { ALLOW_ANONYMOUS: 'false' }])(
    'with %j and nobody who could come in, it refuses and says what to do',
    async (env) => {
      const empty = await createDatabase();
      onTestFinished(() => empty.drop());
      const receiver = await startReceiver({ ...env, MYSQL_URL: empty.url }, { ready: false });
      expect(await receiver.exited).toMatchObject({ code: 1 });
      for (const way of ['faceflow keys add', 'ADMIN_KEY_HASH', 'OIDC_ISSUER', 'ALLOW_ANONYMOUS=true'])
        expect(receiver.log()).toContain(way);
    },
  );

  test('with ADMIN_KEY_HASH that key is an admin’s; once revoked it stays so', async () => {
    const other = await createDatabase();
    onTestFinished(() => other.drop());
    const key = `ff_${'0123456789abcdef'.repeat(4)}`;
    const env = { MYSQL_URL: other.url, ADMIN_KEY_HASH: createHash('sha256').update(key).digest('hex') };
    const first = await startReceiver(env);
    expect((await call(first, '/v1/stats')).status).toBe(401);
    expect((await call(first, '/v1/keys', { key })).status).toBe(200);
    expect((await call(first, '/v1/keys/1', { method: 'DELETE', key })).status).toBe(200);
    await first.stop();
    const second = await startReceiver(env, { ready: false });
    expect(await second.exited).toMatchObject({ code: 1 });
    expect(second.log()).toContain('Nobody could use this receiver');
  });

  test('a key in place of its hash is not repeated', async () => {
    const slip = await startReceiver({ ADMIN_KEY_HASH: keyOf.admin, CORS_ORIGINS: '*' }, { ready: false });
    await slip.exited;
    expect(slip.log()).toContain('ADMIN_KEY_HASH: expected the SHA-256');
    expect(slip.log()).toContain('CORS_ORIGINS: expected origins');
    expect(slip.log()).not.toContain(keyOf.admin);
  });
});

describe('limits and headers', () => {
  test('who asks too often is told when to come back; others are not held up', async () => {
    const limited = await startReceiver({ ALLOW_ANONYMOUS: 'false', RATE_LIMIT_PER_MINUTE: '20' });
    onTestFinished(() => void limited.stop());
    // The test is a trusted proxy. What comes before its key is known counts for the address.
    const ask = (key: string, from: string) =>
      call(limited, '/v1/stats', { key, headers: { 'x-forwarded-for': from } });
    const many = await Promise.all(Array.from({ length: 60 }, () => ask(keyOf.read, '192.0.2.1')));
    expect(many.map(({ status }) => status)).toContain(200);
    const refused = many.find(({ status }) => status === 429);
    expect(refused).toMatchObject({ code: 'rate_limited' });
    const wait = Number(refused?.headers.get('retry-after'));
    expect(wait).toBeGreaterThan(0);
    expect(wait).toBeLessThanOrEqual(60);
    expect((await ask(keyOf.admin, '192.0.2.2')).status).toBe(200);
    const guess = (n: number) => `ff_${String(n).padStart(43, 'x')}`;
    const guesses = await Promise.all(Array.from({ length: 60 }, (_, n) => ask(guess(n), '192.0.2.3')));
    expect(new Set(guesses.map(({ status }) => status))).toEqual(new Set([401, 429]));
  });

  test('answers carry the security headers, errors and the description too', async () => {
    for (const path of ['/healthz', '/v1/stats', '/v1/nothing', '/v1/events', '/docs/']) {
      const { headers } = await call(open, path);
      expect(headers.get('x-content-type-options')).toBe('nosniff');
      expect(headers.get('x-frame-options')).toBe('DENY');
      expect(headers.get('referrer-policy')).toBe('no-referrer');
      expect(headers.get('cross-origin-resource-policy')).toBe('same-origin');
      expect(headers.get('content-security-policy')).toContain(
        path === '/docs/' ? "script-src 'self'" : "default-src 'none'",
      );
      expect(headers.get('strict-transport-security')).toBeNull();
    }
  });

  test('pages of other origins: none, unless named, and then with a key only', async () => {
    const preflight = { 'access-control-request-method': 'GET', 'access-control-request-headers': 'authorization' };
    const origin = 'https://app.example.org';
    const refused = await call(closed, '/v1/stats', { method: 'OPTIONS', headers: { origin, ...preflight } });
    expect(refused.headers.get('access-control-allow-origin')).toBeNull();
    const allowing = await startReceiver({ ALLOW_ANONYMOUS: 'false', CORS_ORIGINS: origin });
    onTestFinished(() => void allowing.stop());
    const asked = await call(allowing, '/v1/stats', { method: 'OPTIONS', headers: { origin, ...preflight } });
    expect(asked.status).toBe(204);
    expect(asked.headers.get('access-control-allow-origin')).toBe(origin);
    expect(asked.headers.get('access-control-allow-credentials')).toBeNull();
    const answered = await call(allowing, '/v1/stats', { headers: { origin }, key: keyOf.read });
    expect(answered).toMatchObject({ status: 200 });
    expect(answered.headers.get('access-control-allow-origin')).toBe(origin);
    expect(answered.headers.get('access-control-expose-headers')).toMatch(/Idempotent-Replayed.*Retry-After/);
    expect((await call(allowing, '/v1/stats', { headers: { origin } })).status).toBe(401);
    const events = await call(allowing, '/v1/events', { headers: { origin }, key: keyOf.read });
    expect(events.headers.get('access-control-allow-origin')).toBe(origin);
    const other = { origin: 'https://evil.example' };
    const evil = await call(allowing, '/v1/stats', { method: 'OPTIONS', headers: { ...other, ...preflight } });
    expect(evil.headers.get('access-control-allow-origin')).not.toBe('https://evil.example');
  });
});
