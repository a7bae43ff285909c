import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { Counter, Gauge } from 'prom-client';
import type { Database } from '../lib/database.ts';
import { messageOf } from '../lib/errors.ts';
import type { Events } from '../lib/events.ts';
import type { Log } from '../lib/log.ts';
import type { Metrics } from '../lib/metrics.ts';
import {
  type BreakerState,
  type BreakerStatus,
  REPORT_EVERY_MS,
  removeProcessor,
  reportProcessor,
} from '../lib/processors.ts';
import type { Breaker } from './circuit-breaker.ts';

export interface ReportOptions {
  readonly breaker: Pick<Breaker, 'status' | 'onChange'>;
  readonly db: Database;
  readonly events: Pick<Events, 'publish'>;
  readonly metrics: Metrics;
  readonly log: Log;
  /** Ends the reports: the processor is not there any more. */
  readonly signal: AbortSignal;
}

const STATES: readonly BreakerState[] = ['closed', 'open', 'half_open'];

/**
 * Says that this processor is there and how its breaker is: in its row, which every receiver reads, as metrics, and each
 * change as an event. Resolves when `signal` is aborted and the row is gone.
 */
export async function reportBreaker({ breaker, db, events, metrics, log, signal }: ReportOptions): Promise<void> {
  const id = randomUUID();
  const measure = createBreakerMetrics(metrics);
  let hasChanged = new AbortController();
  measure(breaker.status());
  breaker.onChange((status) => {
    measure(status, { isTransition: true });
    const nextAttemptAt = status.nextAttemptAt?.toISOString() ?? null;
    events.publish({ kind: 'processor.breaker', state: status.state, nextAttemptAt });
    hasChanged.abort();
  });
  let failing = false;
  while (!signal.aborted) {
    hasChanged = new AbortController();
    try {
      await reportProcessor(db, id, breaker.status());
      failing = false;
    } catch (error) {
      if (!failing) log.warn({ err: error }, `this processor cannot say that it is there: ${messageOf(error)}`);
      failing = true;
    }
    const wait = AbortSignal.any([signal, hasChanged.signal]);
    await sleep(REPORT_EVERY_MS, undefined, { signal: wait }).catch(() => undefined);
  }
  // Its row would be taken for gone in half a minute anyhow.
  await removeProcessor(db, id).catch((error: unknown) => log.debug({ err: error }, 'a row was left behind'));
}

/** As a process tells it of itself (lib/replicas.ts): as a distance from now, for clocks differ. */
export function describeBreaker({ state, nextAttemptAt }: BreakerStatus) {
  return { state, nextAttemptInMs: nextAttemptAt === null ? null : Math.max(0, nextAttemptAt.getTime() - Date.now()) };
}

function createBreakerMetrics(metrics: Metrics) {
  const registers = [metrics];
  const state = new Gauge({
    ...{ name: 'faceflow_breaker_state', labelNames: ['state'], registers },
    help: 'Of the circuit breaker to the recognizer: 1 for the state that it is in, 0 for the others.',
  });
  const transitions = new Counter({
    ...{ name: 'faceflow_breaker_transitions_total', labelNames: ['state'], registers },
    help: 'How often the circuit breaker to the recognizer has come into a state.',
  });
  const nextAttempt = new Gauge({
    ...{ name: 'faceflow_breaker_next_attempt_timestamp_seconds', registers },
    help: 'When the open breaker asks for the health of the recognizer next; 0 while it is not open.',
  });
  return (status: BreakerStatus, { isTransition = false } = {}) => {
    for (const one of STATES) state.set({ state: one }, one === status.state ? 1 : 0);
    if (isTransition) transitions.inc({ state: status.state });
    nextAttempt.set((status.nextAttemptAt?.getTime() ?? 0) / 1_000);
  };
}
