#!/usr/bin/env node
// The first thing that runs after `git clone`: only Node's own modules, because nothing else is installed yet.
//
//   node cli/setup.mjs build            installs and compiles what is not up to date, then stops
//   node cli/setup.mjs test [ARGS]      …then lint, types and every test (ARGS go to vitest)
//   node cli/setup.mjs bench NAME       …then runs a benchmark
//   node cli/setup.mjs chaos [ARGS]     …then lets things go wrong under load
//   node cli/setup.mjs COMMAND [ARGS]   …then hands over to the compiled `faceflow COMMAND`
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { takeSetupLock } from './setup-lock.mjs';

const PROJECT = realpathSync(join(dirname(fileURLToPath(import.meta.url)), '..'));
const MODULES = join(PROJECT, 'node_modules');
const DIST = join(PROJECT, 'dist');
const INSTALL_STAMP = join(MODULES, '.faceflow-installed');
const BUILD_STAMP = join(DIST, '.build-stamp');
const OLDEST_NODE = [20, 19];
/** Everything that a build depends on. */
const SOURCES = ['receiver', 'processor', 'recognizer', 'frontend', 'proto', 'lib', 'sql', 'cli', 'bench'];
const SOURCE_FILES = ['package-lock.json', 'tsconfig.json', 'tsconfig.build.json'];
/** What tsc leaves behind but the compiled program reads, by folder. */
const COPIED = { sql: /\.sql$/, 'sql/users': /\.sql$/, proto: /\.proto$/ };
const VITE_CONFIG = join('frontend', 'vite.config.ts');

/** A failure that is explained by its message alone. */
class SetupError extends Error {}

/** The programs that run for us now: they end when we are told to. */
const running = new Set();

async function main([command = 'up', ...args]) {
  checkNode();
  const release = await takeSetupLock(hash([PROJECT]));
  try {
    await installPackages();
    await build();
  } finally {
    release();
  }
  if (command === 'build') return 0;
  if (command === 'test') return await runChecks(args);
  if (command === 'bench') return await handOver([join(DIST, 'bench', 'main.js'), ...args]);
  if (command === 'chaos') return await handOver([join(DIST, 'bench', 'chaos', 'main.js'), ...args]);
  return await handOver([join(DIST, 'cli', 'main.js'), command, ...args]);
}

function checkNode() {
  const [major, minor] = process.versions.node.split('.').map(Number);
  const [wantedMajor, wantedMinor] = OLDEST_NODE;
  if (major > wantedMajor || (major === wantedMajor && minor >= wantedMinor)) return;
  throw new SetupError(
    `Faceflow needs Node ${OLDEST_NODE.join('.')} or newer, and this is Node ${process.versions.node} (${process.execPath}).\n` +
      'Install a current one from https://nodejs.org, or with a version manager: nvm install --lts',
  );
}

// --- Packages -------------------------------------------------------------------------------------------------------

async function installPackages() {
  const lockfile = readFileSync(join(PROJECT, 'package-lock.json'), 'utf8');
  const wanted = hash([lockfile, process.platform, process.arch]);
  if (read(INSTALL_STAMP) === wanted) return;
  if (!isInstalledAlready(lockfile)) {
    await step('Installing packages (npm ci)', async () => {
      const npm = npmCommand();
      // Installing and compiling need the development packages, whatever NODE_ENV says.
      const flags = ['ci', '--include=dev', '--include=optional', '--no-audit', '--no-fund', '--no-progress'];
      try {
        await runQuietly(npm[0], [...npm.slice(1), ...flags]);
      } catch (error) {
        throw explainInstallFailure(error);
      }
    });
  }
  writeFileSync(INSTALL_STAMP, wanted);
}

/** By hand, with npm: its own record of what it installed, written last, names the same versions as the lockfile. */
function isInstalledAlready(lockfile) {
  const record = read(join(MODULES, '.package-lock.json'));
  if (record === null) return false;
  const installed = JSON.parse(record).packages;
  return Object.entries(JSON.parse(lockfile).packages).every(([path, { version, optional, devOptional }]) => {
    const found = installed[path];
    // An optional package may be for another platform, or may have failed to build.
    return path === '' || (found ? found.version === version : Boolean(optional || devOptional));
  });
}

/** The npm that runs us, otherwise the one on the PATH. */
function npmCommand() {
  const script = process.env.npm_execpath;
  return script && /npm-cli\.c?js$/.test(script) ? [process.execPath, script] : ['npm'];
}

function explainInstallFailure(error) {
  const text = error.message;
  const hint = /ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|ENETUNREACH|network/i.test(text)
    ? 'npm could not reach the package registry. Check the connection (and `npm config get registry`, `npm config get proxy`), then try again.'
    : /EACCES|EPERM|EROFS/.test(text)
      ? `npm may not write to ${PROJECT}. Run as the folder's owner, or clone into a folder of your own.`
      : 'npm ci failed. What it says is above.';
  return new SetupError(`${text}\n\n${hint}`);
}

// --- Build ----------------------------------------------------------------------------------------------------------

async function build() {
  const wanted = hashSources();
  if (read(BUILD_STAMP) === wanted) return;
  await step('Compiling', async () => {
    rmSync(BUILD_STAMP, { force: true });
    const steps = [runQuietly(process.execPath, [binary('typescript', 'tsc'), '-p', 'tsconfig.build.json'])];
    if (existsSync(join(PROJECT, VITE_CONFIG))) {
      steps.push(
        runQuietly(process.execPath, [binary('vite', 'vite'), 'build', '--config', VITE_CONFIG, '--logLevel', 'warn']),
      );
    }
    const failed = (await Promise.allSettled(steps)).find(({ status }) => status === 'rejected');
    if (failed) throw new SetupError(`${failed.reason.message}\n\nThe sources do not compile: see above.`);
    for (const [folder, pattern] of Object.entries(COPIED)) copyInto(folder, pattern);
    writeFileSync(BUILD_STAMP, wanted);
  });
}

