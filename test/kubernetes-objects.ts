import { readdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { Ajv } from 'ajv';

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
  serviceAccountName?: string;
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
  automountServiceAccountToken?: boolean;
  spec?: {
    clusterIP?: string;
    strategy?: { rollingUpdate?: { maxUnavailable?: number | string } };
    ttlSecondsAfterFinished?: number;
    replicas?: number;
    serviceName?: string;
    selector?: Record<string, string> & { matchLabels?: Record<string, string> };
    ports?: { name: string; port: number; targetPort: string | number }[];
    template?: { metadata: { labels: Record<string, string> }; spec: PodSpec };
    volumeClaimTemplates?: { metadata: { name: string } }[];
    accessModes?: string[];
  };
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

/** Kinds of which no package has the schema, by `group/version/Kind`. */
interface CustomResources {
  /** JSON schemas, in which unknown fields are refused (`additionalProperties: false`). */
  readonly schemas: Record<string, object>;
  /** Pods that an operator makes of a resource, as far as others call them. */
  readonly workloads?: Record<string, (object: KubernetesObject) => OperatedPods>;
}

export interface OperatedPods {
  readonly label: string;
  readonly labels: Record<string, string>;
  readonly ports: { name: string; containerPort: number }[];
}

const customResources = await loadCustomResources();
const ajv = new Ajv({ strict: true, allErrors: true });
const customSchemas = new Map(
  customResources.flatMap(({ schemas }) =>
    Object.entries(schemas).map(([kind, schema]) => [kind, ajv.compile(schema) as Validator] as const),
  ),
);

/** Every file in custom-resources/ exports some of them. */
async function loadCustomResources(): Promise<CustomResources[]> {
  const folder = new URL('custom-resources/', import.meta.url);
  const names = readdirSync(folder).filter((file) => file.endsWith('.ts'));
  return Promise.all(names.map(async (name) => (await import(new URL(name, folder).href)) as CustomResources));
}

/** The pods that an operator will make of an object. */
export function findOperatedPods(object: KubernetesObject): OperatedPods[] {
  return customResources.flatMap(({ workloads }) => {
    const describe = workloads?.[`${object.apiVersion}/${object.kind}`];
    return describe === undefined ? [] : [describe(object)];
  });
}

interface Validator {
  (value: unknown): boolean;
  errors?: { instancePath: string; keyword: string; params: object }[] | null;
}

/** Compiled schemas of Kubernetes' own kinds, and of those that KEDA and the Prometheus operator add. */
const SCHEMA_FOLDERS = ['kubernetes-models', '@kubernetes-models/keda', '@kubernetes-models/prometheus-operator'].map(
  (name) => join(dirname(require.resolve(name)), '_schemas'),
);

function loadValidator({ apiVersion, kind }: KubernetesObject): Validator | undefined {
  const custom = customSchemas.get(`${apiVersion}/${kind}`);
  if (custom !== undefined) return custom;
  const [version = '', group = 'core'] = apiVersion.split('/').reverse();
  const pascal = (text: string) => text.replace(/(?:^|[.-])(\w)/g, (_, letter: string) => letter.toUpperCase());
  const own = group.endsWith('.k8s.io') || !group.includes('.');
  const name = own ? `IoK8sApi${pascal(group.replace('.k8s.io', ''))}` : pascal(group);
  for (const folder of SCHEMA_FOLDERS) {
    try {
      return (require(join(folder, `${name}${pascal(version)}${kind}.js`)) as { validate: Validator }).validate;
    } catch (error) {
      if ((error as { code?: string }).code !== 'MODULE_NOT_FOUND') throw error;
    }
  }
  return undefined;
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
