import { once } from 'node:events';
import { copyFile, mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { ServiceName } from '../cli/services.ts';
import { openDatabase } from '../lib/database.ts';
import { askWhole, type Json } from './ask.ts';
import { findLeaks } from './find-leaks.ts';
import { type CollectedSpan, type Collector, drawTrace, startCollector } from './otlp-collector.ts';
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

/** All four services, with traces of everything sent to a collector. */

const AUTHORIZATION = 'Basic dHJhY2VyOm5vdC1mb3ItbG9ncw==';
const NAMES = ['recognizer', 'receiver', 'processor', 'frontend'] as const;

let folder: string;
let database: TestDatabase;
let collector: Collector;
/** Where ids of photos are published. */
let subject: string;
let shared: Record<string, string>;
let services: Record<ServiceName, RunningService>;
/** The id of an image that was accepted while there was no queue. */
let waitedForTheQueue: Promise<number>;

/** A web server with one photo, which is away when it is first asked for it. */
let asked = 0;
const web = createServer((_request, response) => {
  asked += 1;
  if (asked === 1) response.writeHead(503).end();
  else response.end(photo);
});
let photo: Buffer;
let photoUrl: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'faceflow-traces-'));
  for (const n of [1, 2, 3, 4] as const) await copyFile(samplePhoto(4), join(folder, `${n}.jpg`));
  photo = await readFile(samplePhoto(4));
  web.listen(0, '127.0.0.1');
  await once(web, 'listening');
  const { port } = web.address() as AddressInfo;
  photoUrl = `http://127.0.0.1:${port}/photo.jpg`;
  collector = await startCollector(AUTHORIZATION);
  database = await createDatabase();
  shared = {
    ...{ MYSQL_URL: database.url, NATS_URL: natsUrl(), IMAGE_ROOTS: folder, RECOGNIZER_WORKERS: '1' },
    ...{ IMAGES_STREAM: createStreamName(), EVENTS_STREAM: createStreamName(), LOG_LEVEL: 'debug' },
    ALLOW_PRIVATE_URLS: `127.0.0.1:${port}`,
    OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
    OTEL_EXPORTER_OTLP_HEADERS: `authorization=${encodeURIComponent(AUTHORIZATION)}`,
    // The SDK's own: how often, and how patiently, spans are sent.
    ...{ OTEL_BSP_SCHEDULE_DELAY: '200', OTEL_EXPORTER_OTLP_TIMEOUT: '4000' },
  };
  subject = `${shared.IMAGES_STREAM?.toLowerCase()}.identify`;
  const recognizer = await startService('recognizer', shared);
  shared.RECOGNIZER_ADDRESS = `127.0.0.1:${recognizer.port}`;
  const [receiver, processor] = await Promise.all([
    startService('receiver', shared),
    startService('processor', shared),
  ]);
  shared.RECEIVER_URL = `http://127.0.0.1:${receiver.port}`;
  const patient = { ...shared, OTEL_EXPORTER_OTLP_TIMEOUT: '60000' };
  services = { recognizer, receiver, processor, frontend: await startService('frontend', patient) };
  waitedForTheQueue = addUnpublished('4.jpg');
});

afterAll(async () => {
  await Promise.all(Object.values(services ?? {}).map((service) => service.stop()));
  await collector?.close();
  web.closeAllConnections();
  web.close();
  await database?.drop();
  await rm(folder, { recursive: true });
});

async function addUnpublished(path: string): Promise<number> {
  const db = openDatabase(database.url);
  const sql = 'INSERT INTO images (path, created_at) VALUES (?, CURRENT_TIMESTAMP(3) - INTERVAL 1 MINUTE)';
  const { insertId } = await db.write(sql, [path]);
  await db.close();
  return insertId;
}

async function post(path: string, body: unknown, given: Record<string, string> = {}) {
  const url = `http://127.0.0.1:${services.frontend.port}${path}`;
  const { headers, ...answer } = await askWhole('POST', url, body, { headers: given });
  return { ...answer, traceId: headers.get('x-trace-id') ?? '' };
}

function linesOf(name: ServiceName): Json[] {
  return services[name]
    .log()
    .split('\n')
    .flatMap((line) => (line.startsWith('{') ? [JSON.parse(line)] : []));
}

/** The processor's line of how the image has ended. */
function waitForEnd(image: number): Promise<Json> {
  return waitFor(`the end of image ${image}`, () =>
    linesOf('processor').find((line) => line.image === image && line.msg === 'done'),
  );
}

/** The trace, when all of these spans have come, one for each mention. */
async function waitForTrace(traceId: string, wanted: readonly string[]): Promise<readonly CollectedSpan[]> {
  const own = () => collector.spans.filter((span) => span.traceId === traceId);
  await waitFor(`${wanted} in the trace ${traceId}`, () => {
    const missing = own().reduce((left, { name }) => without(left, name), wanted);
    return missing.length === 0;
  });
  return own();
}

