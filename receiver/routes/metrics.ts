import type { App, AppOptions } from '../app.ts';

export function addMetricsRoute(app: App, { metrics }: Pick<AppOptions, 'metrics'>): void {
  app.get(
    '/metrics',
    { schema: { summary: 'Metrics, as Prometheus reads them', tags: ['health'], produces: ['text/plain'] } },
    async (_request, reply) => reply.type(metrics.contentType).send(await metrics.metrics()),
  );
}
