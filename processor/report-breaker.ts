import { Counter, Gauge } from 'prom-client';
import type { Events } from '../lib/events.ts';
import type { Metrics } from '../lib/metrics.ts';
import type { BreakerState } from '../lib/processors.ts';
import type { ReplicaDetails } from '../lib/replicas.ts';
import type { Breaker, BreakerStatus } from './circuit-breaker.ts';

export interface ReportOptions {
  readonly breaker: Pick<Breaker, 'status' | 'onChange'>;
  readonly events: Pick<Events, 'publish'>;
  readonly metrics: Metrics;
}

const STATES: readonly BreakerState[] = ['closed', 'open', 'half_open'];

/** Says how this processor's breaker is: as metrics, and each change as an event. */
export function reportBreaker({ breaker, events, metrics }: ReportOptions): void {
  const measure = createBreakerMetrics(metrics);
  measure(breaker.status());
  breaker.onChange((status) => {
    measure(status, { isTransition: true });
    const nextAttemptAt = status.nextAttemptAt?.toISOString() ?? null;
    events.publish({ kind: 'processor.breaker', state: status.state, nextAttemptAt });
  });
}

/** As a process tells it of itself (lib/replicas.ts). */
export function describeBreaker(status: BreakerStatus, now = Date.now()): NonNullable<ReplicaDetails['breaker']> {
  const { state, unavailableSince, nextAttemptAt } = status;
  return {
    state,
    unavailableForMs: unavailableSince === null ? null : Math.max(0, now - unavailableSince.getTime()),
    nextAttemptInMs: nextAttemptAt === null ? null : Math.max(0, nextAttemptAt.getTime() - now),
  };
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
