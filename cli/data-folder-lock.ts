import {
  closeSync,
  constants,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readSync,
  rmSync,
  symlinkSync,
} from 'node:fs';
import { connect, createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { LaunchError } from './launch-error.ts';
import { runCommand } from './run-command.ts';

/** Who runs on a data folder, as the lock's holder answers anybody who asks. */
interface Holder {
  pid: number;
  page: string;
}

export interface DataFolderLock {
  /** A file descriptor that every child must keep open: as long as one lives, the folder counts as in use. */
  readonly keepOpen: number;
  release(): void;
}

const TRIES = 20;
const ANSWER_WITHIN_MS = 2_000;
const FORMER_CHILDREN_MS = 60_000;
const BOUND_BEFORE_LISTENING_MS = 100;

/**
 * Makes this process the only launcher on a data folder, and waits until whatever a killed launcher left behind has
 * ended. The lock is a listening unix socket: it dies with its process, whatever kills that.
 * Throws a LaunchError that names the holder when the folder is in use.
 */
export async function lockDataFolder(
  folder: string,
  page: string,
  report: (doing: string) => void,
): Promise<DataFolderLock> {
  const runFolder = join(folder, 'run');
  mkdirSync(runFolder, { recursive: true, mode: 0o700 });
  const server = await withShortPath(runFolder, (short) => listenAlone(folder, short, page));
  try {
    const keepOpen = await openAliveFile(join(runFolder, 'alive'), report);
    const release = () => {
      closeSync(keepOpen);
      server.close();
    };
    return { keepOpen, release };
  } catch (error) {
    server.close();
    throw error;
  }
}

/**
 * Calls `work` with a path to the folder that is short enough for a socket in it, and that is gone afterwards: closing a
 * server removes the file at the path that it was given, and the highest generation must stay.
 */
async function withShortPath<Result>(folder: string, work: (short: string) => Promise<Result>): Promise<Result> {
  const holder = mkdtempSync(join(tmpdir(), 'faceflow-'));
  symlinkSync(folder, join(holder, 'run'));
  try {
    return await work(join(holder, 'run'));
  } finally {
    rmSync(holder, { recursive: true, force: true });
  }
}

/**
 * Each lock is a generation: a socket file whose number is one higher than that of the last. To bind a name is exclusive,
 * so of several starters that find generation N dead only one gets N + 1. Nobody removes the highest one, so that no
 * starter with an old view of the folder can take a number that was taken before.
 */
async function listenAlone(folder: string, runFolder: string, page: string): Promise<Server> {
  for (let tries = 0; tries < TRIES; tries++) {
    const generation = Math.max(0, ...generationsIn(runFolder));
    const holder = generation === 0 ? 'gone' : await askHolder(socketIn(runFolder, generation));
    if (holder !== 'gone') throw new LaunchError(explainHolder(folder, holder));
    const server = await listen(socketIn(runFolder, generation + 1), { pid: process.pid, page });
    if (!server) continue;
    for (const dead of generationsIn(runFolder).filter((it) => it <= generation)) {
      rmSync(socketIn(runFolder, dead), { force: true });
    }
    return server;
  }
  throw new LaunchError(`The lock in ${folder}/run cannot be taken: other processes take it again and again.`);
}

function generationsIn(runFolder: string): number[] {
  return readdirSync(runFolder).flatMap((name) => Number(/^launcher-(\d+)\.sock$/.exec(name)?.[1] ?? Number.NaN) || []);
}

function socketIn(runFolder: string, generation: number): string {
  return join(runFolder, `launcher-${generation}.sock`);
}

/** Null when the socket file exists already, whoever made it. */
function listen(path: string, holder: Holder): Promise<Server | null> {
  return new Promise((resolve, reject) => {
    const server = createServer((socket) => {
      socket.on('error', () => {});
      socket.end(JSON.stringify(holder));
    });
    server.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EADDRINUSE') resolve(null);
      else
        reject(
          new LaunchError(`The data folder cannot be locked: ${error.message} (set DATA_DIR to a folder of your own)`),
        );
    });
    server.listen(path, () => resolve(server.unref()));
  });
}

/** `silent` when somebody listens but does not answer: a launcher that is suspended, or another user's. */
async function askHolder(path: string): Promise<Holder | 'silent' | 'gone'> {
  const answer = await askOnce(path);
  if (answer !== 'gone') return answer;
  // A name is bound a moment before its owner listens there.
  await sleep(BOUND_BEFORE_LISTENING_MS);
  return await askOnce(path);
}

function askOnce(path: string): Promise<Holder | 'silent' | 'gone'> {
  return new Promise((resolve) => {
    const socket = connect(path);
    let text = '';
    socket.setTimeout(ANSWER_WITHIN_MS, () => socket.destroy());
    socket.setEncoding('utf8').on('data', (chunk: string) => {
      text += chunk;
    });
    const isGone = (code: string | undefined) => code === 'ECONNREFUSED' || code === 'ENOENT';
    socket.on('error', ({ code }: NodeJS.ErrnoException) => resolve(isGone(code) ? 'gone' : 'silent'));
    socket.on('close', () => resolve(text ? (JSON.parse(text) as Holder) : 'silent'));
  });
}

function explainHolder(folder: string, holder: Holder | 'silent'): string {
  const other = 'or choose another data folder: DATA_DIR=./data2 npm start';
  if (holder === 'silent')
    return `Another Faceflow uses the data folder ${folder}, and does not answer. Stop it, ${other}`;
  return (
    `Faceflow runs on the data folder ${folder} already: process ${holder.pid}, page ${holder.page}\n` +
    `Stop it first (Ctrl-C where it runs, or kill ${holder.pid}), ${other}`
  );
}

/**
 * Opens the named pipe that every child holds open. Reading from it tells whether anybody still does: the end of the
 * file when nobody, "try again" as long as a child of the former launcher is on its way out.
 */
async function openAliveFile(path: string, report: (doing: string) => void): Promise<number> {
  if (!existsSync(path)) await runCommand('mkfifo', ['-m', '600', path]);
  const deadline = Date.now() + FORMER_CHILDREN_MS;
  for (let told = false; isHeldOpen(path); told = true) {
    if (!told) report('waiting for the servers of the last run to stop');
    if (Date.now() > deadline) {
      throw new LaunchError(
        `Servers of the last run still hold ${path} open; stop them (see: fuser ${path}) and try again.`,
      );
    }
    await sleep(100);
  }
  return openSync(path, constants.O_RDWR | constants.O_NONBLOCK);
}

function isHeldOpen(path: string): boolean {
  const descriptor = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    readSync(descriptor, Buffer.alloc(1));
    return false;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EAGAIN') return true;
    throw error;
  } finally {
    closeSync(descriptor);
  }
}
