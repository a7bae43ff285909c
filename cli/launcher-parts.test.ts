import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { chooseCacheFolder } from './cache-folder.ts';
import { findDeviations, formatTable, type SeenImage } from './demo-table.ts';
import { chooseFreePort, isPortFree } from './free-port.ts';
import { assertPortsFree, hostOf, loadLaunchSettings } from './launch-settings.ts';
import { openLogFile } from './log-file.ts';
import { summarizeLogLine } from './watch-process.ts';
import { writeServersEnv } from './write-servers-env.ts';

const folders: string[] = [];

afterAll(() => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});

function makeFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'faceflow-unit-'));
  folders.push(folder);
  return folder;
}

test('servers.env is read by a shell as it was written, and by its owner alone', async () => {
  const file = join(makeFolder(), 'servers.env');
  const awkward = `it's $HOME "and" \`more\``;
  await writeServersEnv(file, { MYSQL_URL: 'mysql://a:b@127.0.0.1:1/c', AWKWARD: awkward });
  const shell = execFileSync('/bin/sh', ['-c', 'set -a; . "$1"; set +a; env', 'sh', file], { encoding: 'utf8' });
  expect(shell).toContain(`AWKWARD=${awkward}\n`);
  expect(statSync(file).mode & 0o777).toBe(0o600);
});

test('a log file is bounded: it moves aside and begins anew', async () => {
  const path = join(makeFolder(), 'a.log');
  const log = openLogFile(path, 100);
  for (let index = 0; index < 50; index++) {
    log.write(`line ${index}`);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
  await log.close();
  expect(readFileSync(path, 'utf8')).toContain('line 49\n');
  expect(readFileSync(`${path}.1`, 'utf8').length).toBeLessThan(250);
});

test('warnings and errors of a service are shown, other lines are not', () => {
  expect(summarizeLogLine('{"level":"warn","msg":"slow"}')).toBe('warn slow');
  expect(summarizeLogLine('{"level":"error","msg":"failed","err":{"message":"refused"}}')).toBe(
    'error failed: refused',
  );
  expect(summarizeLogLine('{"level":"info","msg":"listening"}')).toBeNull();
  expect(summarizeLogLine('{ not JSON')).toBeNull();
  expect(summarizeLogLine('2026-11-21 0 [Note] ready')).toBeNull();
});

test('a port that is taken is named with the variable that changes it', async () => {
  const server = createServer();
  const port = await new Promise<number>((resolve) => {
    server.listen(0, '127.0.0.1', () => resolve((server.address() as { port: number }).port));
  });
  expect(await isPortFree(port)).toBe(false);
  expect(await chooseFreePort(port)).not.toBe(port);
  const settings = await loadLaunchSettings({ RECEIVER_PORT: String(port), FRONTEND_PORT: '0', RECOGNIZER_PORT: '0' });
  await expect(assertPortsFree(settings)).rejects.toThrow(`receiver: ${port} (change it with RECEIVER_PORT)`);
  server.close();
});

test('one process is not given a port twice, though nobody listens on the first yet', async () => {
  const ports = await Promise.all(Array.from({ length: 300 }, () => chooseFreePort()));
  expect(new Set(ports).size).toBe(300);
  // Where outgoing connections take theirs begins above.
  expect(Math.max(...ports)).toBeLessThan(32_768);
});

test('only what asks who is there listens beyond this machine', () => {
  for (const host of ['0.0.0.0', '::', '192.0.2.7', 'faces.example.org']) {
    expect(['receiver', 'frontend'].map((name) => hostOf(name as 'receiver', host))).toEqual([host, host]);
    expect(['recognizer', 'processor'].map((name) => hostOf(name as 'processor', host))).toEqual([
      '127.0.0.1',
      '127.0.0.1',
    ]);
  }
  expect(hostOf('recognizer', '127.0.0.2')).toBe('127.0.0.2');
});

test('every bad setting is named at once', async () => {
  const loading = loadLaunchSettings({ RECEIVER_PORT: 'eighty', PROCESSORS: '0', MYSQL_URL: 'postgres://a' });
  await expect(loading).rejects.toThrow(/RECEIVER_PORT.*PROCESSORS.*MYSQL_URL/s);
});

test('a recognizer address is a foreign recognizer, unless it is the one that is about to start', async () => {
  const own = await loadLaunchSettings({ RECOGNIZER_ADDRESS: '127.0.0.1:50051' });
  expect(own.recognizerAddress).toBeUndefined();
  const foreign = await loadLaunchSettings({ RECOGNIZER_ADDRESS: 'gpu.example:50051' });
  expect(foreign.recognizerAddress).toBe('gpu.example:50051');
});

test('downloads are kept in the first cache folder that can be written to', () => {
  const [home, project, data] = [makeFolder(), makeFolder(), makeFolder()];
  expect(chooseCacheFolder({ XDG_CACHE_HOME: join(home, 'x'), HOME: home }, project, data)).toBe(
    join(home, 'x', 'faceflow'),
  );
  expect(chooseCacheFolder({ HOME: home }, project, data)).toBe(join(home, '.cache', 'faceflow'));
  expect(chooseCacheFolder({ HOME: '/dev/null' }, project, data)).toBe(
    join(project, 'node_modules', '.cache', 'faceflow'),
  );
  expect(chooseCacheFolder({ HOME: '/dev/null' }, '/dev/null', data)).toBe(join(data, 'cache'));
});

const picture = { path: 'a.jpg', what: 'as it is', status: 'matched', faces: 2, people: ['Ada'] } as const;
const face = (name: string | null) => ({ person: name ? { name } : null, similarity: name ? 0.9 : null });
const image = (status: string, faces: SeenImage['faces']): SeenImage => ({
  id: 1,
  path: 'a.jpg',
  status,
  reason: null,
  createdAt: '2026-01-01T00:00:00.000Z',
  finishedAt: '2026-01-01T00:00:01.500Z',
  faces,
});

test('the demo tells who was missed, misnamed or not seen', () => {
  expect(findDeviations(picture, image('matched', [face('Ada'), face(null)]))).toEqual([]);
  expect(findDeviations(picture, image('unknown', [face(null)]))).toEqual([
    'a.jpg: expected matched, is unknown',
    'a.jpg: expected 2 faces, found 1',
    'a.jpg: Ada is in it and was not named',
  ]);
  expect(findDeviations(picture, image('matched', [face('Ada'), face('Ada')]))).toEqual([
    'a.jpg: somebody was wrongly named Ada',
  ]);
});

test("the demo's table has a row for each picture", () => {
  const table = formatTable([picture], new Map([['a.jpg', image('matched', [face('Ada'), face(null)])]]));
  expect(table).toMatch(/a\.jpg +as it is +2 +Ada, 1 unknown +0\.90 +1\.5 +✔$/m);
});
