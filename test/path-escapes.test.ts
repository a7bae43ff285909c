import { spawn } from 'node:child_process';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type ServiceError, status } from '@grpc/grpc-js';
import sharp from 'sharp';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Database, openDatabase, type Row, type WriteResult } from '../lib/database.ts';
import { ask as askAt } from './ask.ts';
import { type Escapes, layOutEscapes } from './path-escapes.ts';
import { connectRecognizer, type RecognizerClient } from './recognizer-client.ts';
import {
  createDatabase,
  createStreamName,
  natsUrl,
  type RunningService,
  startService,
  type TestDatabase,
} from './servers.ts';
import { waitFor } from './wait-for.ts';

/** What may be said of a path without having opened anything; a file that was read would end in another code. */
const REFUSALS = new Set([
  ...['path_empty', 'path_invalid', 'path_too_long', 'path_unsupported', 'path_outside_roots'],
  ...['file_not_found', 'file_not_regular', 'file_not_permitted'],
  ...['url_invalid', 'url_not_allowed', 's3_invalid', 's3_not_allowed'],
]);
/** Nobody waits for a pipe so long; the machine may be busy. */
const PATIENCE_MS = 30_000;
const MAX_PATH = 1_024;
const AT_ONCE = 20;
/** As many as the receiver takes. */
const SEARCHES_AT_ONCE = 4;

let folder: string;
let escapes: Escapes;
let database: TestDatabase;
let db: Database;
let services: RunningService[];
let url: string;
let recognizer: RecognizerClient;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'faceflow-escapes-'));
  escapes = await layOutEscapes(folder);
  database = await createDatabase();
  db = openDatabase(database.url);
  const shared = {
    ...{ MYSQL_URL: database.url, NATS_URL: natsUrl(), IMAGE_ROOTS: escapes.roots.join(':') },
    ...{ IMAGES_STREAM: createStreamName(), EVENTS_STREAM: createStreamName(), MAX_IMAGE_PIXELS: '3000000' },
  };
  const running = await startService('recognizer', { ...shared, RECOGNIZER_WORKERS: '1' });
  const address = { RECOGNIZER_ADDRESS: `127.0.0.1:${running.port}` };
  const receiver = await startService('receiver', { ...shared, ...address });
  const processor = await startService('processor', { ...shared, ...address });
  services = [receiver, processor, running];
  url = `http://127.0.0.1:${receiver.port}`;
  recognizer = connectRecognizer(running.port);
});

afterAll(async () => {
  escapes.close();
  recognizer.close();
  for (const service of services) await service.stop();
  await db.close();
  await database.drop();
  await rm(folder, { recursive: true });
});

const ask = (method: string, path: string, body?: unknown) =>
  askAt(method, `${url}${path}`, body, { signal: AbortSignal.timeout(PATIENCE_MS) });

/** Those of the corpus that did not end in a refusal, and how they did end. */
async function findAdmitted<One>(
  all: readonly One[],
  endingOf: (one: One) => Promise<string>,
  atOnce = AT_ONCE,
): Promise<unknown[]> {
  const waiting = [...all];
  const admitted: unknown[] = [];
  const work = async () => {
    for (let one = waiting.shift(); one !== undefined; one = waiting.shift()) {
      const ending = await endingOf(one);
      if (!REFUSALS.has(ending)) admitted.push([one, ending]);
    }
  };
  await Promise.all(Array.from({ length: atOnce }, work));
  return admitted;
}

const storable = () =>
  escapes.paths.filter((path) => path !== '' && [...path].length <= MAX_PATH && !/\p{Surrogate}/u.test(path));

test('there are at least 100 escapes, and what is no escape is read', async () => {
  expect(escapes.paths.length).toBeGreaterThan(300);
  const { faces } = await recognizer.identify(escapes.good);
  expect(faces.length).toBeGreaterThan(0);
  expect((await ask('POST', '/v1/search', { path: escapes.good })).status).toBe(200);
});

test('the recognizer opens none', async () => {
  const admitted = await findAdmitted(escapes.paths, (path) =>
    recognizer.start(path, PATIENCE_MS).answer.then(
      () => 'answered',
      (error: ServiceError) => String(error.metadata?.get('faceflow-error-code')[0] ?? status[error.code]),
    ),
  );
  expect(admitted).toEqual([]);
});

test('a search opens none', async () => {
  const search = async (path: string) => {
    const answer = await ask('POST', '/v1/search', { path });
    return answer.status >= 400 && answer.status < 500 ? answer.body.error.code : `status ${answer.status}`;
  };
  const admitted = await findAdmitted(escapes.paths, search, SEARCHES_AT_ONCE);
  expect(admitted).toEqual([]);
});

test('posted as images, none is opened by anybody', async () => {
  const { status: accepted, body } = await ask('POST', '/v1/images', {
    paths: escapes.paths.map((path) => ({ path })),
  });
  expect(accepted).toBe(202);
  const images = body.images as { id?: number; error?: { code: string } }[];
  const refused = images.flatMap(({ error }) => (error === undefined ? [] : [error.code]));
  expect(images).toHaveLength(escapes.paths.length);
  expect(refused.filter((code) => !REFUSALS.has(code))).toEqual([]);
  expect(refused.length).toBeGreaterThan(100);

  const rows = await waitFor(
    'all images to end',
    async () => {
      const [found] = await db.query<Row[]>('SELECT id, path, status, reason_code AS code FROM images');
      return found.every((row) => row.status !== 'pending') && found;
    },
    180_000,
  );
  expect(rows.length).toBe(new Set(images.flatMap(({ id }) => id ?? [])).size);
  const isRefused = (row: Row) => row.status === 'unreadable' && REFUSALS.has(row.code);
  expect(rows.filter((row) => !isRefused(row))).toEqual([]);
});

