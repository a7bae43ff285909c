import { commonKeys, integer, mysqlUrl, port, readEnv, text } from '../lib/env.ts';
import { eventKeys } from '../lib/events.ts';
import { queueKeys } from '../lib/image-queue.ts';

export type Config = ReturnType<typeof loadConfig>;

/** @throws ConfigError that lists every bad key */
export function loadConfig(environment: NodeJS.ProcessEnv) {
  return readEnv(environment, {
    ...commonKeys,
    ...queueKeys,
    ...eventKeys,
    MYSQL_URL: mysqlUrl(),
    /** Health over HTTP; any free port, so that several workers fit on one machine. */
    PROCESSOR_PORT: port(0),
    /** `host:port`, or any other gRPC target such as `dns:///recognizer:50051`. */
    RECOGNIZER_ADDRESS: text('127.0.0.1:50051'),
    RECOGNIZER_TIMEOUT_MS: integer({ min: 100, max: 600_000, fallback: 60_000 }),
    /** Images in hand at the same time: twice as many as the recognizer's workers, so that none waits for the next. */
    PROCESSOR_CONCURRENCY: integer({ min: 1, max: 256, fallback: 8 }),
    /** After so many tries an image is recorded as failed. */
    MAX_DELIVERIES: integer({ min: 1, max: 1_000, fallback: 8 }),
    /** How long the processor that runs the background jobs may be silent before another one takes over. */
    LEADER_LEASE_MS: integer({ min: 500, max: 60_000, fallback: 4_000 }),
  });
}
