import { execFile } from 'node:child_process';
import { chmod, chown, copyFile, mkdir, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { chooseFreePort } from '../cli/free-port.ts';
import { type GuardedProcess, spawnGuarded } from '../cli/guarded-process.ts';
import { buildImage, type Image, readDockerignore } from './build-image.ts';
import { keepLog } from './kept-logs.ts';
import { samplePhoto } from './sample-photos.ts';
import { createDatabase, createStreamName, natsUrl, type TestDatabase } from './servers.ts';
import { waitFor } from './wait-for.ts';

// No container engine can be had everywhere: deploy/Dockerfile is followed here, and every service is run from the files
// that the image would hold, and from nothing else; as another user than theirs where this one may become another.

const { version } = JSON.parse(await readFile(new URL('../package.json', import.meta.url), 'utf8')) as {
  version: string;
};
const mayBecomeAnother = process.getuid?.() === 0;

let folder: string;
let image: Image;
let database: TestDatabase;
const running: GuardedProcess[] = [];

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'faceflow-image-'));
  await chmod(folder, 0o755);
  [image, database] = await Promise.all([buildImage(folder), createDatabase({ migrated: false })]);
});

afterAll(async () => {
  await Promise.all(running.map((service) => service.stop('SIGTERM', 30_000)));
  await database?.drop();
  await rm(folder, { recursive: true, force: true });
});

/** In the image's folder, with the image's environment, as the image's user. */
function inImage(command: readonly string[], env: Record<string, string>) {
  const [uid = '', gid = ''] = image.user.split(':');
  const become = mayBecomeAnother
    ? ['setpriv', `--reuid=${uid}`, `--regid=${gid}`, '--clear-groups', '--no-new-privs', '--bounding-set=-all']
    : [];
  const [program = '', ...args] = [...become, ...command];
  const { PATH = '' } = process.env;
  // Of all that a container may write there is /tmp only.
  const environment = { PATH, HOME: '/nonexistent', TMPDIR: join(folder, 'tmp'), ...image.environment, ...env };
  return { program, args, options: { cwd: image.folder, env: environment } };
}

async function run(command: readonly string[], env: Record<string, string> = {}): Promise<string> {
  const { program, args, options } = inImage(command, env);
  return (await promisify(execFile)(program, args, options)).stdout;
}

async function start(name: string, env: Record<string, string>): Promise<void> {
  const { program, args, options } = inImage(['node', `dist/${name}/main.js`], env);
  const service = await spawnGuarded(program, args, { ...options, killAfterMs: 5_000 });
  running.push(service);
  const keep = keepLog(name, env);
  let printed = '';
  for (const stream of [service.stdout, service.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      printed += text;
      text.split('\n').forEach(keep);
    });
  }
  let ended = false;
  void service.ended.then(() => {
    ended = true;
  });
  // The image's own health check, told which of the services is meant.
  await waitFor(
    `${name} to be healthy`,
    async () => {
      if (ended) throw new Error(`${name} has ended:\n${printed}`);
      return run([...image.healthCheck, name], env).then(
        () => true,
        () => false,
      );
    },
    200_000,
  );
}

test('the build sees no secrets, data, photos or tests', async () => {
  const isVisible = await readDockerignore();
  const hidden = ['.env', 'receiver/.env', 'data/servers.env', 'deploy/.env', 'deploy/photos/a.jpg', '.git/config'];
  const others = [
    'node_modules/x/index.js',
    'lib/node_modules/x.js',
    'lib/env.test.ts',
    'test/image.test.ts',
    'bench/x.ts',
  ];
  expect([...hidden, ...others].filter(isVisible)).toEqual([]);
  expect(
    ['package.json', '.npmrc', 'lib/env.ts', 'sql/users/receiver.sql', 'frontend/web/main.tsx'].every(isVisible),
  ).toBe(true);
});

