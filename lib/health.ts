import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { messageOf } from './errors.ts';
import type { Metrics } from './metrics.ts';

export interface HealthServer {
  /** The port that was bound, also where 0 was asked for. */
  readonly port: number;
  close(): Promise<void>;
}

/**
 * Health over HTTP for a service that has no HTTP of its own: `GET /healthz` says that the process lives, `GET /readyz`
 * that it can work, `GET /metrics` how it does. `ready` throws to say why it cannot.
 */
export async function serveHealth(options: {
  host: string;
  port: number;
  ready: () => Promise<void>;
  metrics: Metrics;
}): Promise<HealthServer> {
  const server = createServer(async (request, response) => {
    const answer = (status: number, body: object) =>
      response.writeHead(status, { 'content-type': 'application/json' }).end(`${JSON.stringify(body)}\n`);
    if (request.method !== 'GET') return answer(405, { status: 'method not allowed' });
    if (request.url === '/healthz') return answer(200, { status: 'ok' });
    if (request.url === '/metrics') return answerMetrics(options.metrics, response);
    if (request.url !== '/readyz') return answer(404, { status: 'not found' });
    try {
      await options.ready();
      return answer(200, { status: 'ready' });
    } catch (error) {
      return answer(503, { status: 'not ready', reason: messageOf(error) });
    }
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(options.port, options.host, resolve);
  });
  return {
    port: (server.address() as AddressInfo).port,
    close: () =>
      new Promise((resolve, reject) => {
        server.close((error) => (error ? reject(error) : resolve()));
        server.closeAllConnections();
      }),
  };
}

async function answerMetrics(metrics: Metrics, response: ServerResponse): Promise<void> {
  const text = await metrics.metrics();
  response.writeHead(200, { 'content-type': metrics.contentType }).end(text);
}
