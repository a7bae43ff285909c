import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { readImageFile } from './image-file.ts';

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
