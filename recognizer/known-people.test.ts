import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { listKnownFiles, personNameFromFile } from './known-people.ts';

describe('the name of a person in a flat file', () => {
  test.each([
    ['hannibal_1.jpg', 'Hannibal'],
    ['gergely_01.jpg', 'Gergely'],
    ['ada-lovelace.2.png', 'Ada Lovelace'],
    ['ada lovelace (3).png', 'Ada Lovelace'],
    ['hannibal.jpg', 'Hannibal'],
    ['hannibal2.jpg', 'Hannibal'],
    ['élodie_du-pont_12.webp', 'Élodie Du Pont'],
    ['McCoy_1.jpg', 'McCoy'],
    ['agent_007_2.jpg', 'Agent 007'],
    ['42.jpg', '42'],
    ['__1.jpg', '__1'],
  ])('%s is %s', (file, person) => {
    expect(personNameFromFile(file)).toBe(person);
  });
});

describe('the folder of known people', () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'faceflow-known-'));
  });
  afterEach(() => rm(folder, { recursive: true }));

  const names = async () =>
    (await listKnownFiles(folder)).map(({ imageName, personName }) => `${imageName} = ${personName}`);

  test('holds flat files and a folder for each person', async () => {
    await mkdir(join(folder, 'raj_k 2'));
    await Promise.all(['hannibal_1.jpg', 'raj_k 2/raj1.PNG'].map((file) => writeFile(join(folder, file), 'x')));
    expect(await names()).toEqual(['hannibal_1.jpg = Hannibal', 'raj_k 2/raj1.PNG = raj_k 2']);
    expect(await listKnownFiles(folder)).toContainEqual({
      imageName: 'hannibal_1.jpg',
      personName: 'Hannibal',
      path: join(folder, 'hannibal_1.jpg'),
      size: 1,
      mtimeMs: expect.toSatisfy(Number.isInteger),
    });
  });

  test('may hold other things: hidden files, no pictures, deeper folders, dead links', async () => {
    await mkdir(join(folder, 'raj', 'old'), { recursive: true });
    await mkdir(join(folder, '.cache'));
    await mkdir(join(folder, 'folder.jpg'));
    const others = ['.hidden.jpg', 'notes.txt', 'raj/.DS_Store', 'raj/old/raj0.png', '.cache/a.jpg', 'jpg'];
    await Promise.all(others.map((file) => writeFile(join(folder, file), 'x')));
    await symlink('nowhere', join(folder, 'dead.jpg'));
    expect(await names()).toEqual([]);
  });

  test('that is missing is an error, not an empty one', async () => {
    await expect(listKnownFiles(join(folder, 'missing'))).rejects.toThrow('ENOENT');
  });
});
