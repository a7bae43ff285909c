import type { FastifyInstance } from 'fastify';
import { Histogram } from 'prom-client';
import type { Metrics } from './metrics.ts';

/** Seconds. */
const BUCKETS = [0.005, 0.025, 0.1, 0.25, 1, 2.5, 10];
const STREAM = 'text/event-stream';

/**
 * Measures every request by its route as it is written in the code (`/v1/images/:id`), so that there are few. Streams of
 * events are left out: they last as long as somebody listens. Call it before the routes.
 */
export function measureHttp(app: FastifyInstance, metrics: Metrics): void {
  const duration = new Histogram({
    name: 'faceflow_http_request_duration_seconds',
    help: 'From the first byte of a request to the last of its answer; `_count` counts the requests.',
    labelNames: ['method', 'route', 'status'],
    buckets: BUCKETS,
    registers: [metrics],
  });
  app.addHook('onResponse', (request, reply, done) => {
    const type = reply.raw.getHeader('content-type');
    if (!String(type).startsWith(STREAM)) {
      const route = request.routeOptions.url ?? 'none';
      duration.observe({ method: request.method, route, status: reply.statusCode }, reply.elapsedTime / 1_000);
    }
    done();
  });
}
