import { copyFile, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type PeopleServices, startPeopleServices } from './people-services.ts';
import { samplePhoto } from './sample-photos.ts';
import { startFaceflow } from './start-faceflow.ts';
import { waitFor } from './wait-for.ts';

let services: PeopleServices;
/** Outside IMAGE_ROOTS: the server cannot read there. */
let album: string;

beforeAll(async () => {
  services = await startPeopleServices();
  album = join(dirname(services.photos), 'album');
  await mkdir(join(album, '2024', '.trash'), { recursive: true });
  await copyFile(samplePhoto(3), join(album, '2024', 'three.jpg'));
  await writeFile(join(album, '2024', 'broken.jpg'), 'no photo');
  await writeFile(join(album, '2024', 'notes.txt'), 'no photo either');
  await copyFile(samplePhoto(6), join(album, '2024', '.trash', 'gone.jpg'));
  const { id } = (await services.call('POST', '/v1/people', { name: 'Ada' })).body;
  const photo = await readFile(join(services.photos, 'a.jpg'));
  await services.finish(await services.upload(`/v1/people/${id}/faces`, { 'a.jpg': photo }));
  await waitFor('her to be known', async () => {
    const { body } = await services.call('POST', '/v1/search', { path: 'a.jpg' });
    return body.faces[0]?.person !== null;
  });
});

afterAll(() => services?.stop());

const start = (args: readonly string[], env: Record<string, string> = {}) =>
  startFaceflow(args, { FACEFLOW_URL: services.url, ...env });

const faceflow = (...args: string[]) => start(args).ended;

async function faceflowJson(...args: string[]) {
  const { stdout, ...rest } = await faceflow(...args, '--json');
  return { ...rest, answer: JSON.parse(stdout) };
}

describe('faceflow add', () => {
  test('photos that the server can read by their path, and others, which are sent; the table says who is in them', async () => {
    const added = await faceflow('add', join(services.photos, 'sample4.jpg'), album);
    expect(added.stdout).toMatch(/sample4\.jpg +matched +\d+ +.*Ada \d\.\d\d/);
    expect(added.stdout).toMatch(/2024\/three\.jpg +unknown +\d+ +\d+ unknown/);
    expect(added.stdout).toMatch(/broken\.jpg +image_unreadable/);
    expect(added.stdout).toContain('2 submitted, 1 matched, 1 unknown');
    expect(added.stdout).toContain('1 file was left out, by its name no photo: 1 .txt');
    expect(added.stdout).not.toContain('gone.jpg');
    expect(added).toMatchObject({ code: 1, stderr: expect.stringContaining('Looking at them') });
  });

  test('again: the same images, and nothing is sent twice', async () => {
    const { answer, code } = await faceflowJson('add', join(album, '2024', 'three.jpg'));
    expect(code).toBe(0);
    expect(answer.images).toHaveLength(1);
    const [rows] = await services.db.query("SELECT id FROM images WHERE path LIKE '%uploads/%'");
    expect(rows).toEqual([{ id: answer.images[0].id }]);
  });

  test('paths from standard input, without waiting; without uploads what the server cannot read is refused', async () => {
    const child = start(['add', '-', '--no-wait', '--no-upload', '--json']);
    child.stdin?.end(`sample5.jpg\n\n${join(album, '2024', 'three.jpg')}\n`);
    const { stdout, code } = await child.ended;
    expect(code).toBe(1);
    expect(JSON.parse(stdout)).toMatchObject({
      submitted: [{ source: 'sample5.jpg', id: expect.any(Number) }, { error: { code: 'path_outside_roots' } }],
      images: [],
    });
  });

  test('says what is wrong: no such file, no photo there, nobody answers', async () => {
    expect(await faceflow('add', join(album, 'none.jpg'))).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('ENOENT'),
    });
    const empty = join(album, 'empty');
    await mkdir(empty);
    expect(await faceflow('add', empty)).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('There is no photo in'),
    });
    const nowhere = start(['images'], { FACEFLOW_URL: 'http://127.0.0.1:1' });
    expect(await nowhere.ended).toMatchObject({ code: 1, stderr: expect.stringContaining('FACEFLOW_URL') });
  });

  test('interrupted, it says how far it is', async () => {
    const path = join(services.photos, 'never.jpg');
    await writeFile(path, '');
    // In the queue, as it says, where it never was: it stays pending.
    await services.db.query("INSERT INTO images (path, status, enqueued_at) VALUES (?, 'pending', '2099-01-01')", [
      path,
    ]);
    const child = start(['add', path]);
    let said = '';
    child.stderr?.on('data', (some) => {
      said += some;
    });
    await waitFor('it to wait', () => said.includes('Submitting 1 photos'));
    child.kill('SIGINT');
    const { code, stderr } = await child.ended;
    expect({ code, stderr }).toMatchObject({
      code: 130,
      stderr: expect.stringMatching(/0 of 1 (have been looked at|photos are submitted)|All are submitted/),
    });
    await services.db.query('DELETE FROM images WHERE path = ?', [path]);
  });
});