/** A file that has gone from the sources must go from the copy: a forgotten migration would still be applied. */
function copyInto(folder, pattern) {
  const target = join(DIST, folder);
  mkdirSync(target, { recursive: true });
  for (const name of readdirSync(target).filter((it) => pattern.test(it))) rmSync(join(target, name));
  for (const name of readdirSync(join(PROJECT, folder)).filter((it) => pattern.test(it))) {
    copyFileSync(join(PROJECT, folder, name), join(target, name));
  }
}

function hashSources() {
  const files = [...SOURCE_FILES, ...SOURCES.flatMap(listFiles)].filter((file) => !/\.test\.tsx?$/.test(file));
  const existing = files.filter((file) => existsSync(join(PROJECT, file))).sort();
  return hash(existing.flatMap((file) => [file, readFileSync(join(PROJECT, file))]));
}

function listFiles(folder) {
  if (!existsSync(join(PROJECT, folder))) return [];
  return readdirSync(join(PROJECT, folder), { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) return entry.name === 'node_modules' ? [] : listFiles(path);
    return entry.isFile() ? [path] : [];
  });
}

/** The script behind a package's command, run with this very Node. */
function binary(packageName, command) {
  const folder = join(MODULES, packageName);
  const { bin } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
  return join(folder, typeof bin === 'string' ? bin : bin[command]);
}

// --- Handing over ---------------------------------------------------------------------------------------------------

async function runChecks(vitestArgs) {
  const checks = [
    ['Lint', binary('@biomejs/biome', 'biome'), ['ci', '--error-on-warnings', '.']],
    ['Types', binary('typescript', 'tsc'), ['--noEmit']],
    ['Types of the page', binary('typescript', 'tsc'), ['--noEmit', '-p', 'frontend/web']],
    ['Tests', binary('vitest', 'vitest'), ['run', ...vitestArgs]],
  ];
  for (const [name, script, args] of checks) {
    process.stdout.write(`\n${name}\n`);
    const code = await handOver([script, ...args]);
    if (code !== 0) return code;
  }
  return 0;
}

/**
 * Runs Node with the terminal as it is, passes signals on, and returns its exit code. The channel between the two
 * closes when this process dies, even from SIGKILL, and tells the other to stop.
 */
async function handOver(args) {
  const child = spawn(process.execPath, args, { cwd: PROJECT, stdio: ['inherit', 'inherit', 'inherit', 'ipc'] });
  running.add(child);
  const orphaned = process.env.npm_lifecycle_event ? watchNpm(() => child.kill('SIGTERM')) : undefined;
  const [code, signal] = await new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (...ending) => resolve(ending));
  });
  clearInterval(orphaned);
  running.delete(child);
  if (signal === null) return code;
  // As a shell would report it.
  return 128 + ({ SIGHUP: 1, SIGINT: 2, SIGQUIT: 3, SIGKILL: 9, SIGTERM: 15 }[signal] ?? 0);
}

/** Under `npm start` npm is what was started and what gets killed, and it cannot tell us when it dies from SIGKILL. */
function watchNpm(onGone) {
  const before = npmAbove();
  return setInterval(() => {
    if (npmAbove() !== before) onGone();
  }, 500);
}

/** The process that started us: our parent, or, where that is the shell that npm runs scripts with, the shell's parent. */
function npmAbove() {
  const [, name, parent] = /^\d+ \((.*)\) \S (\d+)/s.exec(read(`/proc/${process.ppid}/stat`) ?? '') ?? [];
  return name?.endsWith('sh') ? Number(parent) : process.ppid;
}

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
  process.on(signal, () => {
    for (const child of running) child.kill(signal);
    if (running.size === 0) process.exit(1);
  });
}

// --- Small things ---------------------------------------------------------------------------------------------------

/** Runs a program, shows nothing, and throws all that it printed when it fails. */
function runQuietly(command, args) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd: PROJECT, stdio: ['ignore', 'pipe', 'pipe'] });
    running.add(child);
    let output = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text) => {
        output += text;
      });
    }
    child.once('error', (error) => {
      running.delete(child);
      reject(new SetupError(`${command} could not be started: ${error.message}`));
    });
    child.once('close', (code, signal) => {
      running.delete(child);
      if (code === 0) resolve();
      else reject(new SetupError(output.trim() || `${command} ended with ${signal ?? `exit code ${code}`}`));
    });
  });
}

async function step(title, work) {
  const { stdout } = process;
  const begun = Date.now();
  stdout.write(stdout.isTTY ? `◌ ${title} …` : `${title} …\n`);
  try {
    await work();
  } catch (error) {
    if (stdout.isTTY) stdout.write(`\r✖ ${title}  \n`);
    throw error;
  }
  const seconds = ((Date.now() - begun) / 1000).toFixed(1);
  stdout.write(`${stdout.isTTY ? '\r' : ''}✔ ${title} (${seconds} s)\n`);
}

function hash(parts) {
  const sum = createHash('sha256');
  for (const part of parts) sum.update(part).update('\0');
  return sum.digest('hex');
}

/** Null when there is no such file. */
function read(file) {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    if (error.code === 'ENOENT') return null;
    throw error;
  }
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  if (!(error instanceof SetupError)) throw error;
  process.stderr.write(`\n${error.message}\n`);
  process.exitCode = 1;
}
