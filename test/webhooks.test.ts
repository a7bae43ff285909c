import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Webhook as Verifier } from 'standardwebhooks';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { chooseFreePort } from '../cli/free-port.ts';
import { type Database, openDatabase, type Row } from '../lib/database.ts';
import { openImages } from '../lib/images.ts';
import { ask, type Json } from './ask.ts';
import {
  createDatabase,
  createStreamName,
  natsUrl,
  type RunningService,
  startService,
  type TestDatabase,
} from './servers.ts';
import { startFaceflow } from './start-faceflow.ts';
import { waitFor } from './wait-for.ts';
import { startWebhookTarget, type TakenMessage, type WebhookTarget } from './webhook-target.ts';

let folder: string;
let database: TestDatabase;
let db: Database;
let target: WebhookTarget;
let receiver: RunningService;
let settings: Record<string, string>;
/** Nobody listens there. */
let closed: string;
const started: RunningService[] = [];
const secrets: string[] = [];

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'faceflow-webhooks-'));
  database = await createDatabase();
  db = openDatabase(database.url);
  target = await startWebhookTarget({
    '/fails-twice': (response, nth) => response.writeHead(nth < 2 ? 500 : 200).end(),
    '/hangs': () => {},
    '/resets': (_response, _nth, request) => request.socket.resetAndDestroy(),
    '/redirects': (response) => response.writeHead(302, { location: '/led-astray' }).end(),
    '/gone': (response) => response.writeHead(410).end(),
    '/busy': (response, nth) => response.writeHead(nth < 1 ? 429 : 200, { 'retry-after': '3' }).end(),
    '/talks-for-ever': (response) => {
      response.writeHead(200).flushHeaders();
      const talking = setInterval(() => response.write('x'.repeat(65_536)), 5);
      response.on('close', () => clearInterval(talking));
    },
  });
  closed = `127.0.0.1:${await chooseFreePort()}`;
  settings = {
    ...{ MYSQL_URL: database.url, NATS_URL: natsUrl(), IMAGES_STREAM: createStreamName(), IMAGE_ROOTS: folder },
    ...{ RECOGNIZER_ADDRESS: '127.0.0.1:1', LEADER_LEASE_MS: '1000', LOG_LEVEL: 'debug' },
    ...{ WEBHOOK_PRIVATE_HOSTS: `${target.host},${closed}`, WEBHOOK_SECRET: randomBytes(32).toString('hex') },
    ...{ WEBHOOK_TIMEOUT_MS: '3000', WEBHOOK_RETRY_SCHEDULE: '1s,1s' },
  };
  receiver = await startReceiver();
});

afterAll(async () => {
  await Promise.all(started.map((one) => one.stop()));
  await target.close();
  await db.close();
  await database.drop();
  await rm(folder, { recursive: true });
});

async function startReceiver(): Promise<RunningService> {
  const service = await startService('receiver', settings);
  started.push(service);
  return service;
}

const call = (method: string, path: string, body?: unknown) =>
  ask(method, `http://127.0.0.1:${receiver.port}${path}`, body);

async function addWebhook(path: string, host = target.host, events = ['person.changed']) {
  const { status, body } = await call('POST', '/v1/webhooks', { url: `http://${host}${path}`, events });
  expect(status, JSON.stringify(body)).toBe(201);
  secrets.push(body.secret);
  return body as { id: number; secret: string };
}

const removeWebhook = ({ id }: { id: number }) => call('DELETE', `/v1/webhooks/${id}`);
let people = 0;
const addPerson = async (): Promise<number> => (await call('POST', '/v1/people', { name: `Ada ${++people}` })).body.id;

async function deliveriesOf({ id }: { id: number }): Promise<Json[]> {
  return (await call('GET', `/v1/webhooks/${id}/deliveries`)).body.deliveries;
}

function verify({ body, headers }: TakenMessage, secret: string): unknown {
  return new Verifier(secret).verify(body, headers as Record<string, string>);
}