test('faceflow images and image: lists, filters, explains, and draws the boxes', async () => {
  const { answer } = await faceflowJson('images', 'sample4');
  expect(answer.images).toHaveLength(1);
  expect((await faceflow('images', '--status', 'matched')).stdout).toContain('sample4.jpg');
  expect((await faceflow('images', 'nothing', 'like', 'that')).stdout).toBe('No images.\n');
  const { answer: sorted } = await faceflowJson(
    'images',
    '--sort',
    'path',
    '--from',
    '2020-01-01',
    '--folder',
    'uploads',
  );
  const paths = sorted.images.map(({ path }: { path: string }) => path);
  expect(paths).toEqual([...paths].sort());
  expect(paths[0]).toMatch(/^uploads\//);
  expect((await faceflow('images', '--to', '2020-01-01')).stdout).toBe('No images.\n');
  const [image] = answer.images;
  const out = join(album, 'boxes.png');
  const shown = await faceflow('image', String(image.id), '--out', out);
  expect(shown.stdout).toMatch(/\d+ +Ada +[01]\.\d\d +0\.\d{3} +0\.\d{3} +gallery +Ada 0\.\d{3}/);
  const known = image.faces.find((face: { person: object | null }) => face.person !== null);
  const drawn = sharp(out);
  const { width = 0, height = 0 } = await drawn.metadata();
  const [left, top] = [Math.round(known.box.left * width), Math.round((known.box.top + known.box.height / 2) * height)];
  const { data } = await drawn
    .removeAlpha()
    .extract({ left, top, width: 1, height: 1 })
    .raw()
    .toBuffer({ resolveWithObject: true });
  expect([...data]).toEqual([0x22, 0xc5, 0x5e]);
  expect(await faceflow('image', '999999')).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('There is no image 999999.'),
  });
});

test('faceflow search: who is in it, and where else; exit code 1 when nobody is known', async () => {
  const found = await faceflow('search', join(services.photos, 'sample4.jpg'), '--images');
  expect(found.code).toBe(0);
  expect(found.stdout).toMatch(/Ada +0\.\d{3} +✔/);
  expect(found.stdout).toMatch(/sample4\.jpg/);
  expect((await faceflow('search', samplePhoto(3))).code).toBe(1);
});

test('faceflow watch: each photo as soon as it is written to its end', async () => {
  const child = start(['watch', album, '--every', '0.2']);
  let stdout = '';
  child.stdout?.on('data', (some) => {
    stdout += some;
  });
  await waitFor('the photos that are there', () => stdout.includes('three.jpg: image'));
  await copyFile(samplePhoto(2), join(album, 'new.jpg'));
  await waitFor('the new one', () => stdout.includes('new.jpg: image'));
  await waitFor('the one that is none', () => stdout.includes('broken.jpg: image_unreadable'));
  child.kill('SIGINT');
  await child.ended;
});

