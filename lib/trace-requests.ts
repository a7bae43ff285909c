import { context, type Span, SpanKind, SpanStatusCode, trace } from '@opentelemetry/api';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { startSpan, startUnrecorded } from './spans.ts';
import { ATTRIBUTES, OUR_ATTRIBUTES } from './trace-names.ts';
import { readTrace } from './traceparent.ts';

declare module 'fastify' {
  interface FastifyRequest {
    /** 32 hexadecimal digits, in the log lines of every service that has to do with the request. */
    traceId: string;
  }
}

/** Somebody asks for these every few seconds, for ever. */
const UNRECORDED = new Set(['/healthz', '/readyz', '/metrics']);

/**
 * Makes each request a span: of the trace that its header `traceparent` names, or of a new one. Must come before all other
 * hooks: what they do belongs to it.
 */
export function traceRequests(app: FastifyInstance): void {
  app.decorateRequest('traceId', '');
  app.addHook('onRequest', (request, reply, done) => {
    const parent = readTrace((name) => request.headers[name]?.toString());
    const span = UNRECORDED.has(request.url) ? startUnrecorded() : startRequest(request, reply, parent);
    request.traceId = span.spanContext().traceId;
    reply.header('x-trace-id', request.traceId);
    context.with(trace.setSpan(parent, span), done);
  });
}

function startRequest(request: FastifyRequest, reply: FastifyReply, parent: ReturnType<typeof readTrace>): Span {
  const span = startSpan(request.method, { parent, kind: SpanKind.SERVER });
  if (!span.isRecording()) return span;
  const { method, url, protocol, routeOptions } = request;
  const { url: route } = routeOptions;
  span.setAttributes({
    [ATTRIBUTES.httpMethod]: method,
    // Without the query: it holds what somebody looked for.
    [ATTRIBUTES.urlPath]: url.split('?', 1)[0],
    [ATTRIBUTES.urlScheme]: protocol,
    [OUR_ATTRIBUTES.requestId]: request.id,
  });
  if (route !== undefined) span.updateName(`${method} ${route}`).setAttribute(ATTRIBUTES.httpRoute, route);
  reply.raw.once('close', () => endRequest(span, reply));
  return span;
}

/** Also of an answer that its caller did not wait for. */
function endRequest(span: Span, reply: FastifyReply): void {
  const { statusCode } = reply.raw;
  span.setAttribute(ATTRIBUTES.httpStatus, statusCode);
  if (statusCode >= 500) {
    span.setAttribute(ATTRIBUTES.errorType, String(statusCode));
    span.setStatus({ code: SpanStatusCode.ERROR });
  }
  span.end();
}
