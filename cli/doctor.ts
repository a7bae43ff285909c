import { access, constants, statfs } from 'node:fs/promises';
import { connect } from 'node:net';
import { arch, platform } from 'node:os';
import { dirname, join } from 'node:path';
import { openDatabase, type Row } from '../lib/database.ts';
import { messageOf } from '../lib/errors.ts';
import type { KeptTls } from '../lib/tls-files.ts';
import { chooseCacheFolder } from './cache-folder.ts';
import { formatColumns, print } from './client/print.ts';
import { openDatabaseTls } from './database-tls.ts';
import { isPortFree } from './free-port.ts';
import { type LaunchSettings, loadLaunchSettings, PORT_KEYS, readDotEnv } from './launch-settings.ts';
import { findPrograms } from './servers/find-server-programs.ts';

/** bad: it will not work. worth knowing: it will, but perhaps not as expected. */
interface Finding {
  readonly what: string;
  readonly state: 'good' | 'worth knowing' | 'bad';
  /** What was found, and where it is not good, what to do. */
  readonly message: string;
}

const MIN_NODE = [20, 19] as const;
const LOW_DISK_BYTES = 2 * 1024 ** 3;
const MARKS = { good: '✔', 'worth knowing': '!', bad: '✖' };

/** `faceflow doctor`: looks at everything that `faceflow up` needs. @returns 1 when something is bad */
export async function doctor({ json }: { json?: boolean }): Promise<number> {
  readDotEnv();
  const settings = await loadLaunchSettings(process.env);
  const findings = (
    await Promise.all([
      checkNode(),
      checkServers(settings),
      checkFolders(settings),
      checkDisk(settings),
      checkEngine(),
      checkPorts(settings),
    ])
  ).flat();
  const rows = findings.map(({ what, state, message }) => [MARKS[state], what, message]);
  print(json, { findings }, formatColumns(['', 'what', 'found'], rows));
  return findings.some(({ state }) => state === 'bad') ? 1 : 0;
}

const good = (what: string, message: string): Finding => ({ what, state: 'good', message });
const bad = (what: string, message: string): Finding => ({ what, state: 'bad', message });

async function checkNode(): Promise<Finding> {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  const isNew = major > MIN_NODE[0] || (major === MIN_NODE[0] && minor >= MIN_NODE[1]);
  const found = `Node ${process.versions.node} on ${platform()} ${arch()}`;
  return isNew ? good('Node', found) : bad('Node', `${found}: install ${MIN_NODE.join('.')} or newer from nodejs.org`);
}

async function checkServers(settings: LaunchSettings): Promise<Finding[]> {
  const { mysqlUrl, natsUrl, dataFolder } = settings;
  const findings = mysqlUrl === undefined ? [] : [await checkDatabase(mysqlUrl, await openDatabaseTls(settings))];
  try {
    const { database, nats } = await findPrograms({
      ...{ needDatabase: mysqlUrl === undefined, needNats: natsUrl === undefined },
      ...{ databaseFolder: join(dataFolder, 'database'), report: () => {} },
      cacheFolder: chooseCacheFolder(process.env, process.cwd(), dataFolder),
    });
    if (database) findings.push(good('database', database.description));
    if (nats) findings.push(good('NATS', nats.description));
  } catch (error) {
    findings.push(bad('servers', messageOf(error)));
  }
  if (natsUrl !== undefined) findings.push(await checkNats(natsUrl));
  return findings;
}

async function checkDatabase(url: string, tls: KeptTls | null): Promise<Finding> {
  const db = openDatabase(url, { connections: 1, tls });
  try {
    const [rows] = await db.query<Row[]>('SELECT VERSION() AS version');
    return good('database', `MYSQL_URL: ${rows[0]?.version}`);
  } catch (error) {
    return bad('database', `MYSQL_URL cannot be reached: ${messageOf(error)}`);
  } finally {
    await db.close();
  }
}

