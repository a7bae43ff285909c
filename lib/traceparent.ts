import { type Context, createTraceState, ROOT_CONTEXT, type SpanContext, TraceFlags, trace } from '@opentelemetry/api';

/** Headers of an HTTP request, a NATS message or a gRPC call. */
export type TraceHeaders = Readonly<Record<string, string>>;
export type ReadHeader = (name: string) => string | undefined;

/** version-traceid-parentid-flags; later versions may append to it. https://www.w3.org/TR/trace-context/ */
const TRACEPARENT = /^(?!ff)([0-9a-f]{2})-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/;
const LONGEST_STATE = 512;

/** `traceparent`, and `tracestate` where there is one; of a span without an id, nothing. */
export function formatTrace(span: SpanContext): TraceHeaders {
  if (!trace.isSpanContextValid(span)) return {};
  const flags = (span.traceFlags & TraceFlags.SAMPLED).toString(16).padStart(2, '0');
  const state = span.traceState?.serialize() ?? '';
  return {
    traceparent: `00-${span.traceId}-${span.spanId}-${flags}`,
    ...(state === '' ? {} : { tracestate: state }),
  };
}

/**
 * The span that these headers name, as the parent of what is done next; the root where they name none, or not as the
 * standard wants it. It is only an id: whoever sends it says nothing about who they are.
 */
export function readTrace(read: ReadHeader): Context {
  const [, version, traceId, spanId, flags, more] = TRACEPARENT.exec(read('traceparent')?.trim() ?? '') ?? [];
  if (traceId === undefined || spanId === undefined || flags === undefined) return ROOT_CONTEXT;
  if (version === '00' && more !== undefined) return ROOT_CONTEXT;
  const state = read('tracestate') ?? '';
  return trace.setSpanContext(ROOT_CONTEXT, {
    traceId,
    spanId,
    traceFlags: Number.parseInt(flags, 16) & TraceFlags.SAMPLED,
    isRemote: true,
    ...(state !== '' && state.length <= LONGEST_STATE ? { traceState: createTraceState(state) } : {}),
  });
}