function without(names: readonly string[], name: string): readonly string[] {
  const at = names.indexOf(name);
  return at < 0 ? names : names.toSpliced(at, 1);
}

/** The messages of all lines that a service has logged under the id. */
function loggedBy(name: ServiceName, traceId: string): unknown[] {
  return linesOf(name).flatMap(({ trace_id, msg }) => (trace_id === traceId ? [msg] : []));
}

const twice = (name: string) => [name, name];
/** To the frontend, and to the receiver. */
const POSTED = twice('POST /image/post');
const IDENTIFY = 'facerecog.Identify/Identify';
const LOOKED_AT = ['wait', 'read', 'decode', 'detect', 'landmarks', 'embed', 'judge', 'search'];
const isStatement = ({ attributes }: CollectedSpan) => attributes['db.system.name'] === 'mysql';

test('one photo is one trace over four processes, and one id in their logs', async () => {
  const { status, traceId, body } = await post('/image/post', { path: '1.jpg' });
  expect(status).toBe(202);
  const { trace_id: logged } = await waitForEnd(body.id);
  const [publish, process] = [`publish ${subject}`, `process ${subject}`];
  const spans = await waitForTrace(traceId, [...POSTED, process, ...twice(IDENTIFY)]);
  expect(drawTrace(spans.filter((span) => !isStatement(span))).split('\n')).toEqual([
    'frontend SERVER POST /image/post',
    '  receiver SERVER POST /image/post',
    `    receiver PRODUCER ${publish}`,
    `      processor CONSUMER ${process}`,
    `        processor CLIENT ${IDENTIFY}`,
    `          recognizer SERVER ${IDENTIFY}`,
    ...LOOKED_AT.map((name) => `            recognizer INTERNAL ${name}`),
  ]);
  expect(spans.find((span) => span.name === process)?.attributes).toEqual({
    ...{ 'messaging.system': 'nats', 'messaging.destination.name': subject },
    ...{ 'messaging.operation.name': 'process', 'messaging.operation.type': 'process' },
    ...{ 'faceflow.image.id': body.id, 'faceflow.delivery': 1, 'faceflow.outcome': 'unknown' },
  });
  // The end of the way: where the outcome is stored.
  const stored = spans.filter((span) => isStatement(span) && span.name.includes('INSERT faces'));
  expect(stored.map(({ service }) => service)).toEqual(['faceflow-processor']);
  expect(spans.map(({ error }) => error)).toEqual(spans.map(() => null));
  for (const span of spans) expect(span.end, span.name).toBeGreaterThanOrEqual(span.start);

  expect(logged).toBe(traceId);
  expect(loggedBy('processor', traceId)).toContain('done');
  expect(loggedBy('recognizer', traceId)).toContain('photo looked at');
});

test('a caller that has a trace of its own finds the photo in it', async () => {
  const traceId = 'a3ce929d0e0e47364bf92f3577b34da6';
  const headers = { traceparent: `00-${traceId}-00f067aa0ba902b7-01`, tracestate: 'congo=t61rcWkgMzE' };
  const answer = await post('/image/post', { path: '2.jpg' }, headers);
  expect(answer.traceId).toBe(traceId);
  expect((await waitForEnd(answer.body.id)).trace_id).toBe(traceId);
  const spans = await waitForTrace(traceId, [...POSTED, `process ${subject}`]);
  expect(spans.filter(({ parentId }) => parentId === '00f067aa0ba902b7').map(({ name }) => name)).toEqual([
    'POST /image/post',
  ]);
});

test('of photos that are posted together each is a trace of its own, linked to the request', async () => {
  const { traceId, body } = await post('/images/post', { paths: [{ path: 'none.jpg' }, { path: '3.jpg' }] });
  const ends: Json[] = [];
  for (const { id } of body.images) ends.push(await waitForEnd(id));
  expect(new Set([traceId, ...ends.map((end) => end.trace_id)]).size).toBe(3);
  expect(ends.map((end) => end.linked_trace_id)).toEqual([traceId, traceId]);
  const [missing, seen] = ends;
  for (const { trace_id } of ends) {
    const [process] = (await waitForTrace(trace_id, [`process ${subject}`, ...twice(IDENTIFY)])).filter(
      ({ kind }) => kind === 'CONSUMER',
    );
    expect(process).toMatchObject({ parentId: '', links: [traceId] });
  }
  expect(seen?.status).toBe('unknown');

  // A photo that cannot be read is an answer, not a failure of ours: what failed is the call.
  const spans = collector.spans.filter((span) => span.traceId === missing?.trace_id && span.name !== 'wait');
  expect(spans.filter(({ error }) => error !== null).map(({ kind, name }) => `${kind} ${name}`)).toEqual([
    `CLIENT ${IDENTIFY}`,
  ]);
  expect(spans.find(({ kind }) => kind === 'CONSUMER')?.attributes).toMatchObject({
    ...{ 'faceflow.outcome': 'unreadable', 'faceflow.reason': 'file_not_found' },
  });
  expect(spans.find(({ kind }) => kind === 'SERVER')?.attributes['rpc.response.status_code']).toBe('NOT_FOUND');
});

