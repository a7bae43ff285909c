import { Counter } from 'prom-client';
import type { Metrics } from '../lib/metrics.ts';
import type { Submitted } from './submit-paths.ts';

/** Counts what became of posted paths: accepted (waits now), known (was posted before), refused. */
export function createPostCounter(metrics: Metrics): (submitted: readonly Submitted[]) => void {
  const counter = new Counter({
    name: 'faceflow_posted_paths_total',
    help: 'Paths of photos that were posted: accepted (waiting now), known (posted before), or refused.',
    labelNames: ['result'],
    registers: [metrics],
  });
  const results = ['accepted', 'known', 'refused'] as const;
  for (const result of results) counter.inc({ result }, 0);
  return (submitted) => {
    for (const result of results) {
      const count = submitted.filter((one) => resultOf(one) === result).length;
      if (count > 0) counter.inc({ result }, count);
    }
  };
}

function resultOf(one: Submitted): 'accepted' | 'known' | 'refused' {
  if ('error' in one) return 'refused';
  // As the row was before it was published.
  return one.image.status === 'pending' && !one.image.enqueued ? 'accepted' : 'known';
}

/** Counts answers that are errors, by the code that the API promises. */
export function createErrorCounter(metrics: Metrics): (code: string) => void {
  const counter = new Counter({
    name: 'faceflow_http_errors_total',
    help: 'Requests that were answered with an error, by its code (rate_limited among them).',
    labelNames: ['code'],
    registers: [metrics],
  });
  return (code) => counter.inc({ code });
}
