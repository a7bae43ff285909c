import { collectDefaultMetrics, Gauge, Registry } from 'prom-client';

export type Metrics = Registry;

/** What a service counts, for `GET /metrics`; of the process itself with the names of prom-client: `process_*`, `nodejs_*`. */
export function createMetrics(): Metrics {
  const metrics = new Registry();
  collectDefaultMetrics({ register: metrics });
  return metrics;
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