describe('a message', () => {
  test('tells what has happened, and is signed as Standard Webhooks says', async () => {
    const hook = await addWebhook('/signed');
    const personId = await addPerson();
    const [message] = await waitFor('the message', () => target.to('/signed').length > 0 && target.to('/signed'));
    if (message === undefined) throw new Error('a message');
    expect(verify(message, hook.secret)).toEqual({
      ...{ type: 'person.changed', timestamp: expect.stringMatching(/^20.*Z$/), data: { personId } },
    });
    expect(() => verify(message, `whsec_${randomBytes(32).toString('base64')}`)).toThrow();
    expect(() => verify({ ...message, body: `${message.body} ` }, hook.secret)).toThrow();
    expect(message.headers['content-type']).toBe('application/json');
    const [delivery] = await waitFor('its end', async () => {
      const all = await deliveriesOf(hook);
      return all[0]?.status !== 'pending' && all;
    });
    expect(delivery).toMatchObject({
      ...{ messageId: message.headers['webhook-id'], event: 'person.changed', status: 'delivered', failures: 0 },
      ...{ answerStatus: 204, failure: null, nextAttemptAt: null },
    });
    await removeWebhook(hook);
  });

  test('is signed with the new secret and the old one when the secret has been changed', async () => {
    const hook = await addWebhook('/rotated');
    const { body: rotated } = await call('POST', `/v1/webhooks/${hook.id}/rotate`);
    secrets.push(rotated.secret);
    expect(rotated.secret).not.toBe(hook.secret);
    const { body: tested } = await call('POST', `/v1/webhooks/${hook.id}/test`);
    expect(tested).toMatchObject({ delivered: true, answerStatus: 204, failure: null });
    const [message] = target.to('/rotated');
    if (message === undefined) throw new Error('a message');
    expect(verify(message, hook.secret)).toMatchObject({ type: 'webhook.test', data: { webhookId: hook.id } });
    expect(verify(message, rotated.secret)).toMatchObject({ type: 'webhook.test' });
    expect(String(message.headers['webhook-signature']).split(' ')).toHaveLength(2);
    await removeWebhook(hook);
  });
});

test('whoever fails is asked again with the same id, and given up after the last step; nobody else waits for them', async () => {
  const paths = ['/fails-twice', '/hangs', '/resets', '/redirects', '/gone', '/busy', '/talks-for-ever', '/good'];
  const hooks = new Map<string, { id: number; secret: string }>();
  for (const path of paths) hooks.set(path, await addWebhook(path));
  hooks.set('/closed', await addWebhook('/closed', closed));
  await addPerson();
  const ended = new Map<string, Record<string, unknown>>();
  await waitFor(
    'the end of each',
    async () => {
      for (const [path, hook] of hooks) {
        const [delivery] = await deliveriesOf(hook);
        if (delivery?.status !== 'pending') ended.set(path, delivery);
      }
      return ended.size === hooks.size;
    },
    120_000,
  );
  expect(Object.fromEntries(ended)).toMatchObject({
    '/good': { status: 'delivered', failures: 0 },
    '/fails-twice': { status: 'delivered', failures: 2, answerStatus: 200, failure: null },
    '/hangs': { status: 'dead', failures: 3, answerStatus: null, failure: 'timeout' },
    '/resets': { status: 'dead', failures: 3, answerStatus: null, failure: 'connection_failed' },
    '/closed': { status: 'dead', failures: 3, answerStatus: null, failure: 'connection_failed' },
    '/redirects': { status: 'dead', failures: 3, answerStatus: 302, failure: 'redirected' },
    '/gone': { status: 'dead', failures: 1, answerStatus: 410, failure: 'http_status' },
    '/busy': { status: 'delivered', failures: 1, answerStatus: 200 },
    '/talks-for-ever': { status: 'delivered', failures: 0, answerStatus: 200 },
  });
  expect(target.to('/led-astray')).toEqual([]);
  for (const path of ['/fails-twice', '/hangs']) {
    const ids = target.to(path).map(({ headers }) => headers['webhook-id']);
    expect(ids).toHaveLength(3);
    expect(new Set(ids)).toEqual(new Set([ended.get(path)?.messageId]));
  }
  const times = target.to('/busy').map(({ headers }) => Number(headers['webhook-timestamp']));
  expect((times[1] ?? 0) - (times[0] ?? 0)).toBeGreaterThanOrEqual(2);

  const { body: listed } = await call('GET', '/v1/webhooks');
  const hanging = hooks.get('/hangs') ?? { id: 0 };
  expect(listed.webhooks.find(({ id }: { id: number }) => id === hanging.id)).toMatchObject({ pending: 0, dead: 1 });
  target.behave('/hangs', (response) => response.writeHead(200).end());
  expect((await call('POST', `/v1/webhooks/${hanging.id}/redrive`, {})).body).toEqual({ redriven: 1 });
  await waitFor('it to be taken', async () => (await deliveriesOf(hanging))[0]?.status === 'delivered');
  expect(new Set(target.to('/hangs').map(({ headers }) => headers['webhook-id'])).size).toBe(1);
  for (const hook of hooks.values()) await removeWebhook(hook);
});

