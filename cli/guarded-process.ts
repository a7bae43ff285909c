import { type ChildProcess, spawn } from 'node:child_process';
import type { Readable } from 'node:stream';

/**
 * The child becomes the program itself (exec), so that its pid, its signals and its exit are the program's. A watcher
 * stays beside it in the same process group and reads a pipe whose other end only the launcher holds. When the launcher
 * is gone, however it went, the watcher reads the end of the pipe and ends its own process group: TERM, and KILL after
 * a while. It signals nothing but its own group, which lives as long as it does: no pid can be mistaken for another's.
 * A line in the pipe says that the program has ended by itself, and dismisses the watcher.
 */
const GUARD = `
(
  trap '' TERM INT HUP
  exec </dev/null >/dev/null 2>&1
  read -r word <&3 && exit 0
  kill -TERM 0
  tries=$1
  while [ "$tries" -gt 0 ] && kill -0 $$; do sleep 0.2; tries=$((tries - 1)); done
  kill -KILL 0
) &
shift
exec "$@" 3<&-
`;
const WATCHER_STEP_MS = 200;

export interface Ending {
  code: number | null;
  signal: NodeJS.Signals | null;
}

export interface GuardedProcess {
  readonly pid: number;
  readonly stdout: Readable;
  readonly stderr: Readable;
  /** Never rejects. */
  readonly ended: Promise<Ending>;
  kill(signal: NodeJS.Signals): void;
  /** Asks it to end, and kills it when it has not ended after `deadlineMs`. */
  stop(signal: NodeJS.Signals, deadlineMs: number): Promise<Ending>;
}

export interface GuardOptions {
  cwd?: string;
  env: NodeJS.ProcessEnv;
  /** How long the program may take to stop when the launcher has died, until it is killed. */
  killAfterMs: number;
  /** An open file descriptor that the program, and its watcher, keep open as long as they live. */
  keepOpen?: number | undefined;
}

/**
 * Starts a program that cannot outlive this process, even when this process is killed with SIGKILL. It runs in a
 * session of its own, so that Ctrl-C in the terminal reaches the launcher alone. Rejects when it cannot be started.
 */
export async function spawnGuarded(
  command: string,
  args: readonly string[],
  options: GuardOptions,
): Promise<GuardedProcess> {
  const tries = String(Math.ceil(options.killAfterMs / WATCHER_STEP_MS));
  const child = spawn('/bin/sh', ['-c', GUARD, 'sh', tries, command, ...args], {
    cwd: options.cwd,
    env: options.env,
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe', 'pipe', options.keepOpen ?? 'ignore'],
  });
  const { stdout, stderr } = child;
  const lifeline = child.stdio[3];
  if (stdout === null || stderr === null || !lifeline || !('write' in lifeline))
    throw new Error('no pipes to the child');
  lifeline.on('error', () => {}); // The watcher may be gone already: then there is nobody to dismiss.
  const ended = new Promise<Ending>((resolve) => {
    child.once('exit', (code, signal) => {
      lifeline.end('ended\n');
      resolve({ code, signal });
    });
  });
  const pid = await started(child);
  const kill = (signal: NodeJS.Signals) => void child.kill(signal);
  return { pid, stdout, stderr, ended, kill, stop: (signal, deadlineMs) => stop(kill, ended, signal, deadlineMs) };
}

function started(child: ChildProcess): Promise<number> {
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('spawn', () => resolve(child.pid as number));
  });
}

async function stop(
  kill: (signal: NodeJS.Signals) => void,
  ended: Promise<Ending>,
  signal: NodeJS.Signals,
  deadlineMs: number,
): Promise<Ending> {
  kill(signal);
  const deadline = setTimeout(() => kill('SIGKILL'), deadlineMs);
  try {
    return await ended;
  } finally {
    clearTimeout(deadline);
  }
}

/** In words: `exited with code 1`, `was killed by SIGKILL`. */
export function describeEnding({ code, signal }: Ending): string {
  return signal ? `was killed by ${signal}` : `exited with code ${code}`;
}