test('enrolled as photos, none is opened by anybody', async () => {
  const { body: person } = await ask('POST', '/v1/people', { name: 'Nobody' });
  const paths = escapes.paths.map((path) => ({ path }));
  const { status: accepted, body } = await ask('POST', `/v1/people/${person.id}/faces`, { paths });
  expect({ accepted, body }).toMatchObject({ accepted: 202 });
  await waitFor(
    'all enrolments to end',
    async () => {
      return (await ask('GET', `/v1/enrolments/${body.batch.id}`)).body.pending === 0;
    },
    180_000,
  );
  const { body: listed } = await ask('GET', `/v1/enrolments/${body.batch.id}/photos?limit=1000`);
  expect(listed.photos).toHaveLength(paths.length);
  const codes = listed.photos.map((photo: { status: string; reason: { code: string } | null }) => photo.reason?.code);
  expect(codes.filter((code: string) => !REFUSALS.has(code))).toEqual([]);
});

test('stored by whatever means, none is shown', async () => {
  const paths = storable();
  await db.query('DELETE FROM images');
  await db.query('INSERT INTO images (path, status) VALUES ?', [paths.map((path) => [path, 'unknown'])]);
  const [images] = await db.query<Row[]>('SELECT id, path FROM images');
  expect(images).toHaveLength(paths.length);
  await db.query<WriteResult>(
    'INSERT INTO faces (image_id, face_index, box_left, box_top, box_width, box_height) SELECT id, 0, 0.1, 0.1, 0.5, 0.5 FROM images',
  );
  const [faces] = await db.query<Row[]>('SELECT f.id, i.path FROM faces f JOIN images i ON i.id = f.image_id');
  const routes = [
    ...images.map(({ id, path }) => ({ path, route: `/v1/images/${id}/photo` })),
    ...images.map(({ id, path }) => ({ path, route: `/v1/images/${id}/photo?width=64` })),
    ...faces.map(({ id, path }) => ({ path, route: `/v1/faces/${id}/crop` })),
  ];
  const admitted = await findAdmitted(routes, async ({ route }) => {
    const answer = await ask('GET', route);
    return answer.status >= 400 && answer.status < 500 ? answer.body.error.code : `status ${answer.status}`;
  });
  expect(admitted).toEqual([]);
});

/** Swaps folders and files for links that lead out, and back, as fast as it can. */
const SWAPPER = `
const { renameSync, symlinkSync, unlinkSync } = require('node:fs');
process.stdin.on('end', () => process.exit()).resume();
const swap = (name, target) => {
  renameSync(name, 'moved');
  symlinkSync(target, name);
  unlinkSync(name);
  renameSync('moved', name);
};
const swapFor = (ms) => {
  for (const end = Date.now() + ms; Date.now() < end; ) {
    swap('race', '../outside-race');
    swap('race/deep', '../../outside-race/deep');
    swap('race/deep/a.png', '../../../outside-race/deep/a.png');
  }
  setImmediate(swapFor, 50);
};
swapFor(50);
`;

test('a photo whose folder is being swapped for a link that leads out is read, or refused, but never another', async () => {
  const [root] = escapes.roots;
  await Promise.all(
    [join(root, 'race/deep'), join(folder, 'outside-race/deep')].map((one) => mkdir(one, { recursive: true })),
  );
  // Of more pixels than are read: who reads one tells how many there are, and has no more work with it.
  const paint = (width: number, file: string) =>
    sharp({ create: { width, height: 2_000, channels: 3, background: '#333' } })
      .png()
      .toFile(file);
  await paint(2_000, join(root, 'race/deep/a.png'));
  await paint(3_000, join(folder, 'outside-race/deep/a.png'));
  const [{ insertId }] = await db.query<WriteResult>(
    "INSERT INTO images (path, status) VALUES ('race/deep/a.png', 'unknown')",
  );
  const swapper = spawn(process.execPath, ['-e', SWAPPER], { cwd: root, stdio: ['pipe', 'ignore', 'inherit'] });
  const counts = { good: 0, refused: 0 };
  const count = (message: string, code: string) => {
    expect(message).not.toContain('3000 ×');
    if (message.includes('2000 × 2000')) counts.good++;
    else if (REFUSALS.has(code)) counts.refused++;
    else throw new Error(`The photo ended in ${code}: ${message}`);
  };
  const askRecognizer = async () => {
    const { code = '', details } = await recognizer.failWith('race/deep/a.png');
    count(details, code);
  };
  const askReceiver = async () => {
    const { body } = await ask('GET', `/v1/images/${insertId}/photo?width=64`);
    count(body.error.message, body.error.code);
  };
  try {
    await waitFor(
      'enough of both',
      async () => {
        await Promise.all([...Array.from({ length: 20 }, askRecognizer), ...Array.from({ length: 20 }, askReceiver)]);
        return counts.good > 100 && counts.refused > 100;
      },
      240_000,
    );
  } finally {
    swapper.kill('SIGKILL');
  }
});
