import { copyFile, mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { status } from '@grpc/grpc-js';
import sharp from 'sharp';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { chooseFreePort } from '../cli/free-port.ts';
import { connectRecognizer, type RecognizerClient } from './recognizer-client.ts';
import { samplePhoto } from './sample-photos.ts';
import { startService } from './servers.ts';
import { waitFor } from './wait-for.ts';

let roots: string;

beforeAll(async () => {
  roots = await mkdtemp(join(tmpdir(), 'faceflow-limits-'));
  await copyFile(samplePhoto(1), join(roots, 'photo.jpg'));
  await sharp(samplePhoto(1)).resize(640).toFile(join(roots, 'small.jpg'));
});

afterAll(() => rm(roots, { recursive: true }));

async function withRecognizer(env: Record<string, string>, work: (client: RecognizerClient) => Promise<void>) {
  const recognizer = await startService('recognizer', { IMAGE_ROOTS: roots, RECOGNIZER_WORKERS: '1', ...env });
  const client = connectRecognizer(recognizer.port);
  try {
    await work(client);
  } finally {
    client.close();
    await recognizer.stop();
  }
}

test('files of more bytes, or with more pixels, than allowed are refused', async () => {
  const { size } = await stat(join(roots, 'photo.jpg'));
  await sharp(samplePhoto(2)).resize(1000, 600).png().toFile(join(roots, 'heavy.png'));
  await sharp(samplePhoto(2)).resize(1000, 600).jpeg({ quality: 50 }).toFile(join(roots, 'light.jpg'));
  expect((await stat(join(roots, 'heavy.png'))).size).toBeGreaterThan(size);
  await withRecognizer({ MAX_IMAGE_BYTES: String(size), MAX_IMAGE_PIXELS: String(1000 * 600) }, async (client) => {
    expect(await client.failWith('heavy.png')).toMatchObject({
      status: status.INVALID_ARGUMENT,
      code: 'image_too_large',
      details: expect.stringMatching(new RegExp(`^The file has \\d+ bytes; at most ${size} are read\\.$`)),
    });
    expect(await client.failWith('photo.jpg')).toMatchObject({
      code: 'image_too_large',
      details: 'The picture has 1920 × 1280 pixels; at most 600000 are read.',
    });
    expect(await client.identify('light.jpg')).toMatchObject({ width: 1000, height: 600 });
  });
});

test('with a port for it, health and metrics are told over HTTP', async () => {
  const port = await chooseFreePort();
  await withRecognizer({ METRICS_PORT: String(port) }, async () => {
    const get = (path: string) => fetch(`http://127.0.0.1:${port}${path}`);
    await waitFor('it to be ready', async () => (await get('/readyz')).ok);
    expect(await (await get('/metrics')).text()).toMatch(/^process_resident_memory_bytes \d+$/m);
  });
});

test('small faces, and what is hardly one, are left out when told to', async () => {
  let sides: number[] = [];
  let confidences: number[] = [];
  await withRecognizer({}, async (client) => {
    const { faces, width, height } = await client.identify('photo.jpg');
    sides = faces.map(({ box }) => Math.min((box?.width ?? 0) * width, (box?.height ?? 0) * height));
    confidences = faces.map(({ confidence }) => confidence);
  });
  const largest = Math.max(...sides);
  const best = Math.max(...confidences);
  expect(sides.length).toBeGreaterThan(1);
  await withRecognizer({ MIN_FACE_PIXELS: String(Math.floor(largest)) }, async (client) => {
    expect((await client.identify('photo.jpg')).faces).toHaveLength(1);
    // The same people in fewer pixels.
    expect((await client.identify('small.jpg')).faces).toHaveLength(0);
  });
  const surer = confidences.filter((confidence) => confidence >= best - 0.001).length;
  expect(surer).toBeLessThan(confidences.length);
  await withRecognizer({ MIN_CONFIDENCE: String(best - 0.001) }, async (client) => {
    expect((await client.identify('photo.jpg')).faces).toHaveLength(surer);
  });
});

test('a worker that hangs on a photo is replaced, and the others go on', async () => {
  const trap = join(roots, 'trap.cjs');
  await writeFile(trap, TRAP);
  await copyFile(samplePhoto(1), join(roots, 'endless.jpg'));
  const env = { NODE_OPTIONS: `--require ${trap}`, MAX_IMAGE_MS: '8000', RECOGNIZER_WORKERS: '2' };
  await withRecognizer(env, async (client) => {
    const ending = client.failWith('endless.jpg');
    let hangs = true;
    const hanging = ending.finally(() => {
      hangs = false;
    });
    expect((await client.identify('photo.jpg')).faces).toHaveLength(3);
    expect(hangs).toBe(true);
    expect(await hanging).toMatchObject({
      status: status.UNAVAILABLE,
      code: undefined,
      details: expect.stringContaining('took more than 8000 ms and was replaced'),
    });
    // Both hang, so whoever answers afterwards is new.
    await Promise.all([client.failWith('endless.jpg'), client.failWith('endless.jpg')]);
    const after = await Promise.all([client.identify('photo.jpg'), client.identify('photo.jpg')]);
    expect(after.map(({ faces }) => faces.length)).toEqual([3, 3]);
  });
});

/** Loaded into every thread of the service: a worker that opens the endless photo computes for ever. */
const TRAP = `
const { isMainThread } = require('node:worker_threads');
const fs = require('node:fs/promises');
const { open } = fs;
const hang = () => { for (;;); };
if (!isMainThread) fs.open = (path, ...rest) => (String(path).includes('endless') ? hang() : open(path, ...rest));
require('node:module').syncBuiltinESMExports();
`;
