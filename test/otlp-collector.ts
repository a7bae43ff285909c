import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { loadSync, type MethodDefinition } from '@grpc/proto-loader';

export interface CollectedSpan {
  /** `service.name` of the process that it comes from. */
  readonly service: string;
  readonly traceId: string;
  readonly spanId: string;
  /** Empty: a root. */
  readonly parentId: string;
  readonly name: string;
  readonly kind: 'INTERNAL' | 'SERVER' | 'CLIENT' | 'PRODUCER' | 'CONSUMER';
  /** ns since 1970 */
  readonly start: bigint;
  readonly end: bigint;
  readonly attributes: Readonly<Record<string, string | number | boolean>>;
  /** Traces that it is linked to. */
  readonly links: readonly string[];
  readonly error: string | null;
}

export interface Collector {
  readonly url: string;
  readonly spans: readonly CollectedSpan[];
  /** What was not as the protocol wants it. */
  readonly complaints: readonly string[];
  /** From now on it takes connections, and answers nothing. */
  hang(): void;
  /** It answers again. */
  recover(): void;
  close(): Promise<void>;
}

const service = loadSync(fileURLToPath(new URL('./otlp.proto', import.meta.url)), {
  longs: String,
  enums: String,
  oneofs: true,
})['opentelemetry.proto.TraceService'] as unknown as { Export: MethodDefinition<object, object> };
const { requestDeserialize, requestSerialize, responseSerialize } = service.Export;

/** A collector of OTLP over http/protobuf, on loopback, that takes spans only with the header that it was promised. */
export async function startCollector(authorization: string): Promise<Collector> {
  const spans: CollectedSpan[] = [];
  const complaints: string[] = [];
  let hanging = false;
  const server = createServer(async (request, response) => {
    const body = await buffer(request);
    if (hanging) return;
    const complaint = complainAbout(request, body, authorization);
    if (complaint !== null) return refuse(response, complaint);
    spans.push(...readSpans(requestDeserialize(body) as ExportRequest));
    response.writeHead(200, { 'content-type': 'application/x-protobuf' }).end(responseSerialize({}));
  });
  const refuse = (response: ServerResponse, complaint: string) => {
    complaints.push(complaint);
    response.writeHead(400).end(complaint);
  };
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    spans,
    complaints,
    hang() {
      hanging = true;
    },
    recover() {
      hanging = false;
      server.closeAllConnections();
    },
    async close() {
      server.close();
      server.closeAllConnections();
    },
  };
}

function complainAbout({ method, url, headers }: IncomingMessage, body: Buffer, authorization: string): string | null {
  if (method !== 'POST' || url !== '/v1/traces') return `${method} ${url}`;
  if (headers['content-type'] !== 'application/x-protobuf') return `content-type ${headers['content-type']}`;
  if (headers.authorization !== authorization) return 'no authorization';
  try {
    // A field that the protocol does not have would be left out.
    const known = requestSerialize(requestDeserialize(body)).length;
    return known === body.length ? null : `${body.length} bytes, of which ${known} are known`;
  } catch (error) {
    return String(error);
  }
}

interface AnyValue {
  stringValue?: string;
  boolValue?: boolean;
  intValue?: string;
  doubleValue?: number;
}
interface KeyValue {
  key: string;
  value: AnyValue;
}
interface ExportRequest {
  resourceSpans: { resource: { attributes: KeyValue[] }; scopeSpans: { spans: OtlpSpan[] }[] }[];
}
interface OtlpSpan {
  traceId: Buffer;
  spanId: Buffer;
  parentSpanId?: Buffer;
  name: string;
  kind: `SPAN_KIND_${CollectedSpan['kind']}`;
  startTimeUnixNano: string;
  endTimeUnixNano: string;
  attributes?: KeyValue[];
  links?: { traceId: Buffer }[];
  status?: { code?: string; message?: string };
}

function readSpans({ resourceSpans }: ExportRequest): CollectedSpan[] {
  return resourceSpans.flatMap(({ resource, scopeSpans }) => {
    const from = String(readAttributes(resource.attributes)['service.name']);
    return scopeSpans.flatMap(({ spans }) => spans.map((span) => readSpan(span, from)));
  });
}

function readSpan(span: OtlpSpan, from: string): CollectedSpan {
  const { code, message = '' } = span.status ?? {};
  return {
    service: from,
    traceId: span.traceId.toString('hex'),
    spanId: span.spanId.toString('hex'),
    parentId: span.parentSpanId?.toString('hex') ?? '',
    name: span.name,
    kind: span.kind.replace('SPAN_KIND_', '') as CollectedSpan['kind'],
    start: BigInt(span.startTimeUnixNano),
    end: BigInt(span.endTimeUnixNano),
    attributes: readAttributes(span.attributes),
    links: (span.links ?? []).map(({ traceId }) => traceId.toString('hex')),
    error: code === 'STATUS_CODE_ERROR' ? message : null,
  };
}

function readAttributes(given: readonly KeyValue[] = []): Record<string, string | number | boolean> {
  return Object.fromEntries(given.map(({ key, value }) => [key, readValue(value)]));
}

function readValue({ stringValue, boolValue, intValue, doubleValue }: AnyValue): string | number | boolean {
  return stringValue ?? boolValue ?? (intValue === undefined ? undefined : Number(intValue)) ?? doubleValue ?? '';
}

/** One line a span, `service KIND name`, indented below its parent, in the order of their beginnings. */
export function drawTrace(spans: readonly CollectedSpan[]): string {
  const ids = new Set(spans.map(({ spanId }) => spanId));
  const byStart = (a: CollectedSpan, b: CollectedSpan) => (a.start < b.start ? -1 : a.start > b.start ? 1 : 0);
  const draw = (span: CollectedSpan, indent: string): string[] => [
    `${indent}${span.service.replace('faceflow-', '')} ${span.kind} ${span.name}`,
    ...spans
      .filter(({ parentId }) => parentId === span.spanId)
      .sort(byStart)
      .flatMap((child) => draw(child, `${indent}  `)),
  ];
  const roots = spans.filter(({ parentId }) => !ids.has(parentId)).sort(byStart);
  return roots.flatMap((root) => draw(root, '')).join('\n');
}