/** A NATS server says who it is to whoever connects. */
async function checkNats(url: string): Promise<Finding> {
  const [first = ''] = url.split(',');
  const { hostname, port } = new URL(first);
  try {
    const { version } = JSON.parse((await readFirstLine(hostname, Number(port || 4222))).replace(/^INFO /, ''));
    return good('NATS', `NATS_URL: NATS ${version}`);
  } catch (error) {
    return bad('NATS', `NATS_URL: no NATS server answers at ${hostname}: ${messageOf(error)}`);
  }
}

const ANSWER_TIMEOUT_MS = 3_000;

function readFirstLine(host: string, port: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port, timeout: ANSWER_TIMEOUT_MS });
    let text = '';
    socket.setEncoding('utf8').on('data', (some: string) => {
      text += some;
      if (text.includes('\n')) socket.destroy();
    });
    socket.on('timeout', () => socket.destroy(new Error('it says nothing')));
    socket.on('error', reject);
    socket.on('close', () => resolve(text.split('\n')[0] ?? ''));
  });
}

async function checkFolders({ dataFolder, imageRoots, knownPeople }: LaunchSettings): Promise<Finding[]> {
  const writable = await canUse(dataFolder, constants.W_OK);
  const findings = [
    writable === null
      ? good('DATA_DIR', dataFolder)
      : bad('DATA_DIR', `${dataFolder} cannot be written to (${writable}): choose another by DATA_DIR`),
  ];
  // Those inside DATA_DIR are made at the first start.
  const isOwn = (folder: string) => folder.startsWith(`${dataFolder}/`);
  for (const [what, folders] of [
    ['IMAGE_ROOTS', imageRoots],
    ['KNOWN_PEOPLE', [knownPeople]],
  ] as const) {
    for (const folder of folders) {
      const problem = isOwn(folder) ? null : await canUse(folder, constants.R_OK);
      const message = `${folder} cannot be read (${problem}): make it, or choose another by ${what}`;
      findings.push(problem === null ? good(what, folder) : bad(what, message));
    }
  }
  return findings;
}

/** @returns what is in the way */
async function canUse(folder: string, mode: number): Promise<string | null> {
  try {
    await access(folder, mode);
    return null;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    // What is to be written to is made at the first start, where its parent allows.
    if (code === 'ENOENT' && mode === constants.W_OK && dirname(folder) !== folder)
      return canUse(dirname(folder), mode);
    return code ?? messageOf(error);
  }
}

async function checkDisk({ dataFolder }: LaunchSettings): Promise<Finding> {
  const found = await statfs(dataFolder).catch(() => statfs(dirname(dataFolder)).catch(() => null));
  if (found === null) return { what: 'disk', state: 'worth knowing', message: 'how much room there is cannot be told' };
  const free = found.bavail * found.bsize;
  const message = `${(free / 1024 ** 3).toFixed(1)} GB free for ${dataFolder}`;
  return { what: 'disk', state: free < LOW_DISK_BYTES ? 'worth knowing' : 'good', message };
}

/** By loading it, as a recognizer does. */
async function checkEngine(): Promise<Finding> {
  try {
    const { createEngine } = await import('../recognizer/engine/create-engine.ts');
    const startedAt = Date.now();
    await createEngine('onnx');
    return good('engine', `ONNX Runtime, networks loaded in ${((Date.now() - startedAt) / 1000).toFixed(1)} s`);
  } catch (error) {
    return bad(
      'engine',
      `ONNX Runtime does not start here (${messageOf(error)}): set RECOGNIZER_ENGINE=tfjs, or report it`,
    );
  }
}

async function checkPorts(settings: LaunchSettings): Promise<Finding[]> {
  return Promise.all(
    (['receiver', 'frontend', 'recognizer'] as const).map(async (name): Promise<Finding> => {
      const port = settings.ports[name];
      if (await isPortFree(port, settings.host)) return good('port', `${port} is free for the ${name}`);
      const message = `${port} is in use: by Faceflow, if it runs; else choose another ${name} port by ${PORT_KEYS[name]}`;
      return { what: 'port', state: 'worth knowing', message };
    }),
  );
}
