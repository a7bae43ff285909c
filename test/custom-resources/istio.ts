// The fields of Istio's resources that deploy/ uses, from its API reference (security.istio.io/v1, networking.istio.io/v1).

const metadata = {
  type: 'object',
  additionalProperties: false,
  required: ['name'],
  properties: {
    name: { type: 'string' },
    namespace: { type: 'string' },
    labels: { type: 'object', additionalProperties: { type: 'string' } },
    annotations: { type: 'object', additionalProperties: { type: 'string' } },
  },
};

const resource = (apiVersion: string, kind: string, spec: object) => ({
  type: 'object',
  additionalProperties: false,
  required: ['apiVersion', 'kind', 'metadata', 'spec'],
  properties: { apiVersion: { const: apiVersion }, kind: { const: kind }, metadata, spec },
});

const object = (properties: object, required: string[] = []) => ({
  type: 'object',
  additionalProperties: false,
  properties,
  required,
});

const mtls = object({ mode: { enum: ['UNSET', 'DISABLE', 'PERMISSIVE', 'STRICT'] } }, ['mode']);
const duration = { type: 'string', pattern: '^\\d+(ms|s|m|h)$' };
const destination = object({ host: { type: 'string' }, port: object({ number: { type: 'integer' } }, ['number']) }, [
  'host',
]);

export const schemas = {
  'security.istio.io/v1/PeerAuthentication': resource(
    'security.istio.io/v1',
    'PeerAuthentication',
    object({
      selector: object({ matchLabels: { type: 'object', additionalProperties: { type: 'string' } } }),
      mtls,
      portLevelMtls: { type: 'object', additionalProperties: mtls },
    }),
  ),
  'networking.istio.io/v1/VirtualService': resource(
    'networking.istio.io/v1',
    'VirtualService',
    object(
      {
        hosts: { type: 'array', items: { type: 'string' }, minItems: 1 },
        http: {
          type: 'array',
          items: object({
            route: { type: 'array', items: object({ destination }, ['destination']) },
            retries: object({ attempts: { type: 'integer', minimum: 0 } }),
            timeout: duration,
          }),
        },
      },
      ['hosts'],
    ),
  ),
};
