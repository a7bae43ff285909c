import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, expect, test } from 'vitest';

// The set-up step on a project as small as can be, whose packages come from this project's folder: real npm, real tsc,
// no network.

const PROJECT = fileURLToPath(new URL('..', import.meta.url));
const folders: string[] = [];

afterAll(() => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});

/** Says what it was given, then waits to be told to stop. */
const MAIN = `
const args: string[] = process.argv.slice(2);
console.log('main', args.join(' '));
if (args.includes('wait')) {
  setInterval(() => {}, 1000);
  process.on('SIGTERM', () => process.exit(42));
  process.on('disconnect', () => process.exit(43));
  console.log('pid', process.pid);
} else process.exit(Number(args[1] ?? 0));
`;

function makeProject(): string {
  const folder = mkdtempSync(join(tmpdir(), 'faceflow-setup-'));
  folders.push(folder);
  for (const name of ['cli', 'sql/users', 'proto']) mkdirSync(join(folder, name), { recursive: true });
  for (const name of ['setup.mjs', 'setup-lock.mjs'])
    copyFileSync(join(PROJECT, 'cli', name), join(folder, 'cli', name));
  const write = (name: string, content: string | object) =>
    writeFileSync(join(folder, name), typeof content === 'string' ? content : JSON.stringify(content));
  write('cli/main.ts', MAIN);
  write('sql/0001_a.sql', 'SELECT 1;');
  write('sql/users/a.sql', 'GRANT SELECT ON a TO a;');
  write('proto/face.proto', 'syntax = "proto3";');
  const compilerOptions = {
    target: 'ES2023',
    module: 'NodeNext',
    rootDir: '.',
    outDir: 'dist',
    types: ['node'],
    noEmitOnError: true,
  };
  write('tsconfig.build.json', { compilerOptions, include: ['cli'] });
  const devDependencies = Object.fromEntries(
    ['typescript', '@types/node'].map((name) => [name, `file:${join(PROJECT, 'node_modules', name)}`]),
  );
  write('package.json', { name: 'tiny', version: '1.0.0', type: 'module', devDependencies });
  execFileSync('npm', ['install', '--package-lock-only', '--offline', '--no-audit'], { cwd: folder, stdio: 'pipe' });
  return folder;
}

interface Ran {
  code: number | null;
  stdout: string;
  stderr: string;
}

async function setUp(folder: string, args: string[], options: { env?: object; node?: string[] } = {}): Promise<Ran> {
  const child = spawn(process.execPath, [...(options.node ?? []), join(folder, 'cli/setup.mjs'), ...args], {
    env: { ...process.env, npm_config_offline: 'true', ...options.env },
  });
  const ran: Ran = { code: null, stdout: '', stderr: '' };
  child.stdout.on('data', (chunk) => (ran.stdout += chunk));
  child.stderr.on('data', (chunk) => (ran.stderr += chunk));
  [ran.code] = await once(child, 'close');
  return ran;
}

test('installs and compiles what is not up to date, and nothing else', async () => {
  const folder = makeProject();
  const first = await setUp(folder, ['build']);
  expect(first).toMatchObject({ code: 0, stderr: '' });
  expect(first.stdout).toMatch(/✔ Installing packages.*✔ Compiling/s);
  expect(existsSync(join(folder, 'dist/sql/users/a.sql'))).toBe(true);
  expect(existsSync(join(folder, 'dist/sql/0001_a.sql')) && existsSync(join(folder, 'dist/proto/face.proto'))).toBe(
    true,
  );
  expect(await setUp(folder, ['build'])).toEqual({ code: 0, stdout: '', stderr: '' });

  writeFileSync(join(folder, 'sql/0002_b.sql'), 'SELECT 2;');
  rmSync(join(folder, 'sql/0001_a.sql'));
  const changed = await setUp(folder, ['build']);
  expect(changed.stdout).toContain('✔ Compiling');
  expect(changed.stdout).not.toContain('Installing');
  expect(existsSync(join(folder, 'dist/sql/0002_b.sql'))).toBe(true);
  expect(existsSync(join(folder, 'dist/sql/0001_a.sql'))).toBe(false);

  // What is left of an npm ci that was killed: packages, but not npm's own record of them.
  rmSync(join(folder, 'node_modules/.faceflow-installed'));
  rmSync(join(folder, 'node_modules/.package-lock.json'), { force: true });
  expect((await setUp(folder, ['build'])).stdout).toContain('✔ Installing packages');
});

