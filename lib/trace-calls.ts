import { Metadata, type ServiceError, status } from '@grpc/grpc-js';
import { SpanKind } from '@opentelemetry/api';
import { failSpan, inSpan, traceHeaders } from './spans.ts';
import { ATTRIBUTES } from './trace-names.ts';
import { type ReadHeader, readTrace } from './traceparent.ts';

/** @param method as in the path, e.g. `facerecog.Identify/Match` */
const describe = (method: string) => ({ [ATTRIBUTES.rpcSystem]: 'grpc', [ATTRIBUTES.rpcMethod]: method });

/** Makes a gRPC call as a span. @param call is given the metadata that it must send */
export function traceCall<Response>(
  method: string,
  call: (metadata: Metadata) => Promise<Response>,
): Promise<Response> {
  return inSpan(method, { kind: SpanKind.CLIENT, attributes: describe(method) }, async (span) => {
    const metadata = new Metadata();
    for (const [name, value] of Object.entries(traceHeaders())) metadata.set(name, value);
    try {
      const response = await call(metadata);
      span.setAttribute(ATTRIBUTES.rpcStatus, 'OK');
      return response;
    } catch (error) {
      const { code } = error as ServiceError;
      span.setAttribute(ATTRIBUTES.rpcStatus, status[code] ?? 'UNKNOWN');
      throw error;
    }
  });
}

/** By the conventions these, of a server's answers, say that the server is at fault. */
const FAULTS = new Set([
  status.UNKNOWN,
  status.DEADLINE_EXCEEDED,
  status.UNIMPLEMENTED,
  status.INTERNAL,
  status.UNAVAILABLE,
  status.DATA_LOSS,
]);

/**
 * Answers a gRPC call as a span of the trace that its metadata names, or of a new one.
 *
 * @param answer returns the error that it answered with, null for none; throws nothing
 */
export function traceAnswer(
  method: string,
  metadata: Metadata,
  answer: () => Promise<Partial<ServiceError> | null>,
): Promise<void> {
  const header: ReadHeader = (name) => metadata.get(name)[0]?.toString();
  const settings = { parent: readTrace(header), kind: SpanKind.SERVER, attributes: describe(method) };
  return inSpan(method, settings, async (span) => {
    const error = await answer();
    const code = error === null ? status.OK : (error.code ?? status.UNKNOWN);
    span.setAttribute(ATTRIBUTES.rpcStatus, status[code]);
    if (FAULTS.has(code)) failSpan(span, { code: status[code], message: error?.details });
  });
}
