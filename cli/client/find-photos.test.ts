import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { describeLeftOut, findPhotos } from './find-photos.ts';

let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'faceflow-find-photos-'));
  await mkdir(join(folder, 'b', 'deep'), { recursive: true });
  await mkdir(join(folder, '.trash'));
  const names = ['b/deep/2.JPG', 'b/1.heic', 'a.jfif', '.trash/3.jpg', 'film.MP4', 'b/film.mp4', 'raw.cr2', 'noending'];
  for (const name of names) await writeFile(join(folder, name), '');
  await symlink(folder, join(folder, 'b', 'loop'));
  await symlink(join(folder, 'a.jfif'), join(folder, 'link.png'));
});

afterAll(() => rm(folder, { recursive: true, force: true }));

test('photos of a folder and those in it, by their names; what is left out is counted', async () => {
  const { photos, leftOut, unreadable } = await findPhotos(folder);
  expect(photos).toEqual(['a.jfif', 'b/1.heic', 'b/deep/2.JPG', 'link.png'].map((name) => join(folder, name)));
  expect(describeLeftOut(leftOut)).toBe(
    '4 files were left out, by their names no photos: 2 .mp4, 1 without an ending, 1 .cr2',
  );
  expect(unreadable).toEqual([]);
});

test('a file is itself, whatever its name; what is not there is said', async () => {
  expect((await findPhotos(join(folder, 'raw.cr2'))).photos).toEqual([join(folder, 'raw.cr2')]);
  await expect(findPhotos(join(folder, 'none'))).rejects.toThrow(/There is no file or folder .*none/);
});

test('nothing left out is nothing to say, and many kinds are cut short', () => {
  expect(describeLeftOut(new Map())).toBe('');
  expect(describeLeftOut(new Map([['.txt', 1]]))).toBe('1 file was left out, by its name no photo: 1 .txt');
  const kinds = new Map(Array.from({ length: 9 }, (_, n) => [`.${n}`, 1] as const));
  expect(describeLeftOut(kinds)).toMatch(/, 1 \.7, …$/);
});
