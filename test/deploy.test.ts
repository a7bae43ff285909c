import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { Server, ServerCredentials } from '@grpc/grpc-js';
import { HealthImplementation } from 'grpc-health-check';
import { describe, expect, onTestFinished, test } from 'vitest';
import { parse } from 'yaml';
import { createAuthority, writeTlsFiles } from './certificates.ts';
import { composeBreakages } from './compose-breakages.ts';
import { type ComposeFile, findComposeProblems } from './compose-problems.ts';
import { findSchemaProblems, type KubernetesObject, type PodSpec } from './kubernetes-objects.ts';
import { breakages } from './manifest-breakages.ts';
import { findManifestProblems } from './manifest-problems.ts';
import { toWorkload } from './manifest-workloads.ts';
import {
  combineComponents,
  findKustomize,
  listKustomizations,
  renderManifests,
  withNeeds,
} from './render-manifests.ts';

const root = fileURLToPath(new URL('../', import.meta.url));
const read = (path: string) => readFileSync(new URL(`../${path}`, import.meta.url), 'utf8');
const { version } = JSON.parse(read('package.json')) as { version: string };

const kubernetesDocs = read('docs/kubernetes.md');
const kustomize = findKustomize() ?? [];
const rendered = new Map<string, Promise<string>>();
/** Each is rendered once; every test gets a copy, which it may break. */
async function render(overlay: string, components: readonly string[] = []): Promise<KubernetesObject[]> {
  const key = [overlay, ...components].join();
  const known = rendered.get(key) ?? renderManifests(kustomize, overlay, components).then((all) => JSON.stringify(all));
  rendered.set(key, known);
  return JSON.parse(await known) as KubernetesObject[];
}
const { overlays, components } = listKustomizations();
const podOf = (object: KubernetesObject) => toWorkload(object)[0]?.pod;
const findProblems = (objects: KubernetesObject[]) => [
  ...objects.flatMap(findSchemaProblems),
  ...findManifestProblems(objects),
];

if (kustomize.length === 0) test.skip('the manifests are NOT checked: install kustomize or kubectl');

