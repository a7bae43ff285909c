import { setMaxListeners } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { ConfigError } from './env.ts';
import { messageOf } from './errors.ts';
import type { Log } from './log.ts';
import { keepContexts, underNewId } from './spans.ts';

/** What a service is given to tie its parts to the life of the process. */
export interface Life {
  /** Closes run in reverse order of registration, each awaited, when the process stops. */
  onClose(name: string, close: () => Promise<void> | void): void;
  /** A part has broken in a way that the service cannot go on with: stop everything, exit 1. */
  fail(error: unknown): void;
  /** Aborted as soon as the process is asked to stop, before the first close: from then on it must not call itself ready. */
  readonly signal: AbortSignal;
}

/**
 * The life of every service: start, then wait for SIGTERM, SIGINT or the first failure; after a signal go on for `drainMs`,
 * not ready any more, so that balancers send their requests elsewhere; then close in reverse order (stop taking work, finish
 * or hand back what is in hand, let go of connections), with a hard deadline, counted from here; then exit.
 *
 * Exit code 0 after a signal, 1 after a failure or when the deadline cut something off.
 *
 * After oklog/run: actors that are interrupted together as soon as one of them returns.
 */
export function run(
  log: Log,
  options: { shutdownTimeoutMs: number; drainMs?: number },
  start: (life: Life) => Promise<void>,
): Promise<void> {
  keepContexts();
  // What belongs to no request and no photo has an id in the log as well: that of the process.
  return underNewId(() => live(log, options, start));
}

async function live(
  log: Log,
  options: { shutdownTimeoutMs: number; drainMs?: number },
  start: (life: Life) => Promise<void>,
): Promise<void> {
  const closers: { name: string; close: () => Promise<void> | void }[] = [];
  const stopping = new AbortController();
  // As many parts may listen as a service has: that is no leak.
  setMaxListeners(0, stopping.signal);
  let failed = false;

  const stopped = new Promise<string>((resolve) => {
    const fail = (error: unknown) => {
      if (!failed) log.fatal({ err: error }, messageOf(error));
      failed = true;
      resolve('failure');
    };
    process.once('SIGTERM', () => resolve('SIGTERM'));
    process.once('SIGINT', () => resolve('SIGINT'));
    process.on('uncaughtException', fail);
    process.on('unhandledRejection', fail);
    const life: Life = { onClose: (name, close) => closers.push({ name, close }), fail, signal: stopping.signal };
    start(life).catch(fail);
  });

  const reason = await stopped;
  log.info({ reason }, 'stopping');
  stopping.abort();
  if (!failed) await sleep(options.drainMs ?? 0);
  const deadline = setTimeout(() => {
    log.error({ afterMs: options.shutdownTimeoutMs }, 'not everything stopped in time: exiting all the same');
    exit(log, 1);
  }, options.shutdownTimeoutMs);

  for (const { name, close } of closers.reverse()) {
    try {
      await close();
    } catch (error) {
      failed = true;
      log.error({ err: error, part: name }, 'could not be closed cleanly');
    }
  }
  clearTimeout(deadline);
  log.info('stopped');
  exit(log, failed ? 1 : 0);
}

/** Loads a configuration, or prints every problem that it has and exits with code 1. */
export function loadOrExit<Config>(load: () => Config): Config {
  try {
    return load();
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    process.stderr.write(`${error.message}\n`);
    process.exit(1);
  }
}

function exit(log: Log, code: number): void {
  log.flush(() => process.exit(code));
}
