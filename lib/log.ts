import { type Logger, type LoggerOptions, pino } from 'pino';

export type Log = Logger;

/**
 * A service's log: JSON lines on stdout for machines, readable lines in a terminal (`format: 'auto'` looks whether
 * stdout is one). Every line carries the service's name.
 */
export function createLog(service: string, options: { level: string; format: 'auto' | 'json' | 'pretty' }): Log {
  const pretty = options.format === 'pretty' || (options.format === 'auto' && process.stdout.isTTY);
  const base: LoggerOptions = {
    name: service,
    level: options.level,
    formatters: { level: (label) => ({ level: label }) },
    timestamp: pino.stdTimeFunctions.isoTime,
    // A URL may carry a password, a header may carry a key: neither belongs in a log.
    redact: ['*.authorization', '*.headers.authorization', '*.headers.cookie', '*.password', '*.url.password'],
  };
  if (!pretty) return pino(base);
  const { formatters: _, ...withoutFormatters } = base;
  return pino({
    ...withoutFormatters,
    transport: { target: 'pino-pretty', options: { ignore: 'pid,hostname', translateTime: 'SYS:HH:MM:ss.l' } },
  });
}
