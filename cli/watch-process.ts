import { join } from 'node:path';
import { type LogFile, openLogFile } from './log-file.ts';
import type { SuperviseOptions } from './supervise.ts';

interface WatchOptions {
  logsFolder: string;
  /** Prints a line on the terminal. */
  say: (text: string) => void;
  keepOpen?: number;
  signal?: AbortSignal;
}

export interface Watcher {
  /** How `supervise` is to watch a process of that name. */
  watch: (name: string) => SuperviseOptions;
  close(): Promise<void>;
}

const SHOWN_LEVELS = new Set(['warn', 'error', 'fatal']);

/** Everything that a process prints goes to `logs/<name>.log`; warnings and errors of a service also to the terminal. */
export function createWatcher(options: WatchOptions): Watcher {
  const files = new Map<string, LogFile>();
  return {
    watch(name) {
      const file = openLogFile(join(options.logsFolder, `${name.toLowerCase()}.log`));
      files.set(name, file);
      return {
        keepOpen: options.keepOpen,
        signal: options.signal,
        onLine(line) {
          file.write(line);
          const shown = summarizeLogLine(line);
          if (shown) options.say(`${name}: ${shown}`);
        },
        onEvent({ level, text }) {
          file.write(`-- ${new Date().toISOString()} ${text}`);
          options.say(level === 'warn' ? `⚠ ${name} ${text}` : `✔ ${name} ${text}`);
        },
      };
    },
    async close() {
      await Promise.all([...files.values()].map((file) => file.close()));
    },
  };
}

interface LogLine {
  level?: unknown;
  msg?: unknown;
  err?: { message?: unknown };
}

/** What a person should see of a line of pino's JSON: `warn …` from level warn on; null for anything else. */
export function summarizeLogLine(line: string): string | null {
  if (!line.startsWith('{')) return null;
  const { level, msg, err } = parse(line);
  if (typeof level !== 'string' || !SHOWN_LEVELS.has(level)) return null;
  const reason = typeof err?.message === 'string' && err.message !== msg ? `: ${err.message}` : '';
  return `${level} ${typeof msg === 'string' ? msg : ''}${reason}`;
}

function parse(line: string): LogLine {
  try {
    return JSON.parse(line) as LogLine;
  } catch {
    return {};
  }
}
