import { type Container, findOperatedPods, type KubernetesObject, type PodSpec } from './kubernetes-objects.ts';

/** Whatever has pods. */
export interface Workload {
  /** `Deployment/receiver` */
  label: string;
  object: KubernetesObject;
  /** Of its pods. */
  labels: Record<string, string>;
  pod: PodSpec;
  /** Those that only begin, and those that stay. */
  containers: Container[];
}

export function toWorkload(object: KubernetesObject): Workload[] {
  const isPod = object.kind === 'Pod';
  const pod = isPod ? (object.spec as unknown as PodSpec) : object.spec?.template?.spec;
  if (pod === undefined) return [];
  const labels = (isPod ? object.metadata.labels : object.spec?.template?.metadata.labels) ?? {};
  const containers = [...(pod.initContainers ?? []), ...pod.containers];
  return [{ label: `${object.kind}/${object.metadata.name}`, object, labels, pod, containers }];
}

/** Pods that an operator makes: of others' calls they are the end, and nothing of ours is in them. */
export function toOperatedWorkload(object: KubernetesObject): Workload[] {
  return findOperatedPods(object).map(({ label, labels, ports }) => {
    const container: Container = { name: label, image: '', ports };
    return { label, object, labels, pod: { containers: [container] }, containers: [] };
  });
}

export function matches(selector: Record<string, string> | undefined, labels: Record<string, string>): boolean {
  return selector !== undefined && Object.entries(selector).every(([key, value]) => labels[key] === value);
}

/** A label selector, as policies, budgets and monitors have it. */
export interface Selector {
  matchLabels?: Record<string, string>;
  matchExpressions?: { key: string; operator: string; values?: string[] }[];
}

export function selects(
  { matchLabels = {}, matchExpressions = [] }: Selector,
  labels: Record<string, string>,
): boolean {
  const fits = matchExpressions.every(({ key, operator, values = [] }) => {
    if (operator !== 'In') throw new Error(`The check does not know the operator ${operator}: teach it.`);
    return values.includes(labels[key] ?? '');
  });
  return fits && matches(matchLabels, labels);
}

/** The host and port that a value of the environment names: a URL, `host:port` or a gRPC target. */
export function addressIn(value: string): { host: string; port: string } | undefined {
  const [, host, port] = /^(?:\w+:\/\/\/?(?:[^@/]+@)?)?([a-z][\w.-]*):(\d+)(?:\/|$)/.exec(value) ?? [];
  return host === undefined || port === undefined ? undefined : { host, port };
}
