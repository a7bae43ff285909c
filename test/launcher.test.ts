import { chownSync, copyFileSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, test } from 'vitest';
import { type GuardedProcess, spawnGuarded } from '../cli/guarded-process.ts';
import { isDebianLike, unpackDebianPackages } from '../cli/servers/debian-packages.ts';
import { findOnPath } from '../cli/servers/find-program.ts';
import { checkNatsProgram } from '../cli/servers/nats-server.ts';
import { keepLauncherLogs } from './kept-logs.ts';
import './servers.ts';

// The launcher as a person meets it: through cli/setup.mjs, with real private servers and all four real services.

const SETUP = fileURLToPath(new URL('../cli/setup.mjs', import.meta.url));
const PHOTO = join(
  dirname(createRequire(import.meta.url).resolve('@vladmandic/face-api/package.json')),
  'demo/sample1.jpg',
);
const NOBODY = 65534;
const hasServers = isDebianLike() || (findOnPath('nats-server') !== null && findOnPath('mariadbd') !== null);
const isRoot = process.getuid?.() === 0;
const launchers = new Set<GuardedProcess>();
const folders: string[] = [];

afterAll(() => {
  for (const launcher of launchers) launcher.kill('SIGKILL');
  for (const folder of folders) keepLauncherLogs(folder);
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});

function newFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'faceflow-launcher-'));
  folders.push(folder);
  return folder;
}

interface Launcher {
  child: GuardedProcess;
  output: () => string;
  /** Its exit code, or the signal that ended it. */
  ended: Promise<number | string>;
}

/** Guarded, so that not even a killed test run leaves a launcher behind. */
async function start(
  dataFolder: string,
  options: { env?: Record<string, string>; uid?: number } = {},
): Promise<Launcher> {
  const { PATH = '', HOME = '' } = process.env;
  const { uid } = options;
  const asUser = uid === undefined ? [] : ['setpriv', `--reuid=${uid}`, `--regid=${uid}`, '--clear-groups'];
  const [command = '', ...args] = [...asUser, process.execPath, SETUP, 'up'];
  const child = await spawnGuarded(command, args, {
    env: {
      PATH,
      HOME,
      DATA_DIR: dataFolder,
      RECEIVER_PORT: '0',
      FRONTEND_PORT: '0',
      RECOGNIZER_PORT: '0',
      RECOGNIZER_WORKERS: '1',
      ...options.env,
    },
    killAfterMs: 10_000,
  });
  launchers.add(child);
  let text = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk: Buffer) => {
      text += chunk.toString();
    });
  }
  const ended = child.ended.then(({ code, signal }) => {
    launchers.delete(child);
    return code ?? signal ?? 'unknown';
  });
  return { child, output: () => text, ended };
}

async function untilRunning(launcher: Launcher): Promise<{ api: string; page: string }> {
  const failed = launcher.ended.then((ending) => {
    throw new Error(`it ended (${ending}):\n${launcher.output()}`);
  });
  const running = expect.poll(launcher.output, { timeout: 180_000, interval: 100 }).toContain('Faceflow is running.');
  await Promise.race([failed, running]);
  failed.catch(() => {});
  const find = (label: string) => new RegExp(`${label} +(http://\\S+)`).exec(launcher.output())?.[1] ?? '';
  return { api: find('API'), page: find('Page') };
}

interface Found {
  pid: number;
  command: string;
}

/** Every living process that has the data folder in its environment: the launcher, its servers, its services, watchers. */
function processesOf(dataFolder: string): Found[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => {
      try {
        const environment = readFileSync(`/proc/${name}/environ`, 'utf8').split('\0');
        if (!environment.includes(`DATA_DIR=${dataFolder}`)) return [];
        return [{ pid: Number(name), command: readFileSync(`/proc/${name}/cmdline`, 'utf8').replaceAll('\0', ' ') }];
      } catch {
        return []; // Gone meanwhile, or somebody else's.
      }
    });
}

function findProcess(dataFolder: string, pattern: RegExp): number {
  const found = processesOf(dataFolder).filter(
    ({ command }) => pattern.test(command) && !command.startsWith('/bin/sh'),
  );
  expect(found, `exactly one process like ${pattern}`).toHaveLength(1);
  return (found[0] as Found).pid;
}

async function expectNothingLeft(dataFolder: string): Promise<void> {
  await expect.poll(() => processesOf(dataFolder), { timeout: 60_000 }).toEqual([]);
}

async function post(api: string, path: string): Promise<number> {
  const response = await fetch(`${api}/image/post`, { method: 'POST', body: JSON.stringify({ path }) });
  expect(response.status).toBe(202);
  return ((await response.json()) as { id: number }).id;
}

async function untilDone(api: string, id: number): Promise<string> {
  let status = 'pending';
  // An image that was in hand when everything died comes back when its lease of 30 s has run out.
  const ask = async () => {
    const response = await fetch(`${api}/v1/images/${id}`).catch(() => null);
    if (response?.ok) status = ((await response.json()) as { status: string }).status;
    return status;
  };
  await expect.poll(ask, { timeout: 240_000, interval: 200 }).not.toBe('pending');
  return status;
}

