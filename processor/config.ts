import { databaseKeys } from '../lib/database.ts';
import { commonKeys, integer, port, readEnv } from '../lib/env.ts';
import { eventKeys } from '../lib/events.ts';
import { queueKeys } from '../lib/image-queue.ts';
import { recognizerKeys } from '../lib/recognizer-channel.ts';
import { retryKeys } from '../lib/retry.ts';
import { jobKeys } from '../lib/run-jobs.ts';
import { tracingKeys } from '../lib/tracing.ts';

export type Config = ReturnType<typeof loadConfig>;

/** @throws ConfigError that lists every bad key */
export function loadConfig(environment: NodeJS.ProcessEnv) {
  return readEnv(environment, {
    ...commonKeys,
    ...tracingKeys,
    ...queueKeys,
    ...eventKeys,
    ...recognizerKeys,
    ...databaseKeys,
    ...jobKeys,
    ...retryKeys,
    /** Health over HTTP; any free port, so that several workers fit on one machine. */
    PROCESSOR_PORT: port(0),
    /** Images in hand at the same time: twice as many as the recognizer's workers, so that none waits for the next. */
    PROCESSOR_CONCURRENCY: integer({ min: 1, max: 256, fallback: 8 }),
    /** After so many tries an image is recorded as failed. */
    MAX_DELIVERIES: integer({ min: 1, max: 1_000, fallback: 8 }),
    /** How long what is known of the faces of strangers is kept, counted from when their photo was looked at; 0: for ever. */
    UNKNOWN_RETENTION_DAYS: integer({ min: 0, max: 36_500, fallback: 0 }),
    /** Photos that are looked at again side by side when a model is prepared, while few are waiting for their first answer. */
    MODEL_CONCURRENCY: integer({ min: 1, max: 256, fallback: 1 }),
  });
}
