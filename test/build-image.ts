import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { copyFile, link, mkdir, readdir, readFile, realpath, rename, stat, symlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const PROJECT = fileURLToPath(new URL('..', import.meta.url));

export interface Image {
  /** What would be /app in a container. */
  readonly folder: string;
  readonly environment: Record<string, string>;
  readonly labels: Record<string, string>;
  readonly user: string;
  readonly command: string[];
  readonly healthCheck: string[];
}

interface Step {
  readonly word: string;
  readonly rest: string;
}

/** The two steps that need a registry. Their packages are those of the lockfile, as npm installed them in this project. */
const INSTALLS = new Map([
  ['npm ci --no-audit --no-fund', { dev: true }],
  ['npm ci --omit=dev --no-audit --no-fund', { dev: false }],
]);

/**
 * Does what deploy/Dockerfile says, without a container engine: each stage in a folder of its own, which sees of the
 * project what .dockerignore lets through; the commands run here. Anything that it does not know is an error.
 *
 * @param folder empty; it gets a folder for each stage
 * @throws what a command prints when it fails
 */
export async function buildImage(folder: string): Promise<Image> {
  const stages = parseDockerfile(await readFile(join(PROJECT, 'deploy/Dockerfile'), 'utf8'));
  const last = stages.at(-1);
  if (last === undefined) throw new Error('deploy/Dockerfile has no stage');
  // As BuildKit does.
  await Promise.all(stages.slice(0, -1).map((stage) => runStage(folder, stage.name, stage.steps)));
  await runStage(folder, last.name, last.steps);
  const settings = last.steps.filter(({ word }) => word === 'ENV' || word === 'LABEL');
  const all = (wanted: string) =>
    Object.fromEntries(settings.filter(({ word }) => word === wanted).flatMap(({ rest }) => parsePairs(rest)));
  const one = (wanted: string) => last.steps.find(({ word }) => word === wanted)?.rest ?? '';
  return {
    folder: join(folder, last.name),
    environment: all('ENV'),
    labels: all('LABEL'),
    user: one('USER'),
    command: JSON.parse(one('CMD')) as string[],
    healthCheck: JSON.parse(one('HEALTHCHECK').replace(/^.*?CMD /, '')) as string[],
  };
}

function parseDockerfile(text: string): { name: string; steps: Step[] }[] {
  const lines = text
    .replace(/^#.*\n/gm, '')
    .replace(/\\\n/g, ' ')
    .split('\n')
    .filter((line) => line.trim() !== '');
  const stages: { name: string; steps: Step[] }[] = [];
  for (const line of lines) {
    const [, word = '', rest = ''] = /^(\w+) +(.*)$/.exec(line) ?? [];
    if (word === 'FROM') stages.push({ name: / AS (\w+)$/.exec(rest)?.[1] ?? 'image', steps: [] });
    else stages.at(-1)?.steps.push({ word, rest: rest.trim() });
  }
  return stages;
}

/** `A=1 B="two words"` */
function parsePairs(text: string): [string, string][] {
  return [...text.matchAll(/([\w.]+)=(?:"([^"]*)"|(\S+))/g)].map(([, key = '', quoted, bare]) => [
    key,
    quoted ?? bare ?? '',
  ]);
}

async function runStage(root: string, name: string, steps: readonly Step[]): Promise<void> {
  const folder = join(root, name);
  await mkdir(folder, { recursive: true });
  for (const { word, rest } of steps) {
    if (word === 'COPY') await copyStep(root, folder, rest);
    else if (word === 'RUN') await runStep(folder, rest.replace(/^(--\S+ +)+/, ''));
    else if (word === 'WORKDIR' ? rest !== '/app' : !/^(ARG|ENV|LABEL|USER|EXPOSE|HEALTHCHECK|CMD)$/.test(word))
      throw new Error(`This test does not know the step ${word} ${rest}: teach it.`);
  }
}

async function runStep(folder: string, command: string): Promise<void> {
  const install = INSTALLS.get(command);
  if (install?.dev) return symlink(await realpath(join(PROJECT, 'node_modules')), join(folder, 'node_modules'));
  if (install) return linkProductionPackages(folder);
  await promisify(execFile)('sh', ['-c', command], { cwd: folder, maxBuffer: 16 * 1024 * 1024 });
}

async function copyStep(root: string, folder: string, text: string): Promise<void> {
  const [, stage] = /--from=(\w+)/.exec(text) ?? [];
  const [target = '', ...sources] = text
    .split(/ +/)
    .filter((word) => !word.startsWith('--'))
    .reverse();
  for (const source of sources) {
    // A folder's contents go into the target; several files go below it.
    const into = sources.length > 1 ? join(target, source) : target;
    const to = join(folder, into);
    await mkdir(dirname(to), { recursive: true });
    if (stage === undefined) await copyVisible(source, to);
    // Nobody needs that stage any more: its files are moved, which is quicker.
    else await rename(join(root, stage, source.replace(/^\/app\//, '')), to);
  }
}

/** What .dockerignore lets through of a file or folder of the project. */
async function copyVisible(source: string, to: string): Promise<void> {
  const isVisible = await readDockerignore();
  const from = join(PROJECT, source);
  const walk = async (path: string): Promise<void> => {
    // Too large to look at; visible they are not (see the test).
    if (/^(node_modules|\.git|dist|data)$/.test(path)) return;
    const entries = await readdir(join(PROJECT, path), { withFileTypes: true });
    for (const entry of entries) {
      const inner = join(path, entry.name);
      if (entry.isDirectory()) await walk(inner);
      else if (isVisible(inner)) {
        const file = join(to, source === '.' ? inner : inner.slice(source.length + 1));
        await mkdir(dirname(file), { recursive: true });
        await copyFile(join(PROJECT, inner), file);
      }
    }
  };
  if ((await stat(from)).isDirectory()) await walk(source);
  else if (isVisible(source)) await copyFile(from, to);
  else throw new Error(`.dockerignore hides ${source}`);
}

/** Says of a path of the project whether the build sees it: the last pattern that fits it, or a folder above it, decides. */
export async function readDockerignore(): Promise<(path: string) => boolean> {
  const text = await readFile(join(PROJECT, 'deploy/Dockerfile.dockerignore'), 'utf8');
  const rules = text
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map((line) => {
      const pattern = line.replace(/^!/, '').replace(/[.+]/g, '\\$&');
      const source = pattern.replace(/\*\*\/|\*/g, (stars) => (stars === '*' ? '[^/]*' : '(?:.*/)?'));
      return { visible: line.startsWith('!'), expression: new RegExp(`^${source}(?:/|$)`) };
    });
  return (path) => rules.findLast(({ expression }) => expression.test(path))?.visible ?? true;
}

/**
 * `npm ci --omit=dev` by the lockfile's own marks (the same files as npm's, but for its record of them); files are linked,
 * as nothing changes them.
 */
async function linkProductionPackages(folder: string): Promise<void> {
  const { packages } = JSON.parse(await readFile(join(PROJECT, 'package-lock.json'), 'utf8')) as {
    packages: Record<string, { dev?: boolean; devOptional?: boolean }>;
  };
  for (const [path, { dev, devOptional }] of Object.entries(packages)) {
    // What is for other platforms is in the lockfile only.
    if (path !== '' && !dev && !devOptional && existsSync(join(PROJECT, path)))
      await linkFiles(join(PROJECT, path), join(folder, path));
  }
}

async function linkFiles(from: string, to: string, isPackage = true): Promise<void> {
  await mkdir(to, { recursive: true });
  for (const entry of await readdir(from, { withFileTypes: true })) {
    const [source, target] = [join(from, entry.name), join(to, entry.name)];
    // Packages within a package stand in the lockfile themselves.
    if (entry.isDirectory() && !(isPackage && entry.name === 'node_modules')) await linkFiles(source, target, false);
    // Another disk knows no links to this one.
    else if (entry.isFile()) await link(source, target).catch(() => copyFile(source, target));
  }
}
