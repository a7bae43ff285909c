import { trace } from '@opentelemetry/api';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-proto';
import { defaultResource, resourceFromAttributes } from '@opentelemetry/resources';
import {
  AlwaysOffSampler,
  AlwaysOnSampler,
  BasicTracerProvider,
  BatchSpanProcessor,
  ParentBasedSampler,
  type Sampler,
  type SpanExporter,
  TraceIdRatioBasedSampler,
} from '@opentelemetry/sdk-trace-node';
import { messageOf } from './errors.ts';
import type { Log } from './log.ts';
import type { TracingConfig } from './tracing.ts';

// Only tracing.ts imports this file, and only where spans are recorded: the SDK is loaded with it.

export interface RecordingOptions {
  /** Spans are sent to `<endpoint>/v1/traces`. */
  readonly endpoint: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly sampler: TracingConfig['OTEL_TRACES_SAMPLER'];
  /** 0..1: the share of traces that the samplers named after it record. */
  readonly ratio: number;
  readonly resource: Readonly<Record<string, string | number>>;
  readonly log: Log;
}

/** Has spans recorded, and sent in batches; what cannot be sent is lost, after at most 2,048 spans in memory. */
export function recordSpans(options: RecordingOptions): BasicTracerProvider {
  const url = `${options.endpoint.replace(/\/+$/, '')}/v1/traces`;
  const exporter = new OTLPTraceExporter({ url, headers: { ...options.headers } });
  const provider = new BasicTracerProvider({
    resource: defaultResource().merge(resourceFromAttributes(options.resource)),
    sampler: createSampler(options),
    spanProcessors: [new BatchSpanProcessor(tellOutages(exporter, options.log))],
  });
  trace.setGlobalTracerProvider(provider);
  return provider;
}

function createSampler({ sampler, ratio }: Pick<RecordingOptions, 'sampler' | 'ratio'>): Sampler {
  const [, parentBased, kind] = /^(parentbased_)?(.*)$/.exec(sampler) ?? [];
  const roots: Record<string, Sampler> = {
    always_on: new AlwaysOnSampler(),
    always_off: new AlwaysOffSampler(),
    traceidratio: new TraceIdRatioBasedSampler(ratio),
  };
  const root = roots[kind ?? ''] ?? new AlwaysOnSampler();
  return parentBased === undefined ? root : new ParentBasedSampler({ root });
}

/** Logs that spans are not taken: once an outage, not once a batch. The exporter itself tells nobody. */
function tellOutages(exporter: SpanExporter, log: Log): SpanExporter {
  let failing = false;
  return {
    export(spans, done) {
      exporter.export(spans, (result) => {
        const failed = result.code !== 0;
        if (failed && !failing) {
          log.warn(`traces are lost, nobody takes them: ${messageOf(result.error ?? new Error('no reason given'))}`);
        } else if (!failed && failing) log.info('traces are taken again');
        failing = failed;
        done(result);
      });
    },
    forceFlush: async () => exporter.forceFlush?.(),
    shutdown: () => exporter.shutdown(),
  };
}