test('faceflow watch: a photo that is written further after it was submitted is looked at again', async () => {
  const folder = join(services.photos, 'slow');
  const photo = join(folder, 'half.jpg');
  await mkdir(folder);
  const content = await readFile(samplePhoto(2));
  await writeFile(photo, content.subarray(0, 4_096));
  const child = start(['watch', folder, '--every', '0.2']);
  const statusOf = async () => (await faceflowJson('images', 'half')).answer.images[0]?.status;
  await waitFor('it to be unreadable', async () => (await statusOf()) === 'unreadable');
  await writeFile(photo, content);
  await waitFor('its faces', async () => (await statusOf()) === 'unknown');
  child.kill('SIGINT');
  await child.ended;
});

test('faceflow retry: by id, by status and reason; exit code 1 when there is nothing to do', async () => {
  await services.call('POST', '/v1/images', { paths: [{ path: 'gone.jpg' }] });
  const [row] = await waitFor('it to be missed', async () => {
    const { answer } = await faceflowJson('images', 'gone', '--status', 'unreadable');
    return answer.images.length > 0 && answer.images;
  });
  expect(row.reason.code).toBe('file_not_found');
  await copyFile(samplePhoto(5), join(services.photos, 'gone.jpg'));
  expect(await faceflow('retry', '--status', 'unreadable', '--reason', 'file_not_found')).toMatchObject({
    ...{ code: 0, stdout: '1 image is looked at again.\n' },
  });
  await waitFor('its faces', async () => (await faceflow('image', String(row.id))).stdout.includes('unknown'));
  expect(await faceflow('retry', String(row.id))).toMatchObject({ code: 1, stdout: '0 images are looked at again.\n' });
});

test('faceflow status, clusters and calibrate', async () => {
  const { answer } = await faceflowJson('status');
  expect(answer.stats.images).toMatchObject({ matched: expect.any(Number) });
  expect((await faceflow('status', '--once')).stdout).toMatch(/rematch/);
  expect((await faceflow('clusters')).stdout).toMatch(/None\.|among them/);
  expect(await faceflow('clusters', 'name', '999', 'Bo')).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('999'),
  });
  const calibrated = await faceflow('calibrate');
  expect(calibrated.stdout).toContain('1 references of 1 people');
  const preview = await faceflow('calibrate', '--preview', '0.01');
  expect(preview.stdout).toMatch(/At 0\.01 instead of 0\.55, 1 photos change: 0 faces get a name, 1 lose theirs/);
  expect((await faceflow('calibrate', '--set', '0.56')).code).toBe(0);
  expect((await faceflowJson('calibrate')).answer.threshold).toEqual({ value: 0.56, setBy: 'user' });
});

test('faceflow doctor: what is good, and what is not and what to do', async () => {
  const env = { DATA_DIR: join(album, 'data'), RECEIVER_PORT: new URL(services.url).port };
  const healthy = await start(['doctor'], env).ended;
  expect(healthy.stdout).toMatch(/✔ +engine +ONNX Runtime/);
  expect(healthy.stdout).toMatch(/! +port +\d+ is in use/);
  expect(healthy.code).toBe(0);
  await rm(join(album, 'data'), { recursive: true, force: true });
  const sick = await start(['doctor'], {
    ...{ ...env, IMAGE_ROOTS: join(album, 'none'), NATS_URL: 'nats://127.0.0.1:1' },
    MYSQL_URL: 'mysql://root@127.0.0.1:1/faceflow',
  }).ended;
  expect(sick.stdout).toMatch(/✖ +IMAGE_ROOTS +\S+ cannot be read \(ENOENT\)/);
  expect(sick.stdout).toMatch(/✖ +NATS +NATS_URL: no NATS server answers/);
  expect(sick.stdout).toMatch(/✖ +database +MYSQL_URL cannot be reached/);
  expect(sick.code).toBe(1);
});

test('faceflow complete: what a shell needs', async () => {
  for (const shell of ['bash', 'zsh', 'fish']) expect((await faceflow('complete', shell)).stdout).toContain('faceflow');
  expect((await faceflow('complete', '--', 'cal')).stdout).toMatch(/^calibrate\t/);
});
