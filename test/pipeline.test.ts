import { existsSync } from 'node:fs';
import { copyFile, mkdir, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openDatabase, type Row } from '../lib/database.ts';
import {
  createDatabase,
  createStreamName,
  natsUrl,
  type RunningService,
  startService,
  type TestDatabase,
} from './servers.ts';
import { waitFor } from './wait-for.ts';

/** An optional folder of photographs with known answers; the world does not have it. */
const FACES = fileURLToPath(new URL('../../shared/faces', import.meta.url));
const withFaces = describe.skipIf(!existsSync(FACES));

interface Pipeline {
  readonly url: string;
  readonly database: TestDatabase;
  /** What the recognizer has printed until now. */
  recognizerLog(): string;
  stop(): Promise<void>;
}

/** Every service, for real. */
async function startPipeline(env: { IMAGE_ROOTS: string; KNOWN_PEOPLE: string }): Promise<Pipeline> {
  const database = await createDatabase();
  const shared = { MYSQL_URL: database.url, NATS_URL: natsUrl(), IMAGES_STREAM: createStreamName(), ...env };
  const recognizer = await startService('recognizer', shared);
  const services: RunningService[] = await Promise.all([
    startService('receiver', shared),
    startService('processor', { ...shared, RECOGNIZER_ADDRESS: `127.0.0.1:${recognizer.port}` }),
  ]);
  const receiver = services[0] as RunningService;
  return {
    url: `http://127.0.0.1:${receiver.port}`,
    database,
    recognizerLog: recognizer.log,
    async stop() {
      await Promise.all(services.map((service) => service.stop()));
      await recognizer.stop();
      await database.drop();
    },
  };
}

interface Seen {
  readonly path: string;
  readonly status: string;
  readonly person: { name: string } | null;
  readonly reason: { code: string; message: string } | null;
  readonly faces: { person: { name: string } | null; distance: number; box: { width: number } }[];
}

/** Posts paths in one request, waits for every outcome, and gives them by path. */
async function submit(url: string, paths: string[]): Promise<Map<string, Seen>> {
  const body = JSON.stringify({ paths: paths.map((path) => ({ path })) });
  const posted = await fetch(`${url}/images/post`, { method: 'POST', body });
  expect(posted.status).toBe(202);
  await waitFor(
    'every photo to end',
    async () => {
      const stats = (await (await fetch(`${url}/v1/stats`)).json()) as { images: { pending: number } };
      return stats.images.pending === 0;
    },
    200_000,
  );
  const { images } = (await (await fetch(`${url}/v1/images?limit=200`)).json()) as { images: Seen[] };
  return new Map(images.map((image) => [image.path, image]));
}

/** File by file: a copied folder that may only be read could not be removed again. */
async function copyPhotos(from: string, to: string): Promise<void> {
  await mkdir(to, { recursive: true });
  for (const name of await readdir(from)) await copyFile(join(from, name), join(to, name));
}

const namesIn = (image: Seen | undefined) => (image?.faces ?? []).flatMap((face) => face.person?.name ?? []);

withFaces('the photographs with known answers', () => {
  let pipeline: Pipeline;
  let seen: Map<string, Seen>;
  let queries: string[];

  beforeAll(async () => {
    pipeline = await startPipeline({ IMAGE_ROOTS: FACES, KNOWN_PEOPLE: join(FACES, 'known') });
    const list = async (folder: string) =>
      (await readdir(join(FACES, folder), { recursive: true })).map((file) => join(folder, file));
    queries = (await list('query')).filter((path) => path.endsWith('.png'));
    seen = await submit(pipeline.url, [...queries, ...(await list('group')), ...(await list('broken'))]);
  });
  afterAll(() => pipeline.stop());

  test('single faces: at least 22 of 24 are named right, none wrong', () => {
    const answers = queries.map((path) => ({ is: path.split('/')[1], names: namesIn(seen.get(path)) }));
    expect(answers).toHaveLength(24);
    expect(answers.filter(({ is, names }) => names.some((name) => name !== is))).toEqual([]);
    expect(answers.filter(({ is, names }) => names[0] === is).length).toBeGreaterThanOrEqual(22);
  });

  test.each([
    ['bbt1', 'sheldon leonard raj howard', ''],
    ['bbt2', 'leonard sheldon', 'raj'],
    ['bbt3', 'sheldon leonard penny howard raj', ''],
    ['bbt4', 'sheldon leonard raj amy penny bernadette', ''],
    ['bbt5', 'raj howard sheldon leonard penny', ''],
  ])('%s: everybody is named, nobody twice, nobody who is not there', (photo, expected, perhaps) => {
    const names = namesIn(seen.get(`group/${photo}.jpg`));
    expect(new Set(names).size).toBe(names.length);
    expect(names).toEqual(expect.arrayContaining(expected.split(' ')));
    expect(`${expected} ${perhaps}`.split(' ')).toEqual(expect.arrayContaining(names));
  });

  test('broken files end unreadable, with a reason', () => {
    for (const file of ['corrupted.png', 'empty.png', 'truncated.jpg']) {
      expect(seen.get(`broken/${file}`)).toMatchObject({ status: 'unreadable', reason: { code: 'image_unreadable' } });
    }
  });

  test('a known photo was encoded once: a second recognizer on the same database encodes none', async () => {
    const db = openDatabase(pipeline.database.url);
    const revision = async () => (await db.query<Row[]>('SELECT revision FROM gallery'))[0][0]?.revision;
    const before = await revision();
    const shared = { MYSQL_URL: pipeline.database.url, IMAGE_ROOTS: FACES, KNOWN_PEOPLE: join(FACES, 'known') };
    const second = await startService('recognizer', shared);
    // What it prints arrives a moment after its answers.
    await waitFor('it to know them', () => second.log().includes('"knownFaces":16'));
    expect(await revision()).toBe(before);
    await second.stop();
    await db.close();
  });
});

withFaces("the reference system's sample", () => {
  test('unknown.jpg is Hannibal: the person of the flat file hannibal_1.jpg', async () => {
    const sample = join(FACES, 'sample');
    const roots = { IMAGE_ROOTS: join(sample, 'unknown_people'), KNOWN_PEOPLE: join(sample, 'known_people') };
    const pipeline = await startPipeline(roots);
    const seen = await submit(pipeline.url, ['unknown.jpg']);
    expect(seen.get('unknown.jpg')).toMatchObject({ status: 'matched', person: { name: 'Hannibal' } });
    await pipeline.stop();
  });

  test('a photo of somebody new, added to the folder meanwhile, is known seconds later', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'faceflow-known-'));
    const known = join(folder, 'known');
    await mkdir(known);
    await copyPhotos(join(FACES, 'query', 'penny'), join(folder, 'photos', 'penny'));
    const pipeline = await startPipeline({ IMAGE_ROOTS: join(folder, 'photos'), KNOWN_PEOPLE: known });
    expect((await submit(pipeline.url, ['penny/penny3.png'])).get('penny/penny3.png')).toMatchObject({
      status: 'unknown',
    });
    await copyPhotos(join(FACES, 'known', 'penny'), join(known, 'penny'));
    await waitFor('both photos to be known', () =>
      pipeline.recognizerLog().includes('"knownFaces":2,"msg":"gallery changed"'),
    );
    expect(namesIn((await submit(pipeline.url, ['penny/penny4.png'])).get('penny/penny4.png'))).toEqual(['penny']);
    await pipeline.stop();
    await rm(folder, { recursive: true });
  });
});
