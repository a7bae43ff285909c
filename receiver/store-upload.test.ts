import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import sharp from 'sharp';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { deleteUpload, receiveUpload } from './store-upload.ts';

let root: string;

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'faceflow-store-upload-'));
});

afterAll(() => rm(root, { recursive: true, force: true }));

const photoOf = (background: string) =>
  sharp({ create: { width: 8, height: 8, channels: 3, background } })
    .png()
    .toBuffer();
const receive = (content: Buffer, name?: string) =>
  receiveUpload(Readable.from([content]), name, { root, maxBytes: 100_000 });
const files = async () => (await readdir(root, { recursive: true })).filter((name) => name.endsWith('.png')).sort();

test('an upload keeps the name that it was sent under first, and goes with its folder', async () => {
  const photo = await photoOf('red');
  const path = await (await receive(photo, 'Oma im Garten.JPG')).keep();
  expect(path).toMatch(/^uploads\/([0-9a-f]{2})\/\1[0-9a-f]{62}\/Oma im Garten\.png$/);
  expect(await readFile(join(root, path))).toEqual(photo);
  for (const name of ['other.png', undefined]) expect(await (await receive(photo, name)).keep()).toBe(path);
  expect(await files()).toEqual([path]);
  expect(await deleteUpload(path, { root })).toBe(true);
  expect(await deleteUpload(path, { root })).toBe(false);
  expect(await readdir(join(root, path, '..', '..'))).toEqual([]);
  expect(await (await receive(photo, 'other.png')).keep()).toMatch(/\/other\.png$/);
});

test('what was stored without a name stays where it is', async () => {
  const photo = await photoOf('green');
  const path = await (await receive(photo)).keep();
  expect(path).toMatch(/^uploads\/([0-9a-f]{2})\/\1[0-9a-f]{62}\.png$/);
  expect(await (await receive(photo, 'named.png')).keep()).toBe(path);
  expect(await deleteUpload(path, { root })).toBe(true);
});

test('the same photo under many names at once is one file, and nothing is left beside it', async () => {
  const photo = await photoOf('blue');
  const received = await Promise.all(Array.from({ length: 8 }, (_, n) => receive(photo, `${n}.png`)));
  const before = await files();
  const paths = new Set(await Promise.all(received.map((upload) => upload.keep())));
  expect(paths.size).toBe(1);
  expect(await files()).toEqual([...before, ...paths].sort());
  expect((await readdir(join(root, 'uploads'))).filter((name) => name.includes('.part'))).toEqual([]);
});
