import type { Container, KubernetesObject } from './kubernetes-objects.ts';
import { type Selector, selects, type Workload } from './manifest-workloads.ts';

interface Backend {
  service: { name: string; port: { name?: string; number?: number } };
}

interface IngressSpec {
  tls?: { hosts: string[] }[];
  rules: { host: string; http: { paths: { backend: Backend }[] } }[];
}

interface MonitorSpec {
  selector: Selector;
  endpoints?: { port?: string }[];
  podMetricsEndpoints?: { port?: string }[];
}

/** What points at something that is not there, beyond pods and their Services. */
export function findReferenceProblems(objects: readonly KubernetesObject[], workloads: readonly Workload[]): string[] {
  return [
    ...workloads.flatMap((workload) => findAccountProblems(workload, objects)),
    ...workloads.flatMap(findRolloutProblems),
    ...objects.flatMap((object) => {
      const problems = findProblemsOf(object, objects, workloads);
      return problems.map((problem) => `${object.kind}/${object.metadata.name}: ${problem}`);
    }),
  ];
}

function findProblemsOf(
  object: KubernetesObject,
  objects: readonly KubernetesObject[],
  workloads: readonly Workload[],
): string[] {
  const spec = object.spec as unknown;
  switch (object.kind) {
    case 'Role':
    case 'ClusterRole':
    case 'RoleBinding':
    case 'ClusterRoleBinding':
      return ['nothing here asks the Kubernetes API: no account needs rights'];
    case 'ServiceAccount':
      return object.automountServiceAccountToken === false ? [] : ['it gives its token to pods'];
    case 'PodDisruptionBudget': {
      const selected = workloads.filter(({ labels }) => selects(object.spec?.selector as Selector, labels));
      return selected.length === 1 ? [] : [`selects ${selected.length} workloads`];
    }
    case 'Ingress':
      return findIngressProblems(spec as IngressSpec, objects);
    case 'HorizontalPodAutoscaler':
    case 'ScaledObject': {
      const { scaleTargetRef } = spec as { scaleTargetRef: { kind?: string; name: string } };
      const target = `${scaleTargetRef.kind ?? 'Deployment'}/${scaleTargetRef.name}`;
      const scaled = workloads.find(({ label }) => label === target);
      if (scaled === undefined) return [`there is no ${target}`];
      // Each `kubectl apply` would set it again.
      return scaled.object.spec?.replicas === undefined ? [] : [`${target} has a number of replicas of its own`];
    }
    case 'ServiceMonitor':
    case 'PodMonitor':
      return findMonitorProblems(object.kind, spec as MonitorSpec, objects, workloads);
    default:
      return [];
  }
}

function findAccountProblems({ label, object, pod }: Workload, objects: readonly KubernetesObject[]): string[] {
  if (object.kind === 'Pod') return [];
  const name = pod.serviceAccountName;
  const isOurs = pod.containers.some(({ image }) => image.includes('faceflow'));
  if (name === undefined) return isOurs ? [`${label}: it runs under the account "default"`] : [];
  const exists = objects.some(({ kind, metadata }) => kind === 'ServiceAccount' && metadata.name === name);
  return exists ? [] : [`${label}: there is no ServiceAccount ${name}`];
}

function findRolloutProblems({ label, object, pod }: Workload): string[] {
  const [image = ''] = pod.containers.map((container: Container) => container.image);
  if (object.kind === 'Deployment' && object.spec?.strategy?.rollingUpdate?.maxUnavailable !== 0)
    return [`${label}: a new version may leave fewer replicas than there were`];
  if (object.kind !== 'Job') return [];
  // A Job cannot be changed: another image under the same name would be refused.
  const tag = image.replace(/.*:/, '');
  return [
    ...(!image.includes('faceflow') || object.metadata.name.endsWith(`-${tag}`)
      ? []
      : [`${label}: its name does not end with its version, ${tag}`]),
    ...(object.spec?.ttlSecondsAfterFinished === undefined ? [`${label}: it stays for ever`] : []),
  ];
}

function findIngressProblems({ tls = [], rules }: IngressSpec, objects: readonly KubernetesObject[]): string[] {
  const secured = new Set(tls.flatMap(({ hosts }) => hosts));
  const [publicUrl] = objects.flatMap(({ kind, data }) => (kind === 'ConfigMap' ? (data?.PUBLIC_URL ?? []) : []));
  const hosts = rules.map(({ host }) => host);
  return [
    ...hosts.filter((host) => !secured.has(host)).map((host) => `${host} has no TLS`),
    ...(publicUrl === undefined || hosts.includes(new URL(publicUrl).host) ? [] : [`it does not serve ${publicUrl}`]),
    ...rules
      .flatMap(({ http }) => http.paths)
      .flatMap(({ backend: { service } }) => {
        const found = objects.find(({ kind, metadata }) => kind === 'Service' && metadata.name === service.name);
        const { name, number } = service.port;
        return found?.spec?.ports?.some((port) => port.name === name || port.port === number)
          ? []
          : [`there is no Service ${service.name} with the port ${name ?? number}`];
      }),
  ];
}

/** Prometheus scrapes by the names of ports: of Services, or of containers. */
function findMonitorProblems(
  kind: string,
  { selector, endpoints, podMetricsEndpoints }: MonitorSpec,
  objects: readonly KubernetesObject[],
  workloads: readonly Workload[],
): string[] {
  const wanted = (endpoints ?? podMetricsEndpoints ?? []).map(({ port }) => port);
  const ports =
    kind === 'ServiceMonitor'
      ? objects
          .filter((object) => object.kind === 'Service' && selects(selector, object.metadata.labels ?? {}))
          .flatMap(({ spec }) => spec?.ports ?? [])
      : workloads
          .filter(({ labels }) => selects(selector, labels))
          .flatMap(({ pod }) => pod.containers.flatMap((container) => container.ports ?? []));
  return wanted
    .filter((name) => name !== undefined && !ports.some((port) => port.name === name))
    .map((name) => `nothing that it selects has the port ${name}`);
}
