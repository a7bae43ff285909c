import { randomUUID } from 'node:crypto';
import type { Socket } from 'node:net';
import { type FastifyBaseLogger, type FastifyInstance, fastify, LogController } from 'fastify';
import type { Log } from '../lib/log.ts';
import { measureHttp } from '../lib/measure-http.ts';
import { createMetrics } from '../lib/metrics.ts';
import { traceRequests } from '../lib/trace-requests.ts';
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
  /** Aborted when the frontend is about to stop: it answers as before, and asks clients to connect elsewhere. */
  stopping: AbortSignal;
}): Promise<FastifyInstance> {
  const log: FastifyBaseLogger = options.log;
  const app = fastify({
    loggerInstance: log,
    // Every poll of every open tab would be a line.
    logController: new LogController({ disableRequestLogging: true }),
    genReqId: () => randomUUID(),
    // A stopping frontend finishes what it has begun; idle connections, and streams of events, need not be waited for.
    forceCloseConnections: 'idle',
    return503OnClosing: false,
  });
  const metrics = createMetrics();
  measureHttp(app, metrics);
  traceRequests(app);
  endStreamsOnClose(app);
  app.addHook('onSend', async (request, reply) => {
    if (options.stopping.aborted) reply.header('connection', 'close');
    setSecurityHeaders(reply, isForwarded(request.url) ? 'content' : 'page');
  });
  app.get('/healthz', () => ({ status: 'ok' }));
  app.get('/readyz', (_request, reply) => {
    if (options.stopping.aborted)
      return reply.status(503).send({ status: 'not ready', reason: 'It is about to stop.' });
    return { status: 'ready' };
  });
  app.get('/metrics', async (_request, reply) => reply.type(metrics.contentType).send(await metrics.metrics()));
  await forwardToReceiver(app, options.log, options.receiverUrl);
  await servePage(app, options.pageFolder ?? findPageFolder());
  return app;
}

/** A stream of events never ends by itself; its listener connects again, elsewhere. Connections not used yet are closed too. */
function endStreamsOnClose(app: FastifyInstance): void {
  const endless = new Set<Socket>();
  app.server.on('connection', (socket) => {
    endless.add(socket);
    socket.once('close', () => endless.delete(socket));
  });
  app.server.on('request', ({ socket }) => endless.delete(socket));
  app.addHook('onSend', async (request, reply) => {
    if (String(reply.getHeader('content-type')).startsWith('text/event-stream')) endless.add(request.raw.socket);
  });
  app.addHook('preClose', async () => {
    for (const socket of endless) socket.destroy();
  });
}
