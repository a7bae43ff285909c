import httpProxy from '@fastify/http-proxy';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { messageOf } from '../lib/errors.ts';
import type { Log } from '../lib/log.ts';
import { traceHeaders } from '../lib/spans.ts';

/** `/v1` for the page; the two others so that the page can show a curl line that works wherever the page does. */
const prefixes = ['/v1', '/image/post', '/images/post'];

/** How long the receiver may take until its answer begins, in ms; a body may then stream for as long as it likes. */
const answerTimeoutMs = 30_000;

/**
 * Passes the API's paths on to the receiver, whatever the method and the body. While the receiver is away every request
 * is answered with 502 `receiver_unavailable`; the log says so once when it begins and once when it is over.
 */
export async function forwardToReceiver(app: FastifyInstance, log: Log, receiverUrl: string): Promise<void> {
  let away = false;
  const noteAnswer = () => {
    if (away) log.info({ receiverUrl }, 'the receiver answers again');
    away = false;
  };
  const noteSilence = (error: Error) => {
    if (!away) log.warn({ receiverUrl, reason: messageOf(error.cause ?? error) }, 'the receiver does not answer');
    away = true;
  };
  for (const prefix of prefixes) {
    await app.register(httpProxy, {
      upstream: receiverUrl,
      prefix,
      rewritePrefix: prefix,
      // The proxy would write two lines for every request; see noteSilence.
      logLevel: 'silent',
      // A connection each: one that is kept may be closed, by a receiver that stops, just as the next request goes out on it.
      undici: { headersTimeout: answerTimeoutMs, bodyTimeout: 0, pipelining: 0 },
      replyOptions: {
        // Once, where a kept-alive connection was closed under a GET; 0 would try a 503 ten times before passing it on.
        retriesCount: 1,
        rewriteRequestHeaders: (request, headers) => ({
          ...headers,
          ...describeOrigin(request as FastifyRequest),
          ...traceHeaders(),
        }),
        rewriteHeaders: (headers) => {
          noteAnswer();
          return headers;
        },
        onError: (reply, { error }) => {
          noteSilence(error);
          sendUnavailable(reply as unknown as FastifyReply);
        },
      },
    });
  }
}

/** From whom a request came, and what for: the receiver sees only this server. */
function describeOrigin({ id, headers, socket }: FastifyRequest): Record<string, string> {
  const before = headers['x-forwarded-for'];
  const from = socket.remoteAddress ?? '';
  return {
    'x-request-id': id,
    'x-forwarded-for': before === undefined ? from : `${before}, ${from}`,
    'x-forwarded-host': String(headers['x-forwarded-host'] ?? headers.host ?? ''),
  };
}

export function isForwarded(url: string): boolean {
  return prefixes.some((prefix) => url.startsWith(prefix));
}

function sendUnavailable(reply: FastifyReply): void {
  reply.code(502).send({
    error: {
      code: 'receiver_unavailable',
      message: 'The receiver does not answer. It may be starting or restarting: try again.',
      requestId: reply.request.id,
      traceId: reply.request.traceId,
      retryable: true,
    },
  });
}
