import { randomUUID } from 'node:crypto';
import { type FastifyBaseLogger, type FastifyInstance, fastify, LogController } from 'fastify';
import type { Log } from '../lib/log.ts';
import { createMetrics } from '../lib/metrics.ts';
import { forwardToReceiver, isForwarded } from './forward-to-receiver.ts';
import { setSecurityHeaders } from './security-headers.ts';
import { findPageFolder, servePage } from './serve-page.ts';

/**
 * The server of the page: its files, and the receiver's API under the page's own origin. It is ready when it can serve
 * the page, also while the receiver is away: the page says so and recovers by itself.
 *
 * @throws Error when the page has not been built
 */
export async function buildApp(options: {
  log: Log;
  receiverUrl: string;
  /** The built page; the build's own folder unless a test brings another. */
  pageFolder?: string;
}): Promise<FastifyInstance> {
  const log: FastifyBaseLogger = options.log;
  const app = fastify({
    loggerInstance: log,
    // Every poll of every open tab would be a line.
    logController: new LogController({ disableRequestLogging: true }),
    genReqId: () => randomUUID(),
    forceCloseConnections: true,
  });
  app.addHook('onSend', async (request, reply) => {
    setSecurityHeaders(reply, isForwarded(request.url) ? 'content' : 'page');
  });
  app.get('/healthz', () => ({ status: 'ok' }));
  app.get('/readyz', () => ({ status: 'ready' }));
  const metrics = createMetrics();
  app.get('/metrics', async (_request, reply) => reply.type(metrics.contentType).send(await metrics.metrics()));
  await forwardToReceiver(app, options.log, options.receiverUrl);
  await servePage(app, options.pageFolder ?? findPageFolder());
  return app;
}
