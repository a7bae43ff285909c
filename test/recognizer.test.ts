import { execFile } from 'node:child_process';
import { copyFile, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { status } from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import sharp, { type Sharp } from 'sharp';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Recognition } from '../proto/face.ts';
import {
  askAsReference,
  askReflection,
  callOnce,
  connectRecognizer,
  type RecognizerClient,
} from './recognizer-client.ts';
import { cropFace, samplePhoto, VARIANTS, writeVariants } from './sample-photos.ts';
import { type RunningService, startService } from './servers.ts';
import { waitFor } from './wait-for.ts';

let folder: string;
let roots: string;
let known: string;
let recognizer: RunningService;
let client: RecognizerClient;
/** What is seen in photo.jpg while nobody is known. */
let seen: Recognition;

function startRecognizer(env: Record<string, string> = {}) {
  return startService('recognizer', {
    IMAGE_ROOTS: roots,
    KNOWN_PEOPLE: known,
    RECOGNIZER_WORKERS: '1',
    GALLERY_POLL_MS: '100',
    // Of the three people in the photo two lean their heads.
    ENROL_POOR_FACES: 'true',
    LOG_LEVEL: 'debug',
    LOG_FORMAT: 'json',
    ...env,
  });
}

const namesIn = ({ faces }: Recognition) => faces.map(({ match }) => match?.personName ?? null);

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'faceflow-recognizer-'));
  roots = join(folder, 'photos');
  known = join(folder, 'known');
  await Promise.all([mkdir(roots), mkdir(known)]);
  await copyFile(samplePhoto(1), join(roots, 'photo.jpg'));
  await copyFile(samplePhoto(3), join(roots, 'others.jpg'));
  await writeVariants(samplePhoto(1), roots);
  recognizer = await startRecognizer();
  client = connectRecognizer(recognizer.port);
  seen = await client.identify('photo.jpg');
});

afterAll(async () => {
  client.close();
  await recognizer.stop();
  await rm(folder, { recursive: true });
});

describe('alone on a folder', () => {
  test('nobody is known at first', async () => {
    expect(seen).toMatchObject({ width: 1920, height: 1280, model: 'face-api-1', threshold: 0.55, galleryRevision: 0 });
    expect(seen.faces).toHaveLength(3);
    expect(namesIn(seen)).toEqual([null, null, null]);
    expect(seen.faces[0]?.descriptor).toHaveLength(128);
    expect(await askAsReference(recognizer.port, folder, 'photo.jpg')).toEqual({ image_name: 'not_found' });
  });

  test('people whose photos are added while it runs are known', async () => {
    const [ada, bo] = seen.faces;
    if (!ada?.box || !bo?.box) throw new Error('The sample photo shows fewer people than it did.');
    await (await cropFace(samplePhoto(1), seen, ada.box)).toFile(join(known, 'ada_1.jpg'));
    await mkdir(join(known, 'bo'));
    // Half-written at first: it is refused, and tried again when it has changed.
    const photo = await (await cropFace(samplePhoto(1), seen, bo.box)).greyscale().png().toBuffer();
    await writeFile(join(known, 'bo', 'b.png'), photo.subarray(0, 100));
    await waitFor('the half-written photo', () => recognizer.log().includes('"image":"bo/b.png","reason"'));
    await writeFile(join(known, 'bo', 'b.png'), photo);

    const recognition = await waitFor('both people', async () => {
      const now = await client.identify('photo.jpg');
      return namesIn(now).filter((name) => name !== null).length === 2 ? now : null;
    });
    expect(namesIn(recognition)).toEqual(['Ada', 'bo', null]);
    expect(recognition.faces[0]?.match).toMatchObject({ imageName: 'ada_1.jpg', personId: 0, personImageId: 0 });
    expect(recognition.faces[1]?.match?.imageName).toBe('bo/b.png');
  });

  test.each(Object.keys(VARIANTS))('finds the same faces in the photo when it is %s', async (variant) => {
    const recognition = await client.identify(variant);
    expect(recognition.faces).toHaveLength(3);
    expect(namesIn(recognition).sort()).toEqual(['Ada', 'bo', null]);
    expect(recognition.height / recognition.width).toBeCloseTo(1280 / 1920, 2);
  });

  test('strangers are not named', async () => {
    const strangers = await client.identify('others.jpg');
    expect(strangers.faces.length).toBeGreaterThanOrEqual(3);
    expect(strangers).toMatchObject({ imageName: 'not_found' });
    for (const { nearestDistance } of strangers.faces) expect(nearestDistance).toBeGreaterThan(0.55);
  });

  test("the reference's client gets the name of the nearest known photo", async () => {
    const { faces } = await client.identify('photo.jpg');
    const matches = faces.flatMap(({ match }) => match ?? []).sort((a, b) => a.distance - b.distance);
    expect(await askAsReference(recognizer.port, folder, join(roots, 'photo.jpg'))).toEqual({
      image_name: matches[0]?.imageName,
    });
  });

  test('a person whose photo is taken away is forgotten', async () => {
    await rm(join(known, 'bo'), { recursive: true });
    await waitFor('bo to be forgotten', async () => !namesIn(await client.identify('photo.jpg')).includes('bo'));
  });
});

