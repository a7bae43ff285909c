import { randomUUID } from 'node:crypto';
import { STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify';
import type { ApiError } from './errors.ts';

/**
 * Answers requests that are found wrong before there is a route, a hook or even a request, in the shape of every other
 * error. No trace: nothing was begun.
 */
export const BAD_HTTP = {
  /** The path cannot be decoded, or a part of it is too long. */
  frameworkErrors(error: FastifyError, request: FastifyRequest, reply: FastifyReply): void {
    const known = error.code === 'FST_ERR_BAD_URL' || error.code === 'FST_ERR_MAX_PARAM_LENGTH';
    const status = known ? (error.statusCode ?? 400) : 500;
    const body = describe(known ? 'invalid_url' : 'internal_error', error.message, request.id, status >= 500);
    // What the serialiser of a route would do is not there either.
    void reply.status(status).type('application/json; charset=utf-8').send(JSON.stringify(body));
  },

  /** What comes is no HTTP, or the headers are too large, or they took too long. */
  clientErrorHandler(error: Error, socket: Socket): void {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ECONNRESET' || socket.destroyed) return;
    const [status, name, message] = BAD[code ?? ''] ?? [400, 'invalid_http', `This is no valid HTTP: ${error.message}`];
    const body = JSON.stringify(describe(name, message, randomUUID(), status === 408));
    const head = `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\nConnection: close\r\nContent-Type: application/json; charset=utf-8`;
    if (socket.writable) socket.write(`${head}\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`);
    socket.destroySoon();
  },
} as const;

const BAD: Readonly<Record<string, readonly [number, string, string]>> = {
  HPE_HEADER_OVERFLOW: [431, 'headers_too_large', 'The address and the headers together are larger than 16 KiB.'],
  ERR_HTTP_REQUEST_TIMEOUT: [408, 'request_timeout', 'The request did not come to its end in time.'],
};

function describe(code: string, message: string, requestId: string, retryable: boolean): { error: ApiError } {
  return { error: { code, message, requestId, traceId: '', retryable } };
}
