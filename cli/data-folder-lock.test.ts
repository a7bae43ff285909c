import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { lockDataFolder } from './data-folder-lock.ts';

const folders: string[] = [];

afterAll(() => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});

function makeFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'faceflow-unit-'));
  folders.push(folder);
  return folder;
}

const PAGE = 'http://127.0.0.1:8081';
const lock = (folder: string, doing: string[] = []) => lockDataFolder(folder, PAGE, (text) => doing.push(text));

function newFolder(...below: string[]): string {
  return join(makeFolder(), ...below);
}

/** A launcher in another process, holding the folder's lock, and a child of its that lives `seconds` longer. */
async function lockElsewhere(folder: string, seconds: number) {
  const module = new URL('./data-folder-lock.ts', import.meta.url).href;
  const script = `
    import { spawn } from 'node:child_process';
    import { lockDataFolder } from '${module}';
    const lock = await lockDataFolder(${JSON.stringify(folder)}, '${PAGE}', () => {});
    spawn('sleep', ['${seconds}'], { detached: true, stdio: ['ignore', 'ignore', 'ignore', lock.keepOpen] });
    console.log('locked');
    setInterval(() => {}, 1000);
  `;
  const other = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await once(other.stdout, 'data');
  return other;
}

test.each([
  ['a short path', newFolder()],
  ['a path far too long for a unix socket', newFolder('a'.repeat(60), 'b'.repeat(60))],
])('a folder with %s has one launcher at a time', async (_, folder) => {
  const first = await lock(folder);
  await expect(lock(folder)).rejects.toThrow(`process ${process.pid}, page ${PAGE}`);
  first.release();
  const second = await lock(folder);
  second.release();
});

test('after SIGKILL the lock is free as soon as the children are gone', async () => {
  const folder = newFolder();
  const other = await lockElsewhere(folder, 1);
  await expect(lock(folder)).rejects.toThrow(`process ${other.pid}`);
  other.kill('SIGKILL');
  await once(other, 'exit');
  const doing: string[] = [];
  (await lock(folder, doing)).release();
  expect(doing).toEqual(['waiting for the servers of the last run to stop']);
});

test('of many that start at once on a stale lock, one wins', async () => {
  const folder = newFolder();
  const other = await lockElsewhere(folder, 0);
  other.kill('SIGKILL');
  await once(other, 'exit');
  const starters = await Promise.allSettled(Array.from({ length: 8 }, () => lock(folder)));
  const winners = starters.flatMap((it) => (it.status === 'fulfilled' ? [it.value] : []));
  expect(winners).toHaveLength(1);
  winners[0]?.release();
});

test('a folder that cannot be written to is a clear error', async () => {
  const folder = newFolder();
  execFileSync('touch', [join(folder, 'run')]);
  await expect(lock(folder)).rejects.toThrow(/EEXIST|ENOTDIR/);
});
