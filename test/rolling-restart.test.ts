import { copyFile, link, mkdir, mkdtemp, rm } from 'node:fs/promises';
import { Agent, request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { makeDemoPhotos } from '../cli/demo-photos.ts';
import { chooseFreePort } from '../cli/free-port.ts';
import type { ServiceName } from '../cli/services.ts';
import { type Database, openDatabase, type Row } from '../lib/database.ts';
import { type Balancer, openBalancer } from './balancer.ts';
import {
  createDatabase,
  createStreamName,
  natsUrl,
  type RunningService,
  startService,
  type TestDatabase,
} from './servers.ts';
import { waitFor } from './wait-for.ts';

/** A balancer notices within a fraction of this that one is about to stop. */
const DRAIN_MS = '2000';

let database: TestDatabase;
let db: Database;
let folder: string;
let replicas: Replica[];
let balancers: Balancer[];

interface Replica {
  readonly name: ServiceName;
  readonly env: Record<string, string>;
  service: RunningService;
}

beforeAll(async () => {
  database = await createDatabase();
  db = openDatabase(database.url);
  folder = await mkdtemp(join(tmpdir(), 'faceflow-rolling-'));
  replicas = [];
  balancers = [];
});

afterAll(async () => {
  await Promise.all(replicas.map(({ service }) => service.stop()));
  await Promise.all(balancers.map((balancer) => balancer.close()));
  await db.close();
  await database.drop();
  await rm(folder, { recursive: true });
});

/** Two of them; each keeps its port when it is started anew. */
async function startTwo(name: ServiceName, env: Record<string, string>): Promise<number[]> {
  const ports: number[] = [];
  for (let count = 0; count < 2; count++) {
    const port = await chooseFreePort();
    const own = { ...env, [`${name.toUpperCase()}_PORT`]: String(port) };
    replicas.push({ name, env: own, service: await startService(name, own) });
    ports.push(port);
  }
  return ports;
}

async function balance(ports: readonly number[]): Promise<string> {
  const balancer = await openBalancer(ports);
  balancers.push(balancer);
  await waitFor('a replica behind the balancer', () =>
    fetch(`${balancer.url}/healthz`).then(
      ({ ok }) => ok,
      () => false,
    ),
  );
  return balancer.url;
}

/** Asks once, and never again, whatever comes. */
function ask(agent: Agent | false, url: string, body?: object): Promise<number> {
  return new Promise((resolve, reject) => {
    request(url, { agent, method: body === undefined ? 'GET' : 'POST' }, (response) => {
      response.resume().once('error', reject);
      response.once('end', () => resolve(response.statusCode ?? 0));
    })
      .once('error', reject)
      .end(body === undefined ? undefined : JSON.stringify(body));
  });
}

/** In good order, and with requests answered before and after. */
async function restart(replica: Replica, countAnswers: () => number): Promise<void> {
  const more = (count: number) => {
    const before = countAnswers();
    return waitFor('requests meanwhile', () => countAnswers() > before + count, 120_000);
  };
  await more(5);
  const { name, env, service } = replica;
  const { code } = await service.stop();
  expect({ name, code, log: code === 0 ? '' : service.log() }).toEqual({ name, code: 0, log: '' });
  replica.service = await startService(name, env);
  await more(10);
}

test('every service is restarted, one replica after the other, under load: no request and no photo is lost', async () => {
  await makeDemoPhotos(join(folder, 'samples'), join(folder, 'known'));
  await mkdir(join(folder, 'load'));
  const photo = join(folder, 'photo.jpg');
  await copyFile(join(folder, 'samples', 'cropped.jpg'), photo);
  const shared = {
    ...{
      MYSQL_URL: database.url,
      NATS_URL: natsUrl(),
      IMAGES_STREAM: createStreamName(),
      IMAGE_ROOTS: folder,
      DRAIN_MS,
    },
    ...{ EVENTS_STREAM: createStreamName(), DETECTOR: 'tiny', RECOGNIZER_WORKERS: '1' },
  };
  const recognizers = await startTwo('recognizer', { ...shared, KNOWN_PEOPLE: join(folder, 'known') });
  const RECOGNIZER_ADDRESS = `ipv4:${recognizers.map((port) => `127.0.0.1:${port}`).join(',')}`;
  await startTwo('processor', { ...shared, RECOGNIZER_ADDRESS });
  const receiverUrl = await balance(await startTwo('receiver', { ...shared, RECOGNIZER_ADDRESS }));
  const frontendUrl = await balance(await startTwo('frontend', { ...shared, RECEIVER_URL: receiverUrl }));

  const failures: string[] = [];
  const posted: string[] = [];
  let answered = 0;
  const note = async (what: string, expected: number, asked: Promise<number>) => {
    const status = await asked.catch((error: Error) => error.message);
    answered += 1;
    if (status !== expected) failures.push(`${what}: ${status}`);
  };
  const stopping = new AbortController();
  /** One client: with connections of its own that it keeps, or a new one for each request. */
  const keepAsking = async (base: string, keepAlive: boolean) => {
    const agent = keepAlive ? new Agent({ keepAlive, maxSockets: 1 }) : false;
    while (!stopping.signal.aborted) {
      const path = `load/${posted.length}.jpg`;
      posted.push(path);
      await link(photo, join(folder, path));
      await note(`POST ${base}`, 202, ask(agent, `${base}/image/post`, { path }));
      await note(`GET ${base}`, 200, ask(agent, `${base}/v1/images?limit=1`));
      await sleep(150);
    }
    if (agent) agent.destroy();
  };
  const clients = [receiverUrl, frontendUrl].flatMap((url) => [keepAsking(url, true), keepAsking(url, false)]);

  try {
    for (const replica of replicas) await restart(replica, () => answered);
  } finally {
    stopping.abort();
    await Promise.all(clients);
  }
  expect(failures).toEqual([]);

  const count = async () => {
    const [rows] = await db.query<Row[]>('SELECT status, COUNT(*) AS images FROM images GROUP BY status');
    return Object.fromEntries(rows.map((row) => [row.status, row.images]));
  };
  await waitFor('every photo to end', async () => (await count()).pending === undefined, 400_000);
  expect(await count()).toEqual({ matched: posted.length });
}, 900_000);
