import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { choice, url } from './env.ts';
import type { Log } from './log.ts';
import { beginRecording } from './spans.ts';
import { ATTRIBUTES } from './trace-names.ts';

const SAMPLERS = [
  'parentbased_always_on',
  'parentbased_traceidratio',
  'parentbased_always_off',
  'always_on',
  'traceidratio',
  'always_off',
] as const;

/** `key=value,key=value`, values percent-encoded, as OpenTelemetry's own keys are. */
function pairs(example: string) {
  const expected = `pairs like ${example}`;
  return z
    .string()
    .regex(/^\s*[^=,\s]+\s*=[^,]*(,\s*[^=,\s]+\s*=[^,]*)*,?\s*$/, expected)
    .refine((value) => !/%(?![0-9a-fA-F]{2})/.test(value), expected)
    .optional();
}

/** The environment keys of every service that takes part in traces: those of OpenTelemetry. */
export const tracingKeys = {
  /** Where spans are sent, OTLP over http/protobuf; without it none are recorded. */
  OTEL_EXPORTER_OTLP_ENDPOINT: url(['http:', 'https:'], 'http://collector:4318').optional(),
  OTEL_EXPORTER_OTLP_HEADERS: pairs('authorization=Bearer%20…'),
  OTEL_SERVICE_NAME: z.string().optional(),
  OTEL_RESOURCE_ATTRIBUTES: pairs('deployment.environment.name=production'),
  OTEL_TRACES_SAMPLER: choice(SAMPLERS),
  OTEL_TRACES_SAMPLER_ARG: z
    .string()
    .regex(/^(0(\.\d+)?|1(\.0+)?)$/, 'a number from 0 to 1')
    .transform(Number)
    .default(1),
};

export type TracingConfig = z.infer<z.ZodObject<typeof tracingKeys>>;

export interface Tracing {
  /** Sends what is left, for a second at the most: nobody waits for a collector that is away. */
  close(): Promise<void>;
}

const LAST_SPANS_MS = 1_000;

/**
 * With OTEL_EXPORTER_OTLP_ENDPOINT spans are recorded from now on, and sent there. Without it nothing of the SDK is loaded:
 * ids go from service to service, and into the logs, all the same (spans.ts).
 *
 * @param service the spans come from `faceflow-<service>` unless OTEL_SERVICE_NAME says otherwise
 */
export async function startTracing(service: string, config: TracingConfig, log: Log): Promise<Tracing> {
  const { OTEL_EXPORTER_OTLP_ENDPOINT: endpoint } = config;
  if (endpoint === undefined) return { close: async () => {} };
  const { recordSpans } = await import('./record-spans.ts');
  const provider = recordSpans({
    endpoint,
    headers: readPairs(config.OTEL_EXPORTER_OTLP_HEADERS),
    sampler: config.OTEL_TRACES_SAMPLER,
    ratio: config.OTEL_TRACES_SAMPLER_ARG,
    resource: {
      [ATTRIBUTES.serviceNamespace]: 'faceflow',
      [ATTRIBUTES.serviceName]: `faceflow-${service}`,
      [ATTRIBUTES.serviceInstance]: randomUUID(),
      [ATTRIBUTES.processId]: process.pid,
      [ATTRIBUTES.hostName]: hostname(),
      ...readPairs(config.OTEL_RESOURCE_ATTRIBUTES),
      ...(config.OTEL_SERVICE_NAME && { [ATTRIBUTES.serviceName]: config.OTEL_SERVICE_NAME }),
    },
    log,
  });
  beginRecording();
  log.info({ to: new URL(endpoint).host, sampler: config.OTEL_TRACES_SAMPLER }, 'traces are recorded');
  return {
    async close() {
      // That nobody takes them has been said.
      const sent = provider.shutdown().catch((error: unknown) => log.debug({ err: error }, 'the last spans are lost'));
      await Promise.race([sent, sleep(LAST_SPANS_MS)]);
    },
  };
}

function readPairs(text = ''): Record<string, string> {
  const entries = text.split(',').flatMap((pair) => {
    const [key = '', ...value] = pair.split('=');
    return key.trim() === '' ? [] : [[key.trim(), decodeURIComponent(value.join('=').trim())]];
  });
  return Object.fromEntries(entries);
}