describe.skipIf(!isDebianLike())('packages unpacked without root', () => {
  const unpack = (cacheFolder: string, signal?: AbortSignal) =>
    unpackDebianPackages(['no-such-package|nats-server'], { cacheFolder, signal });

  test('two that download at once get the same, and an interrupted download leaves nothing', async () => {
    const cache = newFolder();
    const left = () => readdirSync(cache).flatMap((name) => readdirSync(join(cache, name)));
    const giveUp = new AbortController();
    const interrupted = expect(unpack(cache, giveUp.signal)).rejects.toThrow();
    await expect.poll(left, { interval: 5 }).not.toEqual([]);
    giveUp.abort();
    await interrupted;
    expect(left()).toEqual([]);
    const [one, other] = await Promise.all([unpack(cache), unpack(cache)]);
    expect(other).toEqual(one);
    expect(
      await checkNatsProgram({ file: join(one.root, 'usr/sbin/nats-server'), ldLibraryPath: one.ldLibraryPath }),
    ).toMatch(/^2\./);
    expect(readdirSync(dirname(one.root))).toHaveLength(1);
  });

  test('a package that does not exist is an error in words', async () => {
    const asking = unpackDebianPackages(['no-such-package'], { cacheFolder: newFolder() });
    await expect(asking).rejects.toThrow('apt knows no package no-such-package');
  });
});

describe.skipIf(!hasServers || process.platform !== 'linux')('the launcher', () => {
  test('runs everything, alone on its data, mends what dies, and leaves nothing behind', async () => {
    const folder = newFolder();
    const first = await start(folder);
    const { api, page } = await untilRunning(first);
    copyFileSync(PHOTO, join(folder, 'photos', 'known.jpg'));
    copyFileSync(PHOTO, join(folder, 'photos', 'late.jpg'));
    expect((await fetch(page)).status).toBe(200);
    expect(statSync(join(folder, 'servers.env')).mode & 0o777).toBe(0o600);
    const id = await post(api, 'known.jpg');
    expect(await untilDone(api, id)).toBe('unknown');

    const second = await start(folder);
    expect(await second.ended).toBe(1);
    expect(second.output()).toMatch(/runs on the data folder .* already: process \d+/);
    expect(second.output()).toContain(page);

    for (const [pattern, name] of [
      [/mariadbd|mysqld/, 'MariaDB|MySQL'],
      [/nats-server/, 'NATS'],
      [/dist\/processor\/main\.js/, 'processor'],
    ] as const) {
      const pid = findProcess(folder, pattern);
      process.kill(pid, 'SIGKILL');
      await expect.poll(first.output, { timeout: 120_000 }).toMatch(new RegExp(`✔ (${name}) runs again`));
      expect(findProcess(folder, pattern)).not.toBe(pid);
    }

    // One image is under way when the launcher is killed without warning.
    const late = await post(api, 'late.jpg');
    process.kill(findProcess(folder, /dist\/cli\/main\.js/), 'SIGKILL');
    await first.ended;
    const third = await start(folder);
    const again = await untilRunning(third);
    expect(await untilDone(again.api, id)).toBe('unknown');
    expect(await untilDone(again.api, late)).toBe('unknown');
    expect(await post(again.api, 'known.jpg')).toBe(id);

    third.child.kill('SIGTERM');
    expect(await third.ended).toBe(0);
    expect(third.output()).toContain('Stopped.');
    await expectNothingLeft(folder);
  }, 900_000);

  test.skipIf(!isRoot)(
    'runs as a user without a home, without servers on the PATH, and dies with its set-up',
    async () => {
      const folder = newFolder();
      chownSync(folder, NOBODY, NOBODY);
      const cache = newFolder();
      chownSync(cache, NOBODY, NOBODY);
      const launcher = await start(folder, {
        uid: NOBODY,
        env: { PATH: '/usr/bin:/bin', HOME: '/nonexistent', XDG_CACHE_HOME: cache },
      });
      const { page } = await untilRunning(launcher);
      expect((await fetch(page)).status).toBe(200);
      expect(processesOf(folder).length).toBeGreaterThan(6);
      launcher.child.kill('SIGKILL');
      await expectNothingLeft(folder);
    },
  );

  test('stops when it is asked to while it is still starting', async () => {
    const folder = newFolder();
    const launcher = await start(folder);
    await expect.poll(launcher.output, { timeout: 120_000, interval: 20 }).toContain('Database schema');
    launcher.child.kill('SIGTERM');
    expect(await launcher.ended).toBe(0);
    await expectNothingLeft(folder);
  });

  test('what cannot work is refused before anything is started', async () => {
    const folder = newFolder();
    const badPort = await start(folder, { env: { RECEIVER_PORT: 'eighty', PROCESSORS: 'many' } });
    expect(await badPort.ended).toBe(1);
    expect(badPort.output()).toMatch(/RECEIVER_PORT.*PROCESSORS/s);
    const noPhotos = await start(folder, { env: { IMAGE_ROOTS: '/no/such/folder' } });
    expect(await noPhotos.ended).toBe(1);
    expect(noPhotos.output()).toContain('IMAGE_ROOTS: there is no folder /no/such/folder');
    const noServer = await start(folder, { env: { MYSQL_URL: 'mysql://a:b@127.0.0.1:1/faceflow' } });
    expect(await noServer.ended).toBe(1);
    expect(noServer.output()).toContain('MYSQL_URL: connect ECONNREFUSED');
    await expectNothingLeft(folder);
  });
});
