import { ServerInterceptingCall, type ServerInterceptor, status } from '@grpc/grpc-js';
import { Histogram } from 'prom-client';
import { createCounterOf, createGaugeOf, type Metrics } from '../lib/metrics.ts';
import type { Stage, StageName } from './stages.ts';
import type { WorkerPool } from './worker-pool.ts';

/** Where the time of one photo goes. */
export type PhotoStage = 'wait' | StageName | 'search';

/** Told how long a stage of one photo took, ms. */
export type ObserveStage = (stage: PhotoStage, ms: number) => void;

/** Seconds. */
const BUCKETS = [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10];
const SERVICE = '/facerecog.Identify/';

/** Measures the stages of every photo, known ones included. */
export function measureStages(metrics: Metrics): ObserveStage {
  const stages = new Histogram({
    name: 'faceflow_recognizer_stage_duration_seconds',
    help: 'Of one photo: wait (for a worker), read (the file), decode, detect, landmarks, embed (descriptors), judge (quality), search (in the gallery).',
    labelNames: ['stage'],
    buckets: BUCKETS,
    registers: [metrics],
  });
  return (stage, ms) => stages.observe({ stage }, ms / 1_000);
}

/** What a worker has measured of one photo: a stage that came twice is one. */
export function observePhoto(observe: ObserveStage, stages: readonly Stage[]): void {
  const sums = new Map<StageName, number>();
  for (const { name, ms } of stages) sums.set(name, (sums.get(name) ?? 0) + ms);
  for (const [name, ms] of sums) observe(name, ms);
}

/** Measures every call of facerecog.Identify from its first byte to its status. */
export function measureCalls(metrics: Metrics): ServerInterceptor {
  const duration = new Histogram({
    name: 'faceflow_grpc_call_duration_seconds',
    help: 'Calls by method and gRPC status (RESOURCE_EXHAUSTED: there was no room), waiting included; `_count` counts them.',
    labelNames: ['method', 'status'],
    buckets: BUCKETS,
    registers: [metrics],
  });
  return ({ path }, call) => {
    if (!path.startsWith(SERVICE)) return new ServerInterceptingCall(call);
    const method = path.slice(SERVICE.length);
    const startedAt = performance.now();
    return new ServerInterceptingCall(call, {
      sendStatus(given, next) {
        duration.observe({ method, status: status[given.code] }, (performance.now() - startedAt) / 1_000);
        next(given);
      },
    });
  };
}

/** Tells how busy the worker threads are. */
export function measurePool(
  metrics: Metrics,
  pool: Pick<WorkerPool, 'workers' | 'busy' | 'waiting' | 'replaced'>,
): void {
  createGaugeOf(metrics, {
    name: 'faceflow_recognizer_queue_depth',
    help: 'Photos that wait for a worker of this recognizer.',
    read: () => pool.waiting,
  });
  createGaugeOf(metrics, {
    name: 'faceflow_recognizer_workers',
    help: 'Worker threads of this recognizer (RECOGNIZER_WORKERS).',
    read: () => pool.workers,
  });
  createGaugeOf(metrics, {
    name: 'faceflow_recognizer_workers_busy',
    help: 'Worker threads that look at a photo now.',
    read: () => pool.busy,
  });
  createCounterOf(metrics, {
    name: 'faceflow_recognizer_workers_replaced_total',
    help: 'Worker threads that died, or took longer than MAX_IMAGE_MS, and were replaced.',
    read: () => pool.replaced,
  });
}