describe('the quality of faces', () => {
  // The faces are 160 to 220 pixels wide, and as they are nothing is wrong with them.
  const DEGRADED: [string, 3 | 6, (photo: Sharp) => Sharp, string][] = [
    ['small.png', 3, (photo) => photo.resize(270), 'SMALL_BOUNDING_BOX'],
    ['blurred.png', 3, (photo) => photo.blur(7), 'LOW_SHARPNESS'],
    ['dark.png', 6, (photo) => photo.linear(0.17, 0), 'LOW_BRIGHTNESS'],
    ['leaning.png', 3, (photo) => photo.rotate(30), 'EXTREME_POSE'],
  ];

  test('a good face has no reasons, its size in pixels of the original, and the whole threshold', async () => {
    await sharp(samplePhoto(3)).resize(3840).jpeg().toFile(join(roots, 'large.jpg'));
    const [{ faces }, large] = [await client.identify('others.jpg'), await client.identify('large.jpg')];
    expect(faces.map(({ quality }) => quality?.reasons)).toEqual([[], [], []]);
    for (const [index, { quality, threshold, box }] of faces.entries()) {
      expect(threshold).toBe(0.55);
      expect(quality?.pixels).toBeCloseTo(Math.min((box?.width ?? 0) * 1920, (box?.height ?? 0) * 1350), -1);
      expect((large.faces[index]?.quality?.pixels ?? 0) / (quality?.pixels ?? 0)).toBeCloseTo(2, 0);
    }
  });

  test('a mirrored photo shows mirrored poses', async () => {
    const mirrored = (await client.identify('mirrored')).faces;
    expect(mirrored).toHaveLength(seen.faces.length);
    for (const { box, quality } of seen.faces) {
      const left = 1 - (box?.left ?? 0) - (box?.width ?? 0);
      const twin = mirrored.find((face) => Math.abs((face.box?.left ?? 0) - left) < 0.03)?.quality;
      expect(Math.abs((twin?.yaw ?? Number.NaN) + (quality?.yaw ?? Number.NaN))).toBeLessThan(8);
      expect(Math.abs((twin?.roll ?? Number.NaN) + (quality?.roll ?? Number.NaN))).toBeLessThan(5);
      expect(Math.abs(quality?.yaw ?? 0)).toBeGreaterThan(8);
    }
  });

  test.each(DEGRADED)('%s', async (name, number, degrade, reason) => {
    await degrade(sharp(samplePhoto(number))).toFile(join(roots, name));
    const { faces } = await client.identify(name);
    expect(faces.length).toBeGreaterThan(0);
    for (const { quality, threshold } of faces) {
      expect(quality?.reasons).toContain(reason);
      // The dark hides people, and makes nobody look like somebody else.
      expect(threshold).toBeCloseTo(reason === 'LOW_BRIGHTNESS' ? 0.55 : 0.495);
    }
  });
});

describe('what cannot be looked at', () => {
  test.each([
    ['missing.jpg', status.NOT_FOUND, 'file_not_found'],
    ['../known/ada_1.jpg', status.PERMISSION_DENIED, 'path_outside_roots'],
    ['/etc/hostname', status.PERMISSION_DENIED, 'path_outside_roots'],
    ['', status.INVALID_ARGUMENT, 'path_empty'],
    ['.', status.INVALID_ARGUMENT, 'file_not_regular'],
    ['pipe.jpg', status.INVALID_ARGUMENT, 'file_not_regular'],
    ['broken.jpg', status.INVALID_ARGUMENT, 'image_unreadable'],
    ['empty.jpg', status.INVALID_ARGUMENT, 'image_empty'],
  ])('%s is refused with its code', async (path, expected, code) => {
    await promisify(execFile)('mkfifo', [join(roots, 'pipe.jpg')]).catch(() => undefined);
    await writeFile(join(roots, 'empty.jpg'), '');
    // The header is sound; of the picture itself there is next to nothing.
    await writeFile(join(roots, 'broken.jpg'), (await readFile(samplePhoto(2))).subarray(0, 3000));
    const { details, ...refusal } = await client.failWith(path);
    expect(refusal).toEqual({ status: expected, code });
    expect(details).toMatch(/^[A-Z].*\.$/);
  });
});