test('a photo that is tried again stays in its trace', async () => {
  const { traceId, body } = await post('/image/post', { path: photoUrl });
  expect((await waitForEnd(body.id)).trace_id).toBe(traceId);
  const spans = await waitForTrace(traceId, [...twice(`process ${subject}`), ...twice(IDENTIFY), ...twice(IDENTIFY)]);
  const tries = spans.filter(({ kind }) => kind === 'CONSUMER');
  expect(tries.map(({ attributes }) => attributes['faceflow.delivery'])).toEqual([1, 2]);
  expect(tries.map(({ error }) => error)).toEqual([expect.stringContaining('503'), null]);
  expect(new Set(tries.map(({ parentId }) => parentId)).size).toBe(1);
  expect(loggedBy('processor', traceId)).toContainEqual(expect.stringMatching(/^trying again later/));
  expect(drawTrace(spans)).toContain('INTERNAL fetch');
});

test('a photo that waited for the queue has a trace that begins where it was published', async () => {
  const id = await waitedForTheQueue;
  const { trace_id } = await waitForEnd(id);
  const spans = await waitForTrace(trace_id, [`publish ${subject}`, `process ${subject}`]);
  const [publish, process] = ['PRODUCER', 'CONSUMER'].map((kind) => spans.find((span) => span.kind === kind));
  expect(publish).toMatchObject({ service: 'faceflow-receiver', parentId: '' });
  expect(process).toMatchObject({ parentId: publish?.spanId, links: [] });
});

test('an error tells the id that the logs have', async () => {
  const { status, traceId, body } = await post('/image/post', { path: '../../etc/passwd' });
  expect({ status, traceId: body.error.traceId }).toEqual({ status: 403, traceId });
  const together = await post('/images/post', { paths: [{ path: '../../etc/passwd' }] });
  expect(together.body.images[0].error.traceId).toBe(together.traceId);
  const nothing = await post('/nothing', {});
  expect({ status: nothing.status, traceId: nothing.body.error.traceId }).toEqual({
    status: 404,
    traceId: nothing.traceId,
  });
  const [server] = await waitForTrace(traceId, POSTED);
  // What a caller does wrong is no error of the server's.
  expect(server).toMatchObject({ error: null, attributes: { 'http.response.status_code': 403 } });
});

test('spans are as the protocol and the conventions have them, and tell nothing that the logs do not', () => {
  expect(collector.complaints).toEqual([]);
  expect(new Set(collector.spans.map(({ service }) => service))).toEqual(
    new Set(NAMES.map((name) => `faceflow-${name}`)),
  );
  const values = collector.spans.flatMap(({ attributes }) => Object.values(attributes)).map(String);
  expect(findLeaks(values.join('\n'), [shared.MYSQL_URL ?? ''])).toEqual([]);
  for (const name of NAMES) expect(services[name].log()).not.toContain(AUTHORIZATION.slice(6));
});

test('a collector that hangs, or is away, disturbs nobody', async () => {
  collector.hang();
  const before = collector.spans.length;
  const { body } = await post('/image/post', { path: '1.jpg#' });
  await waitForEnd(body.id);
  const impatient = ['recognizer', 'receiver', 'processor'] as const;
  const lost = (name: ServiceName) => linesOf(name).filter(({ msg }) => String(msg).startsWith('traces are lost'));
  await waitFor('them to say that traces are lost', () => impatient.every((name) => lost(name).length > 0));
  // One that waited for the answer would be cut off by the hard deadline, and exit with 1.
  expect(await services.frontend.stop()).toMatchObject({ code: 0 });

  await collector.close();
  services.frontend = services.receiver;
  for (let n = 0; n < 20; n++) await post('/image/post', { path: '1.jpg#' });
  for (const name of ['processor', 'receiver'] as const) {
    expect(await services[name].stop()).toMatchObject({ code: 0 });
  }
  expect(collector.spans.length).toBe(before);
  for (const name of impatient) expect(lost(name), name).toHaveLength(1);
});

test('without a collector the id is in all logs as well, and nothing is recorded', async () => {
  collector = await startCollector(AUTHORIZATION);
  const { OTEL_EXPORTER_OTLP_ENDPOINT: _, ...off } = shared;
  const [receiver, processor] = await Promise.all([startService('receiver', off), startService('processor', off)]);
  services = { ...services, receiver, processor, frontend: receiver };
  const { traceId, body } = await post('/image/post', { path: './1.jpg?' });
  expect(traceId).toMatch(/^[0-9a-f]{32}$/);
  expect((await waitForEnd(body.id)).trace_id).toBe(traceId);
  // This one still records what it is asked to: it is not.
  expect(loggedBy('recognizer', traceId)).not.toEqual([]);
  expect(collector.spans.filter((span) => span.traceId === traceId)).toEqual([]);
});