describe.skipIf(kustomize.length === 0)('deploy/k8s', () => {
  const load = async () => [
    ...(await render('k8s/production')),
    parse(read('deploy/k8s/photo-loader.yaml')) as KubernetesObject,
  ];

  test('there are overlays and components', () => {
    expect(overlays).toEqual(expect.arrayContaining(['k8s/base', 'k8s/minikube', 'k8s/production']));
    expect(components.length).toBeGreaterThan(5);
  });

  test('a cluster gets all of it', async () => {
    const names = (await load()).map(({ kind, metadata: { name } }) => `${kind}/${name.replace(/-[0-9a-z]{10}$/, '')}`);
    const expected = [
      ...['faceflow', 'mysql-accounts', 'nats-configuration'].map((name) => `ConfigMap/${name}`),
      ...['frontend', 'processor', 'receiver', 'recognizer'].map((name) => `Deployment/${name}`),
      ...['frontend', 'processor', 'receiver', 'recognizer'].map((name) => `PodDisruptionBudget/${name}`),
      ...['known-people', 'photos', 'uploads'].map((name) => `PersistentVolumeClaim/${name}`),
      ...['frontend', 'mysql', 'nats', 'receiver', 'recognizer'].map((name) => `Service/${name}`),
      ...['mysql', 'nats'].map((name) => `StatefulSet/${name}`),
      ...['Pod/photo-loader', `Job/migrate-${version}`, 'Ingress/faceflow', 'NetworkPolicy/faceflow-default-deny'],
    ];
    expect(names).toEqual(expect.arrayContaining(expected));
  });

  // Form (the schema of each kind, without a field that it does not know), and whether everything fits together.
  test.concurrent.each(overlays.filter((path) => path.startsWith('k8s/')))('%s has no problems', async (overlay) => {
    expect(findProblems(await render(overlay))).toEqual([]);
  });

  test.concurrent.each(components)('base with %s has no problems', async (component) => {
    expect(findProblems(await render('k8s/base', withNeeds([component])))).toEqual([]);
  });

  test.concurrent.each(combineComponents(components))(
    'base with all that goes together has no problems: %s %s %s …',
    async (...all) => {
      expect(findProblems(await render('k8s/base', withNeeds(all)))).toEqual([]);
    },
  );

  test('what lets something through closes the rest, and that is noticed', async () => {
    const alone = await render('k8s/base', ['k8s/components/egress-https']);
    expect(findProblems(alone)).toContain('the way from Deployment/receiver to StatefulSet/mysql:3306 is closed');
  });

  test('with TLS every service and server is told of its files', async () => {
    const secrets = (await render('k8s/base', ['k8s/components/tls'])).flatMap((object) => {
      const secret = podOf(object)?.volumes?.find(({ name }) => name === 'tls') as { secret?: { secretName: string } };
      return secret?.secret === undefined ? [] : [secret.secret.secretName];
    });
    const expected = ['migrate', 'mysql', 'nats', 'processor', 'receiver', 'recognizer'].map((name) => `${name}-tls`);
    expect(secrets.sort()).toEqual(expected);
  });

  test('in a mesh every pod has its proxy', async () => {
    for (const [mesh, mark] of [
      ['mesh-linkerd', '"linkerd.io/inject":"enabled"'],
      ['mesh-istio', '"sidecar.istio.io/inject":"true"'],
    ] as const) {
      const objects = await render('k8s/base', [`k8s/components/${mesh}`]);
      const pods = objects.filter((object) => podOf(object) !== undefined);
      expect(pods).toHaveLength(7);
      const without = pods.filter(({ spec }) => !JSON.stringify(spec?.template?.metadata).includes(mark));
      expect(without.map(({ metadata }) => metadata.name)).toEqual([]);
    }
  });

  test('runs the version of package.json', async () => {
    const containers = (await load()).flatMap((object) =>
      toWorkload(object).flatMap((workload) => workload.containers),
    );
    const images = containers.map(({ image }) => image);
    expect(new Set(images.filter((image) => image.startsWith('faceflow')))).toEqual(new Set([`faceflow:${version}`]));
  });

  test.each(['minikube', 'production'])('docs/kubernetes.md makes every key of the Secret for %s', async (overlay) => {
    const objects = await render(`k8s/${overlay}`);
    const references = objects
      .flatMap((object) => toWorkload(object).flatMap(({ containers }) => containers))
      .flatMap(({ env = [] }) => env.flatMap(({ valueFrom }) => valueFrom?.secretKeyRef ?? []));
    expect(new Set(references.map(({ name }) => name))).toEqual(new Set(['faceflow']));
    const [, after = ''] = kubernetesDocs.split(`kubectl apply -f deploy/k8s/${overlay}/namespace.yaml`);
    const [command = ''] = after.split('kubectl create secret');
    const [, passwords = ''] = /for key in ([A-Z_ ]+);/.exec(command) ?? [];
    const made = [...passwords.split(' '), ...[...command.matchAll(/echo "([A-Z_]+)=/g)].map(([, key]) => key)];
    expect(made.sort()).toEqual([...new Set(references.map(({ key }) => key))].sort());
  });

  test('the commands of docs/kubernetes.md name what is there', async () => {
    const [minikube, production] = await Promise.all(
      ['k8s/minikube', 'k8s/production'].map((overlay) => render(overlay)),
    );
    const known = new Set(
      [...(minikube ?? []), ...(production ?? []), ...(await load())].map(
        ({ kind, metadata }) => `${kind.toLowerCase()}/${metadata.name}`,
      ),
    );
    const commands = kubernetesDocs.split('\n').filter((line) => line.includes('kubectl'));
    const named = commands.flatMap((line) =>
      [...line.matchAll(/\b(deployment|statefulset|service|job|pod)\/([a-z][\w.-]*)/g)].map(([name]) => name),
    );
    expect(named.length).toBeGreaterThan(8);
    expect([...new Set(named)].filter((name) => !known.has(name.replace(/0\.2\.0$/, version)))).toEqual([]);
    const paths = commands.flatMap((line) =>
      [...line.matchAll(/(?:-f|-k|kustomize) (deploy\/\S+)/g)].map(([, path]) => path),
    );
    expect(paths.length).toBeGreaterThan(8);
    for (const path of new Set(paths)) {
      if (path?.endsWith('.yaml')) expect(read(path)).toContain('kind:');
      else expect(overlays).toContain(path?.replace(/^deploy\//, '').replace('`', ''));
    }
  });

  test('docs/kubernetes.md and the overlays speak of this version', () => {
    expect(kubernetesDocs).toContain(`faceflow:${version}`);
    expect(kubernetesDocs).toContain(`migrate-${version}`);
  });

  // A check that never fails checks nothing: each is shown a manifest that is broken in its way.
  test.each(breakages)('the checks notice $name', async ({ target, change, problem }) => {
    const objects = await load();
    const broken = objects.find(({ kind, metadata }) => `${kind}/${metadata.name}`.startsWith(target));
    const pod = podOf(broken as KubernetesObject);
    change(broken as KubernetesObject, pod as PodSpec, pod?.containers[0] as PodSpec['containers'][0], objects);
    expect(findProblems(objects).join('\n')).toMatch(problem);
  });
});

describe('deploy/compose.yaml', () => {
  const load = () => parse(read('deploy/compose.yaml'), { merge: true }) as ComposeFile;

  test('everything fits together, and every service accepts its environment', () => {
    expect(findComposeProblems(load())).toEqual([]);
  });

  test('runs every service, in the version of package.json and with the servers of the manifests', () => {
    const { services } = load();
    expect(Object.keys(services).sort()).toEqual(
      ['frontend', 'migrate', 'mysql', 'nats', 'processor', 'receiver', 'recognizer'].sort(),
    );
    const images = new Set(Object.values(services).map(({ image }) => image));
    expect([...images].filter((image) => image.startsWith('faceflow'))).toEqual([`faceflow:${version}`]);
    for (const server of ['mysql', 'nats'])
      expect(read(`deploy/k8s/base/${server}.yaml`)).toContain(`image: ${services[server]?.image}\n`);
  });

  test.each(composeBreakages)('the checks notice $name', ({ change, problem }) => {
    const file = load();
    change(file.services);
    expect(findComposeProblems(file).join('\n')).toMatch(problem);
  });
});

describe('deploy/Dockerfile', () => {
  const dockerfile = read('deploy/Dockerfile');

  test('builds the version of package.json on a pinned Node, and does not run as root', () => {
    expect(dockerfile).toContain(`ARG VERSION=${version}\n`);
    expect(dockerfile).toMatch(/^ARG NODE_IMAGE=node:\d+\.\d+\.\d+-bookworm-slim$/m);
    expect(dockerfile.match(/^FROM (?!\$\{NODE_IMAGE\})/gm)).toBeNull();
    expect(dockerfile).toMatch(/^USER [1-9]\d*:[1-9]\d*$/m);
    expect(dockerfile).toMatch(/^ENV .*\bHOST=0\.0\.0\.0\b/m);
  });

  test('the build sees every folder that is compiled but the benchmarks, and no other', () => {
    const { include } = JSON.parse(read('tsconfig.build.json')) as { include: string[] };
    const visible = [...read('deploy/Dockerfile.dockerignore').matchAll(/^!(.+)$/gm)].map(([, path]) => path);
    const files = [
      'package.json',
      'package-lock.json',
      '.npmrc',
      'tsconfig.json',
      'tsconfig.build.json',
      'deploy/check-health.mjs',
      'deploy/image',
    ];
    const folders = include.filter((folder) => folder !== 'bench');
    expect(visible.sort()).toEqual([...folders, ...files].sort());
  });
});

describe('deploy/check-health.mjs', () => {
  const check = async (url: string, env: NodeJS.ProcessEnv = {}) => {
    const options = { cwd: root, env: { ...process.env, ...env } };
    const asked = promisify(execFile)(process.execPath, ['deploy/check-health.mjs', url], options);
    return asked.then(
      () => 'healthy',
      (error: { stderr: string }) => error.stderr,
    );
  };

  test('asks over HTTP', async () => {
    let status = 200;
    const server = createServer((_, response) => response.writeHead(status).end('not yet'));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    onTestFinished(() => void server.close());
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/readyz`;
    expect(await check(url)).toBe('healthy');
    status = 503;
    expect(await check(url)).toMatch(/answered 503: not yet/);
    await new Promise((resolve) => server.close(resolve));
    expect(await check(url)).toMatch(/ECONNREFUSED/);
  });

  test('asks over gRPC', async () => {
    const health = new HealthImplementation({ '': 'SERVING' });
    const server = new Server();
    health.addToServer(server);
    const port = await new Promise<number>((resolve, reject) =>
      server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) =>
        error ? reject(error) : resolve(bound),
      ),
    );
    onTestFinished(() => server.forceShutdown());
    expect(await check(`grpc://127.0.0.1:${port}`)).toBe('healthy');
    health.setStatus('', 'NOT_SERVING');
    expect(await check(`grpc://127.0.0.1:${port}`)).toMatch(/does not serve now/);
  });

  test('asks over gRPC with TLS, with its own certificate', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'faceflow-health-'));
    onTestFinished(() => rm(folder, { recursive: true }));
    const authority = createAuthority('Faceflow test authority');
    const own = authority.issue(['recognizer']);
    const { cert, key } = await writeTlsFiles(folder, authority.cert, own);
    const server = new Server();
    new HealthImplementation({ '': 'SERVING' }).addToServer(server);
    const pair = { cert_chain: Buffer.from(own.cert), private_key: Buffer.from(own.key) };
    const credentials = ServerCredentials.createSsl(Buffer.from(authority.cert), [pair], true);
    const port = await new Promise<number>((resolve, reject) =>
      server.bindAsync('127.0.0.1:0', credentials, (error, bound) => (error ? reject(error) : resolve(bound))),
    );
    onTestFinished(() => server.forceShutdown());
    const env = { GRPC_TLS_CERT_FILE: cert, GRPC_TLS_KEY_FILE: key };
    expect(await check(`grpc://127.0.0.1:${port}`, env)).toBe('healthy');
    expect(await check(`grpc://127.0.0.1:${port}`)).not.toBe('healthy');
  });

  test('says what it wants', async () => {
    expect(await check('file:///readyz')).toMatch(/Give it http/);
    expect(await check('x')).toMatch(/Invalid URL/);
    expect(await check('receiver', { RECEIVER_PORT: '1' })).toMatch(/ECONNREFUSED|bad port/);
    expect(await check('sql')).toBe('healthy');
  });
});
