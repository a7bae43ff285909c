import { commonKeys, listenerKeys, port, readEnv, url } from '../lib/env.ts';
import { type TracingConfig, tracingKeys } from '../lib/tracing.ts';

export type Config = ReturnType<typeof loadConfig>;

const keys = {
  ...commonKeys,
  ...tracingKeys,
  ...listenerKeys,
  FRONTEND_PORT: port(8081),
  RECEIVER_URL: url(['http:', 'https:'], 'http://127.0.0.1:8000').default('http://127.0.0.1:8000'),
};

/** @throws ConfigError that names every bad key */
export function loadConfig(environment: NodeJS.ProcessEnv) {
  const given = readEnv(environment, keys);
  return {
    host: given.HOST,
    port: given.FRONTEND_PORT,
    log: { level: given.LOG_LEVEL, format: given.LOG_FORMAT },
    shutdownTimeoutMs: given.SHUTDOWN_TIMEOUT_MS,
    drainMs: given.DRAIN_MS,
    tracing: given as TracingConfig,
    /** Without a path: the page's requests keep theirs. */
    receiverUrl: new URL(given.RECEIVER_URL).origin,
  };
}
