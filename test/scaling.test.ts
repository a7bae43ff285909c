import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { ScaledObject } from '@kubernetes-models/keda/keda.sh/v1alpha1/ScaledObject';
import { HorizontalPodAutoscaler } from 'kubernetes-models/autoscaling/v2/HorizontalPodAutoscaler';
import { expect, test } from 'vitest';
import { parse, parseAllDocuments } from 'yaml';

const k8s = (path: string) => fileURLToPath(new URL(`../deploy/k8s/${path}`, import.meta.url));
const load = (path: string) => parseAllDocuments(readFileSync(k8s(path), 'utf8')).map((it) => it.toJS());

interface Scaled {
  readonly metadata: { readonly name: string };
  readonly spec: {
    readonly scaleTargetRef: { readonly name: string };
    readonly minReplicaCount?: number;
    readonly triggers: readonly { readonly type: string; readonly metadata: Record<string, string> }[];
  };
}

const scaledObjects = () =>
  ['processor', 'recognizer'].flatMap((name) => load(`components/keda/${name}.yaml`) as Scaled[]);

test('what scales is of the form that KEDA and Kubernetes want, and names a deployment of ours', () => {
  for (const object of scaledObjects()) new ScaledObject(object as never).validate();
  const autoscalers = load('components/hpa/autoscalers.yaml') as Scaled[];
  for (const object of autoscalers) new HorizontalPodAutoscaler(object as never).validate();
  for (const { metadata, spec } of [...scaledObjects(), ...autoscalers]) {
    expect(spec.scaleTargetRef.name).toBe(metadata.name);
    expect(existsSync(k8s(`base/${metadata.name}.yaml`))).toBe(true);
  }
});

test('KEDA asks for the queue that the services use, where NATS tells of it, and stops processors only', () => {
  const [processor, recognizer] = scaledObjects();
  const queue = processor?.spec.triggers.find(({ type }) => type === 'nats-jetstream')?.metadata;
  const { configMapGenerator } = parse(readFileSync(k8s('base/kustomization.yaml'), 'utf8'));
  expect(configMapGenerator[0].literals).toEqual(
    expect.arrayContaining([`IMAGES_STREAM=${queue?.stream}`, `IMAGES_CONSUMER=${queue?.consumer}`]),
  );
  const [host, port] = queue?.natsServerMonitoringEndpoint?.split(':') ?? [];
  expect(host).toMatch(/^nats\./);
  expect(readFileSync(k8s('../nats/nats.conf'), 'utf8')).toContain(`http_port: ${port}`);
  const [service] = load('base/nats.yaml');
  expect(service.spec.ports).toContainEqual(expect.objectContaining({ port: Number(port) }));
  expect(processor?.spec.minReplicaCount).toBe(0);
  expect(recognizer?.spec.minReplicaCount).toBe(1);
});
