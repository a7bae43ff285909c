import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { messageOf } from '../lib/errors.ts';
import { abortAfter } from './abort-after.ts';
import { describeEnding, type GuardedProcess, spawnGuarded } from './guarded-process.ts';
import { LaunchError } from './launch-error.ts';

/** A program that is to run for as long as the launcher does. */
export interface Program {
  name: string;
  command: string;
  args: readonly string[];
  env: NodeJS.ProcessEnv;
  cwd?: string;
  /** Throws until the program can be used. */
  ready: (signal: AbortSignal) => Promise<unknown>;
  readyWithinMs: number;
  /** Throws when the program, once ready, does not answer any more: it is killed after a while, and started again. */
  alive?: (signal: AbortSignal) => Promise<unknown>;
  /** How often, and how long, it is asked; 5 s. */
  aliveEveryMs?: number;
  stopSignal: NodeJS.Signals;
  stopWithinMs: number;
}

export interface SuperviseOptions {
  /** Every line that the program prints. */
  onLine: (line: string) => void;
  /** What a person should know: it died, it runs again. */
  onEvent: (event: { level: 'info' | 'warn'; text: string }) => void;
  keepOpen?: number | undefined;
  /** Gives up the first start. */
  signal?: AbortSignal | undefined;
}

export interface Supervised {
  readonly name: string;
  /** The pid of the program that runs now; null while it is being started again. */
  readonly pid: number | null;
  stop(): Promise<void>;
  /** Without asking: SIGKILL. */
  kill(): void;
}

const LINES_REMEMBERED = 20;
const FIRST_PAUSE_MS = 250;
const LONGEST_PAUSE_MS = 10_000;
/** After running this long, a crash counts as the first one again. */
const STEADY_AFTER_MS = 30_000;

/**
 * Starts a program, waits until it is ready, and from then on starts it again, after a pause that doubles, whenever it
 * ends unasked. Throws a LaunchError with the program's last lines when it does not become ready the first time.
 */
export async function supervise(program: Program, options: SuperviseOptions): Promise<Supervised> {
  const lastLines: string[] = [];
  const stopping = new AbortController();
  const giveUp = options.signal ? AbortSignal.any([options.signal, stopping.signal]) : stopping.signal;
  let current: GuardedProcess | null = null;

  const remember = (line: string) => {
    lastLines.push(line);
    if (lastLines.length > LINES_REMEMBERED) lastLines.shift();
    options.onLine(line);
  };
  const tail = () => lastLines.map((line) => `\n    ${line}`).join('');

  const start = async (signal: AbortSignal): Promise<GuardedProcess> => {
    lastLines.length = 0;
    const { command, args, env, cwd, stopWithinMs } = program;
    const started = await spawnGuarded(command, args, {
      env,
      ...(cwd === undefined ? {} : { cwd }),
      killAfterMs: stopWithinMs,
      keepOpen: options.keepOpen,
    });
    current = started;
    const drained = Promise.all([readLines(started.stdout, remember), readLines(started.stderr, remember)]);
    try {
      await waitUntilReady(program, started, signal);
      return started;
    } catch (error) {
      await started.stop(program.stopSignal, stopWithinMs);
      await Promise.race([drained, sleep(500)]);
      current = null;
      throw error;
    }
  };

  const keepRunning = async (first: GuardedProcess) => {
    let running: GuardedProcess | null = first;
    for (let pause = FIRST_PAUSE_MS; !stopping.signal.aborted; pause = Math.min(pause * 2, LONGEST_PAUSE_MS)) {
      if (running) {
        const since = Date.now();
        const watched = watchAlive(program, running, options);
        const ending = await running.ended;
        await watched;
        current = null;
        if (stopping.signal.aborted) return;
        if (Date.now() - since > STEADY_AFTER_MS) pause = FIRST_PAUSE_MS;
        options.onEvent({ level: 'warn', text: `${describeEnding(ending)}; starting it again${tail()}` });
      }
      running = await sleep(pause, null, { signal: stopping.signal })
        .then(() => start(stopping.signal))
        .catch((error: unknown) => {
          if (!stopping.signal.aborted) options.onEvent({ level: 'warn', text: `${messageOf(error)}${tail()}` });
          return null;
        });
      if (running) options.onEvent({ level: 'info', text: 'runs again' });
    }
  };

  const first = await start(giveUp).catch((error: unknown) => {
    options.signal?.throwIfAborted();
    throw new LaunchError(`${program.name} did not start: ${messageOf(error)}${tail()}`);
  });
  const watched = keepRunning(first);
  return {
    name: program.name,
    get pid() {
      return current?.pid ?? null;
    },
    async stop() {
      stopping.abort();
      await current?.stop(program.stopSignal, program.stopWithinMs);
      await watched;
    },
    kill() {
      stopping.abort();
      current?.kill('SIGKILL');
    },
  };
}

async function readLines(stream: NodeJS.ReadableStream, onLine: (line: string) => void): Promise<void> {
  for await (const line of createInterface({ input: stream })) onLine(line);
}

async function waitUntilReady(program: Program, process: GuardedProcess, signal: AbortSignal): Promise<void> {
  const giveUp = new AbortController();
  const ended = process.ended.then((ending) => {
    giveUp.abort();
    throw new Error(`it ${describeEnding(ending)}`);
  });
  const ready = waitUntil(program.ready, abortAfter(program.readyWithinMs, signal, giveUp.signal)).catch(
    (error: unknown) => {
      signal.throwIfAborted();
      throw new Error(`it was not ready after ${program.readyWithinMs / 1000} s: ${messageOf(error)}`);
    },
  );
  ended.catch(() => {});
  ready.catch(() => {});
  await Promise.race([ended, ready]);
}

const ALIVE_EVERY_MS = 5_000;
/** Longer than anything that a busy machine or a paused program is forgiven for. */
const SILENCES_FORGIVEN = 4;

/** Resolves when the program has ended. */
async function watchAlive(program: Program, running: GuardedProcess, { onEvent }: SuperviseOptions): Promise<void> {
  const { alive, aliveEveryMs = ALIVE_EVERY_MS } = program;
  if (alive === undefined) return;
  const ended = new AbortController();
  void running.ended.then(() => ended.abort());
  for (let silences = 0; !ended.signal.aborted; ) {
    await sleep(aliveEveryMs, null, { signal: ended.signal }).catch(() => {});
    if (ended.signal.aborted) return;
    try {
      await alive(abortAfter(aliveEveryMs, ended.signal));
      silences = 0;
    } catch (error) {
      if (++silences <= SILENCES_FORGIVEN || ended.signal.aborted) continue;
      onEvent({ level: 'warn', text: `does not answer any more (${messageOf(error)}); killing it` });
      running.kill('SIGKILL');
      await running.ended;
    }
  }
}

const ASK_EVERY_MS = 50;

/** Tries until `check` no longer throws; when the signal aborts, throws what the last try threw. */
export async function waitUntil<Result>(
  check: (signal: AbortSignal) => Promise<Result>,
  signal: AbortSignal,
): Promise<Result> {
  for (;;) {
    try {
      return await check(signal);
    } catch (error) {
      if (signal.aborted) throw error;
      await sleep(ASK_EVERY_MS);
    }
  }
}
