import type { Queryable } from './database.ts';
import { listReplicas, type ReplicaBreaker } from './replicas.ts';

/** Of the circuit breaker between a processor and the recognizer. */
export type BreakerState = ReplicaBreaker['state'];

/** What all processors together are doing. */
export interface Processing {
  /** running: at least one works; paused: all wait for the recognizer; stopped: there is none. */
  readonly state: 'running' | 'paused' | 'stopped';
  /** That have been heard of in the last half minute. */
  readonly processors: number;
  /** Of them, those whose breaker is open. */
  readonly paused: number;
  /** Of the first that has paused, where any has. */
  readonly unavailableSince: Date | null;
  /** Of the first that will try again, ms from now. */
  readonly nextAttemptInMs: number | null;
}

/** By what they say of themselves (lib/replicas.ts). */
export async function summariseProcessors(db: Queryable): Promise<Processing> {
  const processors = (await listReplicas(db)).filter(({ service }) => service === 'processor');
  const breakers = processors.flatMap(({ breaker }) => breaker ?? []);
  const paused = breakers.filter(({ state }) => state === 'open').length;
  const since = breakers.flatMap(({ unavailableSince }) => unavailableSince?.getTime() ?? []);
  const next = breakers.flatMap(({ nextAttemptInMs }) => nextAttemptInMs ?? []);
  return {
    state: processors.length === 0 ? 'stopped' : paused === processors.length ? 'paused' : 'running',
    processors: processors.length,
    paused,
    unavailableSince: since.length === 0 ? null : new Date(Math.min(...since)),
    nextAttemptInMs: next.length === 0 ? null : Math.min(...next),
  };
}
