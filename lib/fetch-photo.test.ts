import { once } from 'node:events';
import { createServer, type IncomingMessage, type RequestListener, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { openPhotoFetcher, type PhotoFetcher } from './fetch-photo.ts';

/** Of a block that has not been given to anybody: nothing is ever reached there. */
const PUBLIC = { address: '2d00::1', family: 6 };
const LOOPBACK = { address: '127.0.0.1', family: 4 };
const MAX_BYTES = 1_000;

let connections = 0;
let seen: IncomingMessage[] = [];
let answer: RequestListener = () => {};
const server = createServer((request, response) => {
  seen.push(request);
  answer(request, response);
});
let port: number;
const open: PhotoFetcher[] = [];

beforeAll(async () => {
  server.on('connection', () => {
    connections++;
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  port = (server.address() as AddressInfo).port;
});

beforeEach(() => {
  connections = 0;
  seen = [];
});

afterAll(async () => {
  await Promise.all(open.map((fetcher) => fetcher.close()));
  server.closeAllConnections();
  server.close();
});

type Resolve = NonNullable<Parameters<typeof openPhotoFetcher>[0]['resolve']>;

/** All hosts of the web at the server's port and the usual ones; `photos.test` may be a private one. */
function openFetcher(resolve?: Resolve): PhotoFetcher {
  const anyHost = { host: null, below: false };
  const allowed = [
    { ...anyHost, port: undefined },
    { ...anyHost, port },
  ];
  const rules = { allowed, intranet: new Set([`photos.test:${port}`]) };
  const fetcher = openPhotoFetcher({ rules, maxBytes: MAX_BYTES, ...(resolve && { resolve }) });
  open.push(fetcher);
  return fetcher;
}

const toLoopback: Resolve = (_, __, done) => done(null, [LOOPBACK]);

function fetchFrom(path: string, { host = 'photos.test', resolve = toLoopback, ms = 10_000 } = {}): Promise<string> {
  return openFetcher(resolve)
    .fetch(`http://${host}:${port}${path}`, AbortSignal.timeout(ms))
    .then((bytes) => Buffer.from(bytes).toString('latin1'));
}

const redirectTo = (location: string) => (_: IncomingMessage, response: ServerResponse) =>
  response.writeHead(302, { location }).end('moved');

test('fetches what is there, without credentials, cookies or packing', async () => {
  answer = (_, response) => response.setHeader('set-cookie', 'a=b').end('photo');
  expect(await fetchFrom('/a.jpg?size=1')).toBe('photo');
  expect(seen[0]?.url).toBe('/a.jpg?size=1');
  expect(seen[0]?.headers).toEqual({
    host: `photos.test:${port}`,
    connection: 'keep-alive',
    accept: 'image/*',
    'accept-encoding': 'identity',
    'user-agent': 'faceflow',
  });
});

describe('addresses', () => {
  const isForbidden = { code: 'url_address_forbidden' };
  beforeEach(() => {
    answer = (_, response) => response.end('secret');
  });

  test('a name that leads to this machine is not connected to', async () => {
    await expect(fetchFrom('/', { host: 'evil.example' })).rejects.toMatchObject(isForbidden);
    const asSystemSays = openFetcher().fetch(`http://localhost:${port}/`, AbortSignal.timeout(10_000));
    await expect(asSystemSays).rejects.toMatchObject(isForbidden);
    expect(connections).toBe(0);
  });

  test.each([
    ['a good and a bad one', [PUBLIC, LOOPBACK]],
    ['IPv4 in IPv6', [{ address: '::ffff:127.0.0.1', family: 6 }]],
    ['the metadata of clouds', [{ address: '169.254.169.254', family: 4 }]],
    ['none at all', []],
  ])('a name with %s is not connected to', async (_, found) => {
    const resolve: Resolve = (_hostname, _options, done) => done(null, found);
    await expect(fetchFrom('/', { host: 'evil.example', resolve })).rejects.toMatchObject(isForbidden);
    expect(connections).toBe(0);
  });

  test('a private server that is named is no way to the metadata of clouds', async () => {
    const resolve: Resolve = (_, __, done) => done(null, [{ address: '169.254.169.254', family: 4 }]);
    await expect(fetchFrom('/', { resolve })).rejects.toMatchObject(isForbidden);
  });

  test('a name that changes its address meanwhile is asked once a connection, and each answer is checked', async () => {
    const answers = [[PUBLIC], [LOOPBACK], [LOOPBACK]];
    let asked = 0;
    const fetcher = openFetcher((_, __, done) => done(null, answers[asked++] ?? [LOOPBACK]));
    const get = (ms: number) => fetcher.fetch(`http://evil.example:${port}/`, AbortSignal.timeout(ms));
    await expect(get(300)).rejects.toMatchObject({ code: 'url_unreachable' });
    expect(asked).toBe(1);
    await expect(get(10_000)).rejects.toMatchObject(isForbidden);
    expect(connections).toBe(0);

    asked = 1;
    const allowed = openFetcher((_, __, done) => done(null, answers[asked++] ?? [PUBLIC]));
    await allowed.fetch(`http://photos.test:${port}/`, AbortSignal.timeout(10_000));
    expect({ asked, connections }).toEqual({ asked: 2, connections: 1 });
  });
});

describe('redirects', () => {
  test('are followed, five at most', async () => {
    answer = (request, response) => {
      const left = Number(request.url?.slice(1));
      if (left === 0) response.end('photo');
      else redirectTo(`/${left - 1}`)(request, response);
    };
    expect(await fetchFrom('/5')).toBe('photo');
    await expect(fetchFrom('/6')).rejects.toMatchObject({ code: 'url_refused' });
  });

  test.each([
    ['http://127.0.0.1/', 'url_address_forbidden'],
    ['http://169.254.169.254/latest/meta-data/', 'url_address_forbidden'],
    ['http://[::ffff:10.0.0.1]/', 'url_address_forbidden'],
    ['http://inner.example/', 'url_address_forbidden'],
    ['//inner.example/', 'url_address_forbidden'],
    ['http://inner.example:22/', 'url_not_allowed'],
    ['file:///etc/passwd', 'url_not_allowed'],
    ['data:text/plain,secret', 'url_not_allowed'],
    ['http://user:secret@example.org/', 'url_refused'],
    ['http://', 'url_refused'],
  ])('to %s are not: %s', async (location, code) => {
    answer = redirectTo(location);
    await expect(fetchFrom('/')).rejects.toMatchObject({ code });
    expect(seen).toHaveLength(1);
  });

  test('without a place to go are refused', async () => {
    answer = (_, response) => response.writeHead(301).end();
    await expect(fetchFrom('/')).rejects.toMatchObject({ code: 'url_refused' });
  });
});

describe('bodies', () => {
  test('as long as allowed are read, longer ones are not', async () => {
    answer = (_, response) => response.end('x'.repeat(MAX_BYTES));
    expect(await fetchFrom('/')).toHaveLength(MAX_BYTES);
    answer = (_, response) => response.end('x'.repeat(MAX_BYTES + 1));
    await expect(fetchFrom('/')).rejects.toMatchObject({ code: 'image_too_large' });
  });

  test('without end are cut off', async () => {
    let gone: Promise<unknown> | undefined;
    answer = (_, response) => {
      gone = once(response, 'close');
      const more = () => response.write('x'.repeat(100)) && setTimeout(more, 1);
      more();
    };
    await expect(fetchFrom('/')).rejects.toMatchObject({ code: 'image_too_large' });
    await gone;
  });

  test('are not unpacked', async () => {
    const packed = gzipSync(Buffer.alloc(100_000));
    answer = (_, response) => response.writeHead(200, { 'content-encoding': 'gzip' }).end(packed);
    expect(await fetchFrom('/')).toBe(packed.toString('latin1'));
  });

  test.each<[string, RequestListener]>([
    ['never begin', () => {}],
    ['never end', (_, response) => response.write('x')],
    ['drip', (_, response) => void setInterval(() => response.write('x'), 20).unref()],
  ])('that %s are given up when the time is over', async (_, listener) => {
    answer = listener;
    const failure = { code: 'url_unreachable', message: expect.stringContaining('it takes too long') };
    await expect(fetchFrom('/', { ms: 200 })).rejects.toMatchObject(failure);
  });

  test('that end early may be whole another time', async () => {
    answer = (_, response) => {
      response.writeHead(200, { 'content-length': 500 }).write('x');
      setTimeout(() => response.destroy(), 20);
    };
    await expect(fetchFrom('/')).rejects.toMatchObject({ code: 'url_unreachable' });
  });

  test('of something that is no HTTP may be another time', async () => {
    answer = (_, response) => response.socket?.end('SSH-2.0-OpenSSH_9.2\r\n');
    await expect(fetchFrom('/')).rejects.toMatchObject({ code: 'url_unreachable' });
  });
});

test.each([
  [404, 'file_not_found'],
  [410, 'file_not_found'],
  [401, 'file_not_permitted'],
  [403, 'file_not_permitted'],
  [204, 'url_refused'],
  [206, 'url_refused'],
  [304, 'url_refused'],
  [418, 'url_refused'],
  [408, 'url_unreachable'],
  [429, 'url_unreachable'],
  [500, 'url_unreachable'],
  [503, 'url_unreachable'],
])('%i is %s', async (status, code) => {
  answer = (_, response) => response.writeHead(status).end();
  await expect(fetchFrom('/')).rejects.toMatchObject({ code });
});

test('a server that is away may be back another time', async () => {
  const fetcher = openPhotoFetcher({
    rules: { allowed: [], intranet: new Set(['127.0.0.1:1']) },
    maxBytes: MAX_BYTES,
  });
  await expect(fetcher.fetch('http://127.0.0.1:1/', AbortSignal.timeout(10_000))).rejects.toMatchObject({
    code: 'url_unreachable',
  });
  await fetcher.close();
});