test('what does not compile is shown and tried again', async () => {
  const folder = makeProject();
  writeFileSync(join(folder, 'cli/main.ts'), 'const wrong: number = "text";\n');
  for (const _ of [1, 2]) {
    const failed = await setUp(folder, ['up']);
    expect(failed.code).toBe(1);
    expect(failed.stderr).toContain("Type 'string' is not assignable to type 'number'");
    expect(failed.stderr).not.toMatch(/at .*setup\.mjs/);
  }
});

test('two at once: one does the work, the other waits for it', async () => {
  const folder = makeProject();
  const both = await Promise.all([setUp(folder, ['build']), setUp(folder, ['build'])]);
  expect(both.map(({ code }) => code)).toEqual([0, 0]);
  const outputs = both.map(({ stdout }) => stdout).sort((a, b) => a.length - b.length);
  expect(outputs[0]).toBe('Another set-up of this folder is under way: waiting for it …\n');
  expect(outputs[1]).toContain('✔ Compiling');
});

test('hands arguments over, and exit code and signals back', async () => {
  const folder = makeProject();
  expect(await setUp(folder, ['build'])).toMatchObject({ code: 0 });
  const ran = await setUp(folder, ['up', '7', '--exit', 'a b']);
  expect(ran).toMatchObject({ code: 7, stdout: 'main up 7 --exit a b\n' });

  const start = async () => {
    const child = spawn(process.execPath, [join(folder, 'cli/setup.mjs'), 'wait'], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let text = '';
    child.stdout.on('data', (chunk) => (text += chunk));
    await expect.poll(() => text, { timeout: 60_000 }).toMatch(/pid \d+/);
    return { child, pid: Number(/pid (\d+)/.exec(text)?.[1]) };
  };
  const asked = await start();
  asked.child.kill('SIGTERM');
  expect(await once(asked.child, 'exit')).toEqual([42, null]);
  const killed = await start();
  killed.child.kill('SIGKILL');
  await once(killed.child, 'exit');
  await expect.poll(() => stateOf(killed.pid), { timeout: 60_000 }).toMatch(/^Z?$/);
});

/** As ps has it: `Z` for a zombie that nobody has collected yet, empty when it is gone. */
function stateOf(pid: number): string {
  try {
    return execFileSync('ps', ['-o', 'stat=', '-p', String(pid)], { encoding: 'utf8' })
      .trim()
      .slice(0, 1);
  } catch {
    return '';
  }
}

test('a registry out of reach is told in a sentence', async () => {
  const folder = makeProject();
  const lockfile = JSON.parse(readFileSync(join(folder, 'package-lock.json'), 'utf8'));
  const manifest = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
  manifest.dependencies = { 'is-number': '7.0.0' };
  lockfile.packages[''].dependencies = manifest.dependencies;
  lockfile.packages['node_modules/is-number'] = {
    version: '7.0.0',
    resolved: 'http://127.0.0.1:1/is-number-7.0.0.tgz',
  };
  writeFileSync(join(folder, 'package.json'), JSON.stringify(manifest));
  writeFileSync(join(folder, 'package-lock.json'), JSON.stringify(lockfile));
  const env = {
    npm_config_offline: 'false',
    npm_config_registry: 'http://127.0.0.1:1/',
    npm_config_fetch_retries: '0',
    npm_config_cache: join(folder, 'npm-cache'),
  };
  const failed = await setUp(folder, ['build'], { env });
  expect(failed.code).toBe(1);
  expect(failed.stderr).toMatch(/ECONNREFUSED.*could not reach the package registry/s);
});

test('an old Node is told in a sentence', async () => {
  const older = "data:text/javascript,Object.defineProperty(process.versions,'node',{value:'18.20.4'})";
  const ran = await setUp(makeProject(), ['build'], { node: ['--import', older] });
  expect(ran.code).toBe(1);
  expect(ran.stderr).toContain('Faceflow needs Node 20.19 or newer, and this is Node 18.20.4');
});
