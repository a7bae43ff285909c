import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { findEnvironmentProblems, serviceOf } from './container-environment.ts';
import type { Container, KubernetesObject, Probe } from './kubernetes-objects.ts';
import { findReferenceProblems } from './manifest-references.ts';
import { addressIn, matches, toOperatedWorkload, toWorkload, type Workload } from './manifest-workloads.ts';
import { type Arrow, findArrowProblems } from './network-arrows.ts';

const PROBES = ['startupProbe', 'livenessProbe', 'readinessProbe'] as const;
const SECRET_KEY = /PASSWORD|TOKEN|SECRET/;
/** A URL with a user part that is not taken from elsewhere: `mysql://user:secret@host`, `nats://secret@host`. */
const SECRET_IN_URL = /:\/\/(?:[^:@/]*:)?(?!\$\()[^:@/$]+@/;

/** Photos are only read; those that are uploaded, one service writes. */
const MAY_WRITE = 'Deployment/receiver uploads';

/** What is wrong with rendered Kubernetes objects beyond their schemas: what does not fit together. */
export function findManifestProblems(objects: readonly KubernetesObject[]): string[] {
  const workloads = objects.flatMap(toWorkload);
  const callable = [...workloads, ...objects.flatMap(toOperatedWorkload)];
  return [
    ...objects.flatMap(findClearSecrets),
    ...objects.flatMap((object) => findServiceProblems(object, callable)),
    ...findReferenceProblems(objects, workloads),
    ...findArrowProblems(objects, workloads, findArrows(objects, callable)),
    ...workloads.flatMap((workload) => [
      ...findSelectorProblems(workload, objects),
      ...findPodProblems(workload),
      ...findVolumeProblems(workload, objects),
      ...workload.containers.flatMap((container) => [
        ...findContainerProblems(workload, container),
        ...findConfigProblems(workload, container, objects),
      ]),
      ...workload.pod.containers.flatMap((container) => findProbeProblems(workload, container)),
    ]),
  ];
}

function findClearSecrets(object: KubernetesObject): string[] {
  const label = `${object.kind}/${object.metadata.name}`;
  if (object.kind === 'Secret') return [`${label}: a Secret belongs into the cluster, not into the manifests`];
  const values = [
    ...Object.entries(object.data ?? {}),
    ...toWorkload(object).flatMap(({ containers }) =>
      containers.flatMap(({ env = [] }) =>
        env.flatMap(({ name, value }): [string, string][] => (value === undefined ? [] : [[name, value]])),
      ),
    ),
  ];
  return values
    .filter(([key, value]) => SECRET_KEY.test(key) || SECRET_IN_URL.test(value))
    .map(([key]) => `${label}: ${key} is a secret in clear`);
}

function findServiceProblems(object: KubernetesObject, workloads: readonly Workload[]): string[] {
  if (object.kind !== 'Service') return [];
  const label = `Service/${object.metadata.name}`;
  const selected = workloads.filter(({ labels }) => matches(object.spec?.selector, labels));
  if (selected.length !== 1) return [`${label}: selects ${selected.length} workloads`];
  const ports = selected.flatMap(({ pod }) => pod.containers.flatMap((container) => container.ports ?? []));
  return (object.spec?.ports ?? []).flatMap(({ name, port, targetPort }) => {
    const target = ports.find((candidate) => candidate.name === targetPort || candidate.containerPort === targetPort);
    if (target === undefined) return [`${label}: no container has the port ${targetPort}`];
    return target.containerPort === port ? [] : [`${label}: ${name} is ${port}, but ${target.containerPort} inside`];
  });
}

function findSelectorProblems({ label, object, labels }: Workload, objects: readonly KubernetesObject[]): string[] {
  if (object.kind === 'Pod' || object.kind === 'Job') return [];
  const problems = matches(object.spec?.selector?.matchLabels, labels)
    ? []
    : [`${label}: its selector does not match its pods`];
  if (object.kind !== 'StatefulSet') return problems;
  const governing = objects.find(
    ({ kind, metadata }) => kind === 'Service' && metadata.name === object.spec?.serviceName,
  );
  return governing?.spec?.clusterIP === 'None' ? problems : [...problems, `${label}: it has no headless service`];
}

function findPodProblems({ label, pod }: Workload): string[] {
  const { securityContext } = pod;
  const wanted: [boolean, string][] = [
    [securityContext?.runAsNonRoot === true && (securityContext.runAsUser ?? 0) > 0, 'it may run as root'],
    [securityContext?.seccompProfile?.type === 'RuntimeDefault', 'it has no seccomp profile'],
    [pod.automountServiceAccountToken === false, 'it gets a service account token'],
    [pod.enableServiceLinks === false, 'service links would set keys of ours, such as RECEIVER_PORT=tcp://…'],
  ];
  return wanted.filter(([fine]) => !fine).map(([, problem]) => `${label}: ${problem}`);
}

function findVolumeProblems({ label, object, pod, containers }: Workload, objects: readonly KubernetesObject[]) {
  const volumes = new Set([
    ...(pod.volumes ?? []).map(({ name }) => name),
    ...(object.spec?.volumeClaimTemplates ?? []).map(({ metadata }) => metadata.name),
  ]);
  const mounts = containers.flatMap(({ volumeMounts = [] }) => volumeMounts);
  const mounted = new Set(mounts.map(({ name }) => name));
  const claims = (pod.volumes ?? []).filter(({ persistentVolumeClaim }) => persistentVolumeClaim !== undefined);
  const claimsOf = (name: string) =>
    objects.find(({ kind, metadata }) => kind === 'PersistentVolumeClaim' && metadata.name === name);
  return [
    ...[...mounted].filter((name) => !volumes.has(name)).map((name) => `${label}: there is no volume ${name}`),
    ...[...volumes].filter((name) => !mounted.has(name)).map((name) => `${label}: nobody mounts the volume ${name}`),
    ...claims.flatMap(({ name, persistentVolumeClaim: { claimName } = { claimName: '' } }) => {
      const claim = claimsOf(claimName);
      if (claim === undefined) return [`${label}: there is no claim ${claimName}`];
      const writes = mounts.some((mount) => mount.name === name && mount.readOnly !== true);
      return [
        ...(claim.spec?.accessModes?.includes('ReadWriteMany') ? [] : [`${label}: ${claimName} is for one node only`]),
        ...(object.kind === 'Deployment' && writes && `${label} ${claimName}` !== MAY_WRITE
          ? [`${label}: ${claimName} is not read-only`]
          : []),
      ];
    }),
  ];
}

function findContainerProblems({ label }: Workload, container: Container): string[] {
  const { securityContext, resources } = container;
  const wanted: [boolean, string][] = [
    [/:\d+\.\d+\.\d+(-[a-z0-9.]+)?$/.test(container.image), `the image ${container.image} has no version`],
    [securityContext?.allowPrivilegeEscalation === false, 'it may gain privileges'],
    [securityContext?.readOnlyRootFilesystem === true, 'its root file system can be written'],
    [securityContext?.capabilities?.drop?.includes('ALL') === true, 'it keeps capabilities'],
    [
      resources?.requests?.cpu !== undefined && resources.requests.memory !== undefined,
      'it requests no cpu and memory',
    ],
    [resources?.limits?.memory !== undefined, 'its memory has no limit'],
  ];
  return wanted.filter(([fine]) => !fine).map(([, problem]) => `${label} ${container.name}: ${problem}`);
}

/** What the Secret may hold under a key. */
function wordOf(key: string): string {
  const word = `word-of-${key}`;
  return key.endsWith('_HASH') ? createHash('sha256').update(word).digest('hex') : word;
}

/** The environment of a container as Kubernetes makes it; a value from a Secret becomes a word. */
function resolveEnvironment(container: Container, objects: readonly KubernetesObject[]) {
  const problems: string[] = [];
  const shared: Record<string, string> = {};
  for (const { configMapRef } of container.envFrom ?? []) {
    const map = objects.find(({ kind, metadata }) => kind === 'ConfigMap' && metadata.name === configMapRef?.name);
    if (map === undefined) problems.push(`there is no ConfigMap ${configMapRef?.name}`);
    Object.assign(shared, map?.data);
  }
  const own: Record<string, string> = {};
  const interpolated: string[] = [];
  for (const { name, value, valueFrom } of container.env ?? []) {
    // Kubernetes puts in only what stands above, and leaves the rest as it is.
    own[name] = (value ?? wordOf(String(valueFrom?.secretKeyRef?.key))).replace(
      /\$\((\w+)\)/g,
      (reference, key: string) => {
        interpolated.push(key);
        if (own[key] === undefined) problems.push(`${name}: ${reference} is not set above it`);
        return own[key] ?? reference;
      },
    );
  }
  return { own, shared, interpolated, problems };
}

function findConfigProblems({ label, pod }: Workload, container: Container, objects: readonly KubernetesObject[]) {
  if (!container.image.startsWith('faceflow:')) return [];
  const at = `${label} ${container.name}`;
  const service = serviceOf(container.command);
  if (service === undefined) return [`${at}: ${container.command?.join(' ')} starts nothing`];
  const { own, shared, interpolated, problems } = resolveEnvironment(container, objects);
  const set = [own[`${service.toUpperCase()}_PORT`], own.METRICS_PORT].filter((port) => port !== undefined);
  const ports = (container.ports ?? []).map(({ containerPort }) => String(containerPort));
  const pauseSeconds = Number(container.lifecycle?.preStop?.exec?.command[1] ?? 0);
  const stopMs = pauseSeconds * 1000 + Number(shared.SHUTDOWN_TIMEOUT_MS ?? 25_000);
  return [
    ...problems.map((problem) => `${at}: ${problem}`),
    ...findEnvironmentProblems(at, service, { own, shared, interpolated }),
    ...(service === 'sql' || (set.length > 0 && ports.join() === set.join())
      ? []
      : [`${at}: port ${ports}, but ${set} is set`]),
    ...((pod.terminationGracePeriodSeconds ?? 30) * 1000 > stopMs ? [] : [`${at}: is killed before it can stop`]),
    ...Object.entries(own).flatMap(([key, value]) => findAddressProblems(`${at}: ${key}`, value, objects)),
  ];
}

/** An address must be that of a Service with that port. */
function findAddressProblems(label: string, value: string, objects: readonly KubernetesObject[]): string[] {
  const { host, port } = addressIn(value) ?? {};
  if (host === undefined || port === undefined) return [];
  const service = objects.find(({ kind, metadata }) => kind === 'Service' && metadata.name === host);
  if (service === undefined) return [`${label}: there is no Service ${host}`];
  return service.spec?.ports?.some((candidate) => String(candidate.port) === port)
    ? []
    : [`${label}: the Service ${host} has no port ${port}`];
}

/** Who calls whom, by the addresses in the containers' environment. */
function findArrows(objects: readonly KubernetesObject[], workloads: readonly Workload[]): Arrow[] {
  return workloads.flatMap((from) =>
    from.containers.flatMap((container) => {
      const { own, shared } = resolveEnvironment(container, objects);
      return Object.values({ ...shared, ...own }).flatMap((value) => {
        const { host, port } = addressIn(value) ?? {};
        const service = objects.find(({ kind, metadata }) => kind === 'Service' && metadata.name === host);
        return workloads
          .filter(({ labels }) => matches(service?.spec?.selector, labels))
          .map((to): Arrow => ({ from, to, port: Number(port) }));
      });
    }),
  );
}

function findProbeProblems({ label, object }: Workload, container: Container): string[] {
  if (object.kind === 'Pod' || object.kind === 'Job') return [];
  const ports = (container.ports ?? []).flatMap(({ name, containerPort }) => [name, containerPort]);
  const service = serviceOf(container.command);
  return PROBES.flatMap((name) => {
    const probe: Probe | undefined = container[name];
    const handlers = [probe?.httpGet, probe?.grpc, probe?.tcpSocket, probe?.exec].filter(Boolean);
    if (handlers.length !== 1) return [`${label}: ${name} has ${handlers.length} handlers`];
    const port = probe?.httpGet?.port ?? probe?.grpc?.port ?? probe?.tcpSocket?.port;
    const path = service === undefined ? undefined : probe?.httpGet?.path;
    return [
      ...(port === undefined || ports.includes(port) ? [] : [`${label}: ${name} asks port ${port}`]),
      ...(path === undefined || answers(service as string, path) ? [] : [`${label}: ${name} asks ${path}`]),
    ];
  });
}

/** Whether the service's source, or the health server that it uses, names the path. */
function answers(service: string, path: string): boolean {
  const sources = ['lib/health.ts', ...sourcesBelow(service)];
  return sources.some((file) => readFileSync(new URL(`../${file}`, import.meta.url), 'utf8').includes(`'${path}'`));
}

function sourcesBelow(service: string): string[] {
  return readdirSync(new URL(`../${service}/`, import.meta.url), { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.ts') && !file.endsWith('.test.ts') && !file.startsWith('web/'))
    .map((file) => `${service}/${file}`);
}
