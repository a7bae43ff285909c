import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openWebhookSender } from './send.ts';

let asked = 0;
const server = createServer((request, response) => {
  if (request.url === '/date') {
    const inAMinute = new Date(Date.now() + 60_000).toUTCString();
    return void response.writeHead(503, { 'retry-after': inAMinute }).end();
  }
  if (request.url === '/seconds') return void response.writeHead(429, { 'retry-after': '999999' }).end();
  if (request.url === '/words') return void response.writeHead(503, { 'retry-after': 'soon' }).end();
  if (request.url === '/endless') return void response.writeHead(200).write('and');
  asked++;
  response.writeHead(204).end();
});
let port: number;

beforeAll(async () => {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  port = (server.address() as AddressInfo).port;
});
afterAll(() => {
  server.closeAllConnections();
  server.close();
});

const message = { messageId: 'm', payload: '{}', secrets: [`whsec_${Buffer.alloc(32, 7).toString('base64')}`] };
const allowed = () => [{ host: null, below: false, port }];

test('a name that leads to a private address is refused when it is connected to', async () => {
  const resolve = (_name: string, _options: object, done: (error: null, found: object[]) => void) =>
    done(null, [{ address: '127.0.0.1', family: 4 }]);
  const open = (intranet: string[]) =>
    openWebhookSender({
      ...{ rules: { allowed: allowed(), intranet: new Set(intranet) }, timeoutMs: 5_000 },
      resolve: resolve as never,
    });
  const url = `http://innocent.example.org:${port}/`;
  const sender = open([]);
  expect(() => sender.check(url)).not.toThrow();
  expect(await sender.send(url, message)).toEqual({
    ...{ status: null, failure: 'url_address_forbidden', retryAfterMs: null },
  });
  expect(asked).toBe(0);
  await sender.close();
  const inside = open([`innocent.example.org:${port}`]);
  expect(await inside.send(url, message)).toMatchObject({ status: 204, failure: null });
  expect(asked).toBe(1);
  await inside.close();
});

test('what may not be asked is said at once, and not asked later either', async () => {
  const off = openWebhookSender({ rules: { allowed: [], intranet: new Set() }, timeoutMs: 1_000 });
  const url = `http://127.0.0.1:${port}/`;
  expect(() => off.check(url)).toThrow('Webhooks are off');
  expect(await off.send(url, message)).toMatchObject({ failure: 'url_not_allowed' });
  await off.close();
  const open = openWebhookSender({ rules: { allowed: allowed(), intranet: new Set() }, timeoutMs: 1_000 });
  expect(() => open.check(url)).toThrow('its address is not a public one');
  expect(() => open.check(`http://ada:pass@example.org:${port}/`)).toThrow('a password');
  expect(() => open.check('file:///etc/passwd')).toThrow('http and https');
  expect(await open.send(url, message)).toMatchObject({ failure: 'url_address_forbidden' });
  await open.close();
  expect(asked).toBe(1);
});

test('who asks to be left alone for a while is, by seconds or by a date, for an hour at most', async () => {
  const rules = { allowed: [], intranet: new Set([`127.0.0.1:${port}`]) };
  const sender = openWebhookSender({ rules, timeoutMs: 10_000 });
  const retryAfter = async (path: string) =>
    (await sender.send(`http://127.0.0.1:${port}${path}`, message)).retryAfterMs;
  expect(await retryAfter('/date')).toBeGreaterThan(20_000);
  expect(await retryAfter('/date')).toBeLessThanOrEqual(60_000);
  expect(await retryAfter('/seconds')).toBe(3_600_000);
  expect(await retryAfter('/words')).toBeNull();
  await sender.close();
});

test('who has taken a message and goes on answering for ever is not waited for', async () => {
  const rules = { allowed: [], intranet: new Set([`127.0.0.1:${port}`]) };
  const sender = openWebhookSender({ rules, timeoutMs: 600_000 });
  expect(await sender.send(`http://127.0.0.1:${port}/endless`, message)).toMatchObject({ status: 200, failure: null });
  await sender.close();
});
