import { execFile } from 'node:child_process';
import { copyFile, mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { chooseFreePort } from '../cli/free-port.ts';
import { type GuardedProcess, spawnGuarded } from '../cli/guarded-process.ts';
import type { BoundingBox } from '../lib/images.ts';
import { keepLauncherLogs } from './kept-logs.ts';
import { cropFace, samplePhoto } from './sample-photos.ts';
import { waitFor } from './wait-for.ts';

interface ListedImage {
  readonly width: number;
  readonly height: number;
  readonly faces: readonly { readonly box: BoundingBox }[];
}

const PROJECT = fileURLToPath(new URL('..', import.meta.url));

let folder: string;
let env: NodeJS.ProcessEnv;
let blocks: string[];
const running: GuardedProcess[] = [];

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'faceflow-readme-'));
  await Promise.all(['Pictures', 'known_people'].map((name) => mkdir(join(folder, name))));
  for (const name of ['unknown.jpg', 'a.jpg', 'b.jpg']) await copyFile(samplePhoto(2), join(folder, 'Pictures', name));
  await copyFile(samplePhoto(2), join(folder, 'known_people', 'ada_1.jpg'));
  const ports = { RECEIVER_PORT: String(await chooseFreePort()), FRONTEND_PORT: '0', RECOGNIZER_PORT: '0' };
  const { PATH, XDG_CACHE_HOME = join(homedir(), '.cache') } = process.env;
  env = { PATH, XDG_CACHE_HOME, HOME: folder, DATA_DIR: join(folder, 'data'), ...ports };
  const text = `${await readFile(join(PROJECT, 'README.md'), 'utf8')}\n${await readFile(join(PROJECT, 'docs/api.md'), 'utf8')}`;
  blocks = [...text.matchAll(/^```sh\n(.*?)^```$/gms)].map(([, block = '']) =>
    block
      .replaceAll('127.0.0.1:8000', `127.0.0.1:${ports.RECEIVER_PORT}`)
      .replaceAll('data/servers.env', join(folder, 'data/servers.env')),
  );
});

afterAll(async () => {
  await Promise.all(running.reverse().map((child) => child.stop('SIGTERM', 30_000)));
  keepLauncherLogs(join(folder, 'data'));
  await rm(folder, { recursive: true });
});

/** The block of commands that holds a word. */
function blockWith(word: string): string {
  const found = blocks.find((block) => block.includes(word));
  if (found === undefined) throw new Error(`no block with ${word} in README.md`);
  return found;
}

async function startBlock(block: string) {
  const child = await spawnGuarded('bash', ['-c', `exec 2>&1; ${block}`], { cwd: PROJECT, env, killAfterMs: 10_000 });
  running.push(child);
  let output = '';
  child.stdout.on('data', (chunk) => {
    output += chunk;
  });
  return () => output;
}

async function runBlock(block: string): Promise<string> {
  return (await promisify(execFile)('bash', ['-ec', block], { cwd: PROJECT, env })).stdout;
}

test('the two commands are what CI runs', async () => {
  const ci = await readFile(join(PROJECT, '.ci/run'), 'utf8');
  const commands = [...blockWith('npm run demo').matchAll(/^(npm [^#\n]*?)\s*(?:#.*)?$/gm)].map(
    ([, command]) => command,
  );
  expect(commands).toEqual(['npm run demo', 'npm test']);
  for (const command of commands) expect(ci).toContain(command);
});

test('what it says about your own photos works as written', async () => {
  const output = await startBlock(blockWith('npm start'));
  await waitFor('npm start', () => output().includes('Faceflow is running.'), 200_000);
  const posted = await runBlock(blockWith('/images/post'));
  expect(posted).toContain('"path":"unknown.jpg","status":"pending"');
  await waitFor('a name', async () => {
    const listed = await runBlock(blockWith('/images/post'));
    return (listed.match(/"status":"matched","person":\{"id":1,"name":"Ada"\}/g) ?? []).length === 3;
  });
  for (const block of blocks.filter((one) => one.startsWith('curl')))
    expect(await runBlock(block)).not.toContain('"error"');
});

test('faceflow people enrols a folder', async () => {
  await mkdir(join(folder, 'Pictures', 'bo'));
  const FACEFLOW_URL = `http://127.0.0.1:${env.RECEIVER_PORT}`;
  const { images } = (await (await fetch(`${FACEFLOW_URL}/v1/images`)).json()) as { images: ListedImage[] };
  const [image] = images;
  const box = image?.faces[2]?.box;
  if (image === undefined || box === undefined) throw new Error('a third face');
  await (await cropFace(samplePhoto(2), image, box)).toFile(join(folder, 'Pictures', 'bo', '1.jpg'));
  const command = 'npx faceflow people add Ada ~/Pictures/ada';
  expect(await readFile(join(PROJECT, 'README.md'), 'utf8')).toContain(command);
  const run = promisify(execFile)('bash', ['-ec', command.replace('Ada', 'Bo').replace('/ada', '/bo')], {
    cwd: PROJECT,
    env: { ...env, FACEFLOW_URL },
  });
  expect((await run).stdout).toMatch(/1 .*enrolled/);
});

test('one more processor is started as it says', async () => {
  const output = await startBlock(blockWith('servers.env'));
  await waitFor('the processor', () => output().includes('pulling images'));
});

test('every file that it leads to exists', async () => {
  const text = await readFile(join(PROJECT, 'README.md'), 'utf8');
  const links = [...text.matchAll(/\]\((?!http)([^)#]+)/g)].map(([, link = '']) => link);
  expect(links.length).toBeGreaterThan(5);
  for (const link of links) await expect(promisify(execFile)('ls', [join(PROJECT, link)])).resolves.toBeDefined();
});