test('nothing is lost when receivers are killed, and what comes again has the same id', async () => {
  const hook = await addWebhook('/steady', target.host, ['image.finished', 'image.deleted']);
  target.behave('/steady', (response) => setTimeout(() => response.writeHead(200).end(), 20));
  const images = openImages(db);
  const added = await images.addImages(Array.from({ length: 120 }, (_, n) => `photo-${n}.jpg`));
  const finish = ({ id }: { id: number }) =>
    images.recordOutcome(id, { status: 'no_face', personId: null, width: 1, height: 1, faces: [] });
  const finishing = (async () => {
    for (const image of added) expect(await finish(image)).toBe(true);
  })();
  for (const share of [0.2, 0.5]) {
    await waitFor('some messages', () => target.to('/steady').length > added.length * share);
    receiver.kill('SIGKILL');
    await receiver.exited;
    receiver = await startReceiver();
  }
  await finishing;
  // A message that comes twice to a processor changes nothing, and is told once.
  for (const image of added.slice(0, 5)) expect(await finish(image)).toBe(false);
  const toId = ({ body }: TakenMessage): number => JSON.parse(body).data.imageId;
  await waitFor(
    'all of them',
    async () => {
      const [rows] = await db.query<Row[]>(
        "SELECT COUNT(*) AS count FROM webhook_deliveries WHERE webhook_id = ? AND status <> 'delivered'",
        [hook.id],
      );
      return rows[0]?.count === 0;
    },
    120_000,
  );
  const taken = target.to('/steady');
  expect(new Set(taken.map(toId))).toEqual(new Set(added.map(({ id }) => id)));
  expect(new Set(taken.map(({ headers }) => headers['webhook-id'])).size).toBe(added.length);
  for (const message of taken) expect(verify(message, hook.secret)).toMatchObject({ data: { status: 'no_face' } });
  await removeWebhook(hook);
});

test('what is undone is not told, and what nobody asked for neither', async () => {
  const hook = await addWebhook('/quiet', target.host, ['image.finished']);
  const images = openImages(db);
  const [kept, undone] = await images.addImages(['kept.jpg', 'undone.jpg']);
  if (kept === undefined || undone === undefined) throw new Error('two images');
  await expect(
    openImages({
      ...db,
      transact: (work) => db.transact((connection) => work(connection).then(() => Promise.reject(new Error('undone')))),
    }).recordOutcome(undone.id, { status: 'failed', code: 'x', message: 'x' }),
  ).rejects.toThrow('undone');
  await addPerson();
  await images.recordOutcome(kept.id, { status: 'failed', code: 'x', message: 'x' });
  await waitFor('the one', () => target.to('/quiet').length > 0);
  expect((await deliveriesOf(hook)).map(({ event }) => event)).toEqual(['image.finished']);
  expect(JSON.parse(target.to('/quiet')[0]?.body ?? '').data).toEqual({ imageId: kept.id, status: 'failed' });
  await removeWebhook(hook);
});

