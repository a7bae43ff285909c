import { mkdir, mkdtemp, realpath, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { normalizeImagePath, resolveImagePath } from './image-path.ts';

let folder: string;
let first: string;
let second: string;

beforeAll(async () => {
  folder = await realpath(await mkdtemp(join(tmpdir(), 'faceflow-paths-')));
  first = join(folder, 'first');
  second = join(folder, 'second');
  await mkdir(join(first, 'sub'), { recursive: true });
  await mkdir(second);
  await mkdir(join(folder, 'first-neighbour'));
  for (const path of ['first/a.jpg', 'second/b.jpg', 'first-neighbour/n.jpg', 'secret.jpg']) {
    await writeFile(join(folder, path), 'x');
  }
  await symlink(join(folder, 'secret.jpg'), join(first, 'link-out.jpg'));
  await symlink(folder, join(first, 'folder-out'));
  await symlink(join(first, 'a.jpg'), join(first, 'sub', 'link-in.jpg'));
  await symlink('loop.jpg', join(first, 'loop.jpg'));
});

afterAll(() => rm(folder, { recursive: true }));

describe('resolveImagePath', () => {
  const resolve = async (path: string) => (await resolveImagePath(path, [first, second])).path;

  test('finds relative paths below each root in turn, and absolute ones inside a root', async () => {
    await expect(resolve('a.jpg')).resolves.toBe(join(first, 'a.jpg'));
    await expect(resolve('sub/../a.jpg')).resolves.toBe(join(first, 'a.jpg'));
    await expect(resolve('b.jpg')).resolves.toBe(join(second, 'b.jpg'));
    await expect(resolve(join(second, 'b.jpg'))).resolves.toBe(join(second, 'b.jpg'));
  });

  test('follows a symbolic link that stays inside', async () => {
    await expect(resolve('sub/link-in.jpg')).resolves.toBe(join(first, 'a.jpg'));
  });

  test('follows roots that are symbolic links themselves', async () => {
    const link = join(folder, 'root-link');
    await symlink(first, link);
    const found = { path: join(first, 'a.jpg'), inside: first };
    await expect(resolveImagePath('a.jpg', [link])).resolves.toEqual(found);
    await expect(resolveImagePath(join(link, 'a.jpg'), [link])).resolves.toEqual(found);
  });

  test.each([
    '../secret.jpg',
    'sub/../../secret.jpg',
    '/etc/passwd',
    'link-out.jpg',
    'folder-out/secret.jpg',
    '../first-neighbour/n.jpg',
    '..',
  ])('refuses %s', async (path) => {
    await expect(resolve(path)).rejects.toMatchObject({ code: 'path_outside_roots' });
  });

  test('refuses an absolute path beside a root whose name it starts with', async () => {
    await expect(resolve(join(folder, 'first-neighbour', 'n.jpg'))).rejects.toMatchObject({
      code: 'path_outside_roots',
    });
  });

  test('says when there is no such file', async () => {
    for (const path of ['none.jpg', 'a.jpg/none.jpg', join(first, 'none.jpg')]) {
      await expect(resolve(path)).rejects.toMatchObject({ code: 'file_not_found' });
    }
  });

  test('refuses a link that leads to itself', async () => {
    await expect(resolve('loop.jpg')).rejects.toMatchObject({ code: 'path_invalid' });
  });
});

describe('normalizeImagePath', () => {
  test('gives one spelling to paths that mean the same', () => {
    for (const path of ['x/a.jpg', './x/a.jpg', 'x//a.jpg', 'x/y/../a.jpg']) {
      expect(normalizeImagePath(path)).toBe('x/a.jpg');
    }
  });

  test.each([
    ['path_empty', ''],
    ['path_empty', '  '],
    ['path_too_long', 'ä'.repeat(513)],
    ['path_invalid', 'a\0.jpg'],
    ['path_invalid', 'a\n.jpg'],
    ['path_invalid', 'a\ud800.jpg'],
    ['path_too_long', `https://example.org/${'"'.repeat(400)}`],
    ['path_unsupported', 'file:///etc/passwd'],
    ['path_unsupported', 'ftp://example.org/a.jpg'],
    ['url_invalid', 'https://'],
    ['url_invalid', 'https://user:secret@example.org/a.jpg'],
    ['s3_invalid', 's3://photos'],
    ['s3_invalid', 's3://Photos/a.jpg'],
    ['s3_invalid', 's3://photos/../other/a.jpg'],
    ['path_outside_roots', '../a.jpg'],
  ])('refuses with %s', (code, path) => {
    expect(() => normalizeImagePath(path)).toThrow(expect.objectContaining({ code }));
  });
});
