import { randomUUID } from 'node:crypto';
import {
  type Attributes,
  type Context,
  context,
  createContextKey,
  ROOT_CONTEXT,
  type Span,
  type SpanContext,
  type SpanOptions,
  SpanStatusCode,
  TraceFlags,
  trace,
} from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import { messageOf } from './errors.ts';
import { ATTRIBUTES } from './trace-names.ts';
import { formatTrace, type TraceHeaders } from './traceparent.ts';

const tracer = trace.getTracer('faceflow');
let recording = false;

/** From now on spans are those of the tracer; until then they are nothing but the ids of their parents. */
export function beginRecording(): void {
  recording = true;
}

/** From now on what is done knows what it belongs to, across everything that it waits for. Of a process as a whole. */
export function keepContexts(): void {
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
}

export interface SpanSettings extends SpanOptions {
  /** What the span belongs to; by default what is being done. */
  readonly parent?: Context;
}

/** A span has an id in any case: where nobody records it, and it belongs to nothing, a new one. */
export function startSpan(name: string, { parent = context.active(), ...options }: SpanSettings = {}): Span {
  return recording ? tracer.startSpan(name, options, parent) : startUnrecorded(parent);
}

/** An id, and nothing more: the parent's, or a new one. */
export function startUnrecorded(parent: Context = ROOT_CONTEXT): Span {
  const given = trace.getSpanContext(parent);
  return trace.wrapSpanContext(given ?? { traceId: randomHex(), spanId: randomHex(16), traceFlags: TraceFlags.NONE });
}

/** Of a UUID, because Node keeps random bytes in store for those: ten times as quick. Six bits of 128 are not random. */
function randomHex(digits = 32): string {
  return randomUUID().replaceAll('-', '').slice(-digits);
}

/** Does work as a span: what is logged and called in it belongs to it. It begins at once, and fails with what the work throws. */
export async function inSpan<Result>(
  name: string,
  settings: SpanSettings,
  work: (span: Span) => Promise<Result> | Result,
): Promise<Result> {
  const span = startSpan(name, settings);
  try {
    return await context.with(trace.setSpan(settings.parent ?? context.active(), span), work, undefined, span);
  } catch (error) {
    failSpan(span, error);
    throw error;
  } finally {
    span.end();
  }
}

/** Whether what is being done is recorded as a span. */
export function isRecorded(): boolean {
  return trace.getActiveSpan()?.isRecording() ?? false;
}

/**
 * Does a part of what is being done as a span, where that is recorded; otherwise just does it. `work` is called at once.
 *
 * @param settings asked for where there is a span
 */
export async function inPart<Result>(
  name: string,
  work: (span: Span | undefined) => Promise<Result> | Result,
  settings?: () => SpanOptions,
): Promise<Result> {
  if (!isRecorded()) return work(undefined);
  return inSpan(name, settings?.() ?? {}, work);
}

/** Notes why a span failed: no more of an error than the logs say. */
export function failSpan(span: Span, error: unknown): void {
  if (!span.isRecording()) return;
  const { code, name } = error as { code?: unknown; name?: unknown };
  span.setAttribute(ATTRIBUTES.errorType, String(code ?? name ?? typeof error));
  span.setStatus({ code: SpanStatusCode.ERROR, message: messageOf(error) });
}

/** Adds to the span of what is being done; what is undefined is left out. */
export function describeSpan(attributes: Attributes): void {
  trace.getActiveSpan()?.setAttributes(attributes);
}

/** As failSpan, of the span of what is being done. */
export function failActiveSpan(error: unknown): void {
  const span = trace.getActiveSpan();
  if (span !== undefined) failSpan(span, error);
}

/** Does work that belongs to nothing that is being done: its spans are the roots of new traces. */
export function outsideSpans<Result>(work: () => Result): Result {
  return context.with(ROOT_CONTEXT, work);
}

/** Does work under a trace id of its own, for its log lines and those of whom it calls; its spans are not recorded. */
export function underNewId<Result>(work: () => Result): Result {
  return context.with(trace.setSpan(ROOT_CONTEXT, startUnrecorded()), work);
}

const LINKED_TRACE = createContextKey('linked trace');

/** A root that log lines tell to have come of another trace. */
export function linkedTo(span: SpanContext): Context {
  return ROOT_CONTEXT.setValue(LINKED_TRACE, span.traceId);
}

/**
 * What the log lines of what is being done carry, with the names that OpenTelemetry gives to them: `trace_id`; `span_id`
 * where the span is recorded; `linked_trace_id` where the work was posted with other work, in a trace of its own.
 */
export function logIds(): Record<string, string> {
  const active = context.active();
  const span = trace.getSpan(active);
  if (span === undefined) return {};
  const { traceId, spanId } = span.spanContext();
  const linked = active.getValue(LINKED_TRACE) as string | undefined;
  return {
    trace_id: traceId,
    ...(span.isRecording() ? { span_id: spanId } : {}),
    ...(linked === undefined ? {} : { linked_trace_id: linked }),
  };
}

/** Headers that make what another service does belong to what is being done here. */
export function traceHeaders(): TraceHeaders {
  const span = trace.getActiveSpan();
  return span === undefined ? {} : formatTrace(span.spanContext());
}
