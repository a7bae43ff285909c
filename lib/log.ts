import { type Logger, type LoggerOptions, pino } from 'pino';
import { logIds } from './spans.ts';

export type Log = Logger;

/**
 * A service's log: JSON lines on stdout for machines, readable lines in a terminal (`format: 'auto'` looks whether
 * stdout is one). Every line carries the service's name, and the id of the trace that it belongs to.
 */
export function createLog(service: string, options: { level: string; format: 'auto' | 'json' | 'pretty' }): Log {
  const pretty = options.format === 'pretty' || (options.format === 'auto' && process.stdout.isTTY);
  const base = logOptions(service, options.level);
  if (!pretty) return pino(base);
  const { formatters: _, ...withoutFormatters } = base;
  return pino({
    ...withoutFormatters,
    transport: { target: 'pino-pretty', options: { ignore: 'pid,hostname', translateTime: 'SYS:HH:MM:ss.l' } },
  });
}

/** How every line is made, wherever it goes. */
export function logOptions(service: string, level: string): LoggerOptions {
  return {
    name: service,
    level,
    formatters: { level: (label) => ({ level: label }) },
    timestamp: pino.stdTimeFunctions.isoTime,
    mixin: logIds,
    serializers: { err: serializeError },
    // A URL may carry a password, a header may carry a key: neither belongs in a log.
    redact: ['*.authorization', '*.headers.authorization', '*.headers.cookie', '*.password', '*.url.password'],
  };
}

/** The statement of a database error is there with its values: descriptors, names, hashes of keys. */
function serializeError(error: Error): unknown {
  return withoutStatements(pino.stdSerializers.err(error));
}

function withoutStatements(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map(withoutStatements);
  const { sql: _, ...rest } = value as Record<string, unknown>;
  const { aggregateErrors } = rest;
  return aggregateErrors === undefined ? rest : { ...rest, aggregateErrors: withoutStatements(aggregateErrors) };
}