test('of photos with faces too; their outcomes wait for nobody who is changing a webhook', async () => {
  const hook = await addWebhook('/faces', target.host, ['image.finished']);
  const images = openImages(db);
  const [image] = await images.addImages(['faces.jpg']);
  if (image === undefined) throw new Error('an image');
  const seen = { box: null, confidence: 1, personId: null, personImageId: null, distance: null, threshold: null };
  const face = { ...seen, descriptor: Array<number>(128).fill(0), model: 'a', quality: null, candidates: [] };
  await db.transact(async (connection) => {
    await connection.query('UPDATE webhooks SET created_at = created_at - INTERVAL 1 SECOND');
    const faces = [{ ...face, galleryRevision: 1 }];
    await images.recordOutcome(image.id, { status: 'unknown', personId: null, width: 1, height: 1, faces });
  });
  await waitFor('the message', () => target.to('/faces').length > 0);
  expect(JSON.parse(target.to('/faces')[0]?.body ?? '').data).toEqual({ imageId: image.id, status: 'unknown' });
  await removeWebhook(hook);
});

describe('what is not possible', () => {
  test.each([
    ['http://127.0.0.1:1/', 403, 'url_not_allowed'],
    ['http://169.254.169.254/latest/meta-data', 403, 'url_not_allowed'],
    ['https://example.org/', 403, 'url_not_allowed'],
    ['file:///etc/passwd', 403, 'url_not_allowed'],
    ['no url', 422, 'url_invalid'],
  ])('a webhook to %s', async (url, status, code) => {
    expect(await call('POST', '/v1/webhooks', { url })).toMatchObject({ status, body: { error: { code } } });
  });

  test('a password in the URL, an event that there is not, a webhook that there is not', async () => {
    const url = `http://ada:pass@${target.host}/`;
    expect((await call('POST', '/v1/webhooks', { url })).body.error.code).toBe('url_invalid');
    const events = ['image.accepted'];
    expect((await call('POST', '/v1/webhooks', { url: `http://${target.host}/`, events })).status).toBe(400);
    for (const [method, path] of [
      ['DELETE', '/v1/webhooks/999'],
      ['POST', '/v1/webhooks/999/test'],
      ['POST', '/v1/webhooks/999/rotate'],
      ['POST', '/v1/webhooks/999/redrive'],
      ['GET', '/v1/webhooks/999/deliveries'],
    ] as const) {
      expect((await call(method, path, method === 'POST' ? {} : undefined)).body.error.code).toBe('webhook_not_found');
    }
  });
});

test('the same from a terminal', async () => {
  const env = { FACEFLOW_URL: `http://127.0.0.1:${receiver.port}` };
  const faceflow = (...args: string[]) => startFaceflow(['webhooks', ...args], env).ended;
  const made = await faceflow('add', `http://${target.host}/terminal`, '--event', 'image.finished', 'person.removed');
  expect(made).toMatchObject({ code: 0, stdout: expect.stringMatching(/^whsec_\S+\n$/) });
  secrets.push(made.stdout.trim());
  const listed = await faceflow('list', '--json');
  const [hook] = JSON.parse(listed.stdout).webhooks;
  expect(hook).toMatchObject({ events: ['image.finished', 'person.removed'], pending: 0, dead: 0 });
  expect(await faceflow('test', String(hook.id))).toMatchObject({
    code: 0,
    stdout: expect.stringMatching(/^delivered: 204/),
  });
  target.behave('/terminal', (response) => response.writeHead(503).end());
  expect(await faceflow('test', String(hook.id))).toMatchObject({ code: 1, stdout: expect.stringContaining('503') });
  expect((await faceflow('remove', String(hook.id))).code).toBe(0);
});

test('it is recorded who made, changed and removed webhooks; no secret stands in a log', async () => {
  const { body } = await call('GET', '/v1/audit?limit=1000');
  const actions = new Set(body.entries.map(({ action }: { action: string }) => action));
  for (const verb of ['added', 'removed', 'rotated', 'tested', 'redriven'])
    expect(actions).toContain(`webhook.${verb}`);
  const [rows] = await db.query<Row[]>('SELECT COUNT(*) AS count FROM webhooks');
  expect(rows[0]?.count).toBe(0);
  const logs = started.map((one) => one.log()).join('\n');
  expect(logs).toContain('a webhook was made');
  expect(logs).toContain('is given up');
  for (const secret of secrets) expect(logs).not.toContain(secret.replace('whsec_', '').slice(0, 20));
  expect(logs).not.toContain('/fails-twice');
});
