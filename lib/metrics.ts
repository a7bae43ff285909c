import { setTimeout as sleep } from 'node:timers/promises';
import { Counter, collectDefaultMetrics, Gauge, Registry } from 'prom-client';

export type Metrics = Registry;

/** prom-client's own 10 ms would cost each process 4.5 ms of CPU a second; this costs half a millisecond. */
const EVENT_LOOP_SAMPLES_MS = 100;

/** What a service counts, for `GET /metrics`; of the process itself with the names of prom-client: `process_*`, `nodejs_*`. */
export function createMetrics(): Metrics {
  const metrics = new Registry();
  collectDefaultMetrics({ register: metrics, eventLoopMonitoringPrecision: EVENT_LOOP_SAMPLES_MS });
  createCounterOf(metrics, {
    name: 'faceflow_event_loop_busy_seconds_total',
    help: 'Time in which the event loop of the main thread had something to do; its rate is the share of a core, 0 to 1.',
    read: () => performance.eventLoopUtilization().active / 1_000,
  });
  return metrics;
}

/** A counter of something that counts by itself. @param read the total, asked for at each scrape */
export function createCounterOf(
  metrics: Metrics,
  { name, help, read }: { name: string; help: string; read: () => number },
): void {
  new Counter({
    ...{ name, help, registers: [metrics] },
    collect() {
      this.reset();
      this.inc(read());
    },
  });
}

/** A gauge of something that knows how much it is. @param read asked at each scrape */
export function createGaugeOf(
  metrics: Metrics,
  { name, help, read }: { name: string; help: string; read: () => number },
): void {
  new Gauge({
    ...{ name, help, registers: [metrics] },
    collect() {
      this.set(read());
    },
  });
}

/** Notes whether this process leads jobs. @param jobs which, for the label */
export function createLeaderGauge(metrics: Metrics, jobs: string): (leads: boolean) => void {
  const gauge = new Gauge({
    name: 'faceflow_leader',
    help: 'Whether this process runs the background jobs: 1 in one process of a system, 0 in the others.',
    labelNames: ['jobs'],
    registers: [metrics],
  });
  gauge.set({ jobs }, 0);
  return (leads) => gauge.set({ jobs }, leads ? 1 : 0);
}

/** Counts what goes wrong in background jobs. @param jobs their names, so that those that never fail say 0 */
export function createJobErrorCounter(metrics: Metrics, jobs: readonly string[]): (job: string) => void {
  const counter = new Counter({
    name: 'faceflow_job_errors_total',
    help: 'How often a background job has failed, and was begun again a second later.',
    // Prometheus itself calls what it scrapes a job.
    labelNames: ['task'],
    registers: [metrics],
  });
  for (const task of jobs) counter.inc({ task }, 0);
  return (task) => counter.inc({ task });
}

/** What others need may not be answered in time: a scrape has 10 s. */
const PATIENCE_MS = 2_000;
const FRESH_MS = 1_000;

/**
 * One question for all the gauges that its answer fills, and for everybody who scrapes within a second.
 *
 * @returns null where `ask` throws or takes longer than two seconds: the gauges say nothing then
 */
export function shareAnswer<Answer>(ask: () => Promise<Answer>): () => Promise<Answer | null> {
  let asked: { at: number; answer: Promise<Answer | null> } | undefined;
  return () => {
    if (asked === undefined || performance.now() - asked.at > FRESH_MS) {
      const answer = Promise.race([ask(), sleep(PATIENCE_MS, null, { ref: false })]).catch(() => null);
      asked = { at: performance.now(), answer };
    }
    return asked.answer;
  };
}

/** Tells whether what a service needs answers; asked at each scrape. @param needs throw, or take too long, when they do not */
export function measureNeeds(metrics: Metrics, needs: Readonly<Record<string, () => Promise<void>>>): void {
  const asking = Object.entries(needs).map(([need, ping]) => ({
    need,
    ask: shareAnswer(() => ping().then(() => true)),
  }));
  new Gauge({
    name: 'faceflow_dependency_up',
    help: 'Whether what this process needs answers it: 1 or 0.',
    labelNames: ['dependency'],
    registers: [metrics],
    async collect() {
      const answers = await Promise.all(asking.map(({ ask }) => ask()));
      for (const [n, { need }] of asking.entries()) this.set({ dependency: need }, answers[n] === true ? 1 : 0);
    },
  });
}
