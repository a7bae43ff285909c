import { execFileSync } from 'node:child_process';
import { mkdir, mkdtemp, readFile, realpath, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { readImageFile, readImageStream } from './image-file.ts';
import { resolveImagePath } from './image-path.ts';

let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'faceflow-image-file-'));
  await writeFile(join(folder, 'a.jpg'), 'hello');
});

afterAll(() => rm(folder, { recursive: true }));

test('a file of as many bytes as allowed is read, one of more is refused', async () => {
  const file = join(folder, 'a.jpg');
  expect(Buffer.from(await readImageFile(file, { maxBytes: 5 })).toString()).toBe('hello');
  await expect(readImageFile(file, { maxBytes: 4 })).rejects.toMatchObject({
    code: 'image_too_large',
    message: 'The file has 5 bytes; at most 4 are read.',
  });
});

test.each([
  ['none.jpg', 'file_not_found'],
  ['a.jpg/b.jpg', 'file_not_found'],
  ['.', 'file_not_regular'],
])('%s is refused with its code', async (name, code) => {
  await expect(readImageFile(join(folder, name), { maxBytes: 5 })).rejects.toMatchObject({ code });
});

describe('inside a folder', () => {
  let root: string;
  const read = async (path: string) => {
    const found = await resolveImagePath(path, [root]);
    return (between: () => Promise<void>) => between().then(() => readImageFile(found.path, { ...found, maxBytes: 5 }));
  };

  beforeEach(async () => {
    root = await realpath(await mkdtemp(join(folder, 'root-')));
    await mkdir(join(root, 'sub', 'deep'), { recursive: true });
    await writeFile(join(root, 'sub', 'deep', 'a.jpg'), 'good');
    await mkdir(join(root, '..', 'elsewhere', 'deep'), { recursive: true });
    await writeFile(join(root, '..', 'elsewhere', 'deep', 'a.jpg'), 'evil');
  });

  test('a file that moves within it is read', async () => {
    const finish = await read('sub/deep/a.jpg');
    const bytes = await finish(async () => {
      await rename(join(root, 'sub'), join(root, 'other'));
      await mkdir(join(root, 'sub', 'deep'), { recursive: true });
      await writeFile(join(root, 'sub', 'deep', 'a.jpg'), 'new');
    });
    expect(Buffer.from(bytes).toString()).toBe('new');
  });

  test.each([
    ['the file', 'sub/deep/a.jpg', '../../../elsewhere/deep/a.jpg'],
    ['its folder', 'sub/deep', '../../elsewhere/deep'],
    ['a folder above', 'sub', '../elsewhere'],
  ])('when %s is swapped for a link after the check, nothing is read', async (_, swapped, target) => {
    const finish = await read('sub/deep/a.jpg');
    const swap = async () => {
      await rename(join(root, swapped), join(root, 'moved'));
      await symlink(target, join(root, swapped));
      // The link does lead there.
      expect(String(await readFile(join(root, 'sub/deep/a.jpg')))).toBe('evil');
    };
    await expect(finish(swap)).rejects.toMatchObject({ code: 'path_outside_roots' });
  });

  test('a file that becomes a pipe after the check is not waited for', async () => {
    const finish = await read('sub/deep/a.jpg');
    const swap = async () => {
      await rm(join(root, 'sub/deep/a.jpg'));
      execFileSync('mkfifo', [join(root, 'sub/deep/a.jpg')]);
    };
    await expect(finish(swap)).rejects.toMatchObject({ code: 'file_not_regular' });
  });
});

test('a stream is ended as soon as it is too long', async () => {
  let given = 0;
  let ended = false;
  async function* endless() {
    try {
      for (;;) yield new Uint8Array(++given);
    } finally {
      ended = true;
    }
  }
  await expect(readImageStream(endless(), 10)).rejects.toMatchObject({ code: 'image_too_large' });
  expect({ given, ended }).toEqual({ given: 5, ended: true });
});