describe('as a service', () => {
  const protoOf = (name: string, file: string) =>
    loadSync(join(dirname(createRequire(import.meta.url).resolve(`${name}/package.json`)), file));

  test('answers grpc.health.v1', async () => {
    const health = protoOf('grpc-health-check', 'proto/health/v1/health.proto');
    const check = { service: 'facerecog.Identify' };
    const answer = await callOnce(health, ['grpc.health.v1', 'Health'], recognizer.port, 'Check', check);
    expect(answer).toMatchObject({ status: 1 });
  });

  test('lists its services by reflection', async () => {
    const file = protoOf('@grpc/reflection', 'build/proto/grpc/reflection/v1/reflection.proto');
    const answer = await askReflection(file, recognizer.port);
    const names = answer.listServicesResponse.service.map(({ name }) => name);
    expect(names).toEqual(expect.arrayContaining(['facerecog.Identify', 'facerecog.HealthCheck']));
  });

  test('the event loop stays free while photos are looked at', async () => {
    const health = protoOf('grpc-health-check', 'proto/health/v1/health.proto');
    const photos = ['photo.jpg', 'others.jpg'].map((path) => client.start(path).answer);
    let busy = true;
    const done = Promise.all(photos).finally(() => {
      busy = false;
    });
    const waits: number[] = [];
    while (busy) {
      const asked = performance.now();
      await callOnce(health, ['grpc.health.v1', 'Health'], recognizer.port, 'Check', { service: '' });
      waits.push(performance.now() - asked);
    }
    await done;
    waits.sort((a, b) => a - b);
    expect(waits.length).toBeGreaterThan(5);
    // An inference of a photo takes several hundred milliseconds.
    expect(waits[Math.floor(waits.length / 2)]).toBeLessThan(100);
  });

  test('has a bounded queue, and drops what nobody waits for', async () => {
    // The slow engine: a photo must take longer than the deadline of those that wait for it.
    const small = await startRecognizer({ RECOGNIZER_QUEUE: '2', RECOGNIZER_ENGINE: 'tfjs' });
    const other = connectRecognizer(small.port);
    try {
      // To connect takes a while, too, and one of them has not much time.
      await other.failWith('missing.jpg');
      const running = other.start('photo.jpg');
      const cancelled = other.start('photo.jpg');
      const expired = other.start('photo.jpg', 200);
      const refused = other.start('photo.jpg');
      await expect(refused.answer).rejects.toMatchObject({ code: status.RESOURCE_EXHAUSTED });
      cancelled.cancel();
      await expect(cancelled.answer).rejects.toMatchObject({ code: status.CANCELLED });
      await expect(expired.answer).rejects.toMatchObject({ code: status.DEADLINE_EXCEEDED });
      await running.answer;
      // Both places are free again, and neither photo was looked at.
      await Promise.all([other.identify('photo.jpg'), other.identify('photo.jpg')]);
      // What it prints arrives a moment after its answers.
      await waitFor('three photos in the log', () => small.log().split('photo looked at').length - 1 >= 3);
      expect(small.log().match(/photo looked at/g)).toHaveLength(3);
      expect(small.log().match(/The caller has gone/g)).toHaveLength(2);
    } finally {
      other.close();
      await small.stop();
    }
  });

  test('a worker that dies is replaced, and its photo may be tried again', async () => {
    const trap = join(folder, 'trap.cjs');
    await writeFile(trap, TRAP);
    await sharp(samplePhoto(1)).resize(400).toFile(join(roots, 'deadly.jpg'));
    const mortal = await startRecognizer({ NODE_OPTIONS: `--require ${trap}` });
    const other = connectRecognizer(mortal.port);
    try {
      expect(await other.failWith('deadly.jpg')).toMatchObject({ status: status.UNAVAILABLE, code: undefined });
      expect((await other.identify('photo.jpg')).faces).toHaveLength(3);
    } finally {
      other.close();
      await mortal.stop();
    }
  });

  test('finishes what is in hand when it is stopped', async () => {
    const stopping = await startRecognizer();
    const other = connectRecognizer(stopping.port);
    const call = other.start('photo.jpg');
    await waitFor('the call to arrive', async () => (await other.failWith('missing.jpg')).status === status.NOT_FOUND);
    const ending = stopping.stop();
    expect((await call.answer).recognition?.faces).toHaveLength(3);
    expect(await ending).toMatchObject({ code: 0 });
    other.close();
  });
});

/** Loaded into every thread of the service: a worker that opens the deadly photo dies on the spot. */
const TRAP = `
const { isMainThread } = require('node:worker_threads');
const fs = require('node:fs/promises');
const { open } = fs;
if (!isMainThread) fs.open = (path, ...rest) => (String(path).includes('deadly') ? process.exit(3) : open(path, ...rest));
require('node:module').syncBuiltinESMExports();
`;