describe('the image', () => {
  test('holds what production needs, for this platform alone', async () => {
    const files = await readdir(image.folder, { recursive: true });
    const packages = await readdir(join(image.folder, 'node_modules'));
    expect((await readdir(image.folder)).sort()).toEqual(['deploy', 'dist', 'node_modules', 'package.json']);
    expect((await readdir(join(image.folder, 'dist'))).sort()).toEqual(
      ['cli', 'frontend', 'lib', 'processor', 'proto', 'receiver', 'recognizer', 'sql']
        .sort()
        .concat('.build-stamp')
        .sort(),
    );
    expect(packages.filter((name) => /^(vitest|typescript|vite|react|@biomejs|@install-binary)$/.test(name))).toEqual(
      [],
    );
    expect(files.filter((file) => /(^|\/)\.env$|^dist\/.*\.test\.js$/.test(file))).toEqual([]);
    expect(files.filter((file) => file.startsWith('node_modules/') && file.endsWith('.map'))).toEqual([]);
    const binaries = files.filter((file) => /\.(node|so(\.\d+)*|dylib|dll)$/.test(file));
    const systems = ['darwin', 'linux', 'win32', 'android'].filter((name) => name !== process.platform);
    const architectures = ['x64', 'arm64', 'ia32', 'arm'].filter((name) => name !== process.arch);
    const foreign = new RegExp(`[/-](${[...systems, ...architectures].join('|')})[/.-]`);
    expect(binaries.length).toBeGreaterThan(3);
    expect(binaries.filter((file) => foreign.test(file))).toEqual([]);
  });

  test('says what it is, does not run as root, and starts something', () => {
    expect(image.labels).toMatchObject({
      'org.opencontainers.image.title': 'Faceflow',
      'org.opencontainers.image.licenses': 'MIT',
    });
    expect(Object.keys(image.labels)).toEqual(
      expect.arrayContaining(
        ['version', 'revision', 'created', 'base.name'].map((key) => `org.opencontainers.image.${key}`),
      ),
    );
    expect(image.user).toMatch(/^[1-9]\d*:[1-9]\d*$/);
    expect(image.command).toEqual(['node', 'dist/receiver/main.js']);
    expect(image.environment).toMatchObject({ NODE_ENV: 'production', HOST: '0.0.0.0' });
  });

  test('runs every service: a photo goes all the way', { timeout: 480_000 }, async () => {
    const photos = join(folder, 'photos');
    const ports = await Promise.all([1, 2, 3, 4].map(() => chooseFreePort()));
    const [receiver, processor, recognizer, frontend] = ports.map(String) as [string, string, string, string];
    for (const name of ['photos', 'known', 'tmp']) await mkdir(join(folder, name));
    await copyFile(samplePhoto(4), join(photos, 'a.jpg'));
    if (mayBecomeAnother) await chown(join(folder, 'tmp'), 1000, 1000);
    const IMAGES_STREAM = createStreamName();
    const queue = {
      NATS_URL: natsUrl(),
      IMAGES_STREAM,
      IMAGES_CONSUMER: 'processor',
      EVENTS_STREAM: createStreamName(),
    };
    const env = {
      ...{ HOST: '127.0.0.1', MYSQL_URL: database.url, IMAGE_ROOTS: photos, KNOWN_PEOPLE: join(folder, 'known') },
      ...{ RECEIVER_PORT: receiver, PROCESSOR_PORT: processor, RECOGNIZER_PORT: recognizer, FRONTEND_PORT: frontend },
      ...{ RECOGNIZER_ADDRESS: `127.0.0.1:${recognizer}`, RECEIVER_URL: `http://127.0.0.1:${receiver}` },
      ...{ RECOGNIZER_WORKERS: '1', ...queue },
    };

    await run(['node', 'dist/sql/main.js'], env);
    expect(await run(['node', 'dist/sql/main.js', 'wait'], env)).toBe('');
    expect(await run(['node', 'dist/cli/main.js', '--version'])).toContain(version);
    await Promise.all(['receiver', 'processor', 'recognizer', 'frontend'].map((name) => start(name, env)));

    const page = `http://127.0.0.1:${frontend}`;
    expect(await (await fetch(page)).text()).toContain('<div id="');
    const post = { method: 'POST', body: JSON.stringify({ path: 'a.jpg' }) };
    expect((await fetch(`${page}/image/post`, post)).status).toBe(202);
    await waitFor(
      'the photo to be looked at',
      async () => {
        const { images } = (await (await fetch(`${page}/v1/images`)).json()) as { images: { status: string }[] };
        return images[0]?.status === 'unknown';
      },
      60_000,
    );
  });

  test.skipIf(!mayBecomeAnother)('can be changed by none of its services', async () => {
    for (const path of ['x', 'dist/x', 'node_modules/x', 'package.json'])
      await expect(run(['sh', '-c', `: > ${path}`])).rejects.toThrow(/Permission denied/);
  });
});
