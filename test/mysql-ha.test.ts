import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { mkdtemp, realpath, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Ajv } from 'ajv';
import { beforeAll, describe, expect, test } from 'vitest';
import { parse, parseAllDocuments, stringify } from 'yaml';
import { schemas, workloads } from './custom-resources/percona.ts';
import { findKustomize, findSchemaProblems, type KubernetesObject } from './kubernetes-objects.ts';

const deploy = fileURLToPath(new URL('../deploy/', import.meta.url));
const kustomize = findKustomize();
const ajv = new Ajv({ strict: true, allErrors: true });
const validators = new Map(Object.entries(schemas).map(([kind, schema]) => [kind, ajv.compile(schema)]));

// biome-ignore lint/suspicious/noExplicitAny: what has been rendered may be anything
type Custom = KubernetesObject & { spec: any };

function problemsOf(object: KubernetesObject): string[] {
  const validate = validators.get(`${object.apiVersion}/${object.kind}`);
  if (validate === undefined) return findSchemaProblems(object);
  return validate(object) ? [] : (validate.errors ?? []).map((error) => `${error.instancePath} ${error.message}`);
}

const examples = readdirSync(join(deploy, 'k8s/mysql-ha')).map(
  (name) => [name, parse(readFileSync(join(deploy, 'k8s/mysql-ha', name), 'utf8')) as Custom] as const,
);

if (kustomize === undefined) test.skip('deploy/k8s/components/mysql-ha is NOT checked: install kustomize or kubectl');

describe.skipIf(kustomize === undefined)('deploy/k8s/components/mysql-ha', () => {
  let objects: Custom[];
  const find = (kind: string, name: string) =>
    objects.find((object) => object.kind === kind && object.metadata.name.startsWith(name)) as Custom;

  beforeAll(async () => {
    const folder = await realpath(await mkdtemp(join(tmpdir(), 'faceflow-overlay-')));
    const from = (path: string) => relative(folder, join(deploy, path));
    const overlay = { resources: [from('k8s/base')], components: [from('k8s/components/mysql-ha')] };
    await writeFile(join(folder, 'kustomization.yaml'), stringify(overlay));
    const [program = '', ...args] = kustomize ?? [];
    const rendered = execFileSync(program, [...args, folder], { encoding: 'utf8' });
    await rm(folder, { recursive: true });
    objects = parseAllDocuments(rendered).map((document) => document.toJS() as Custom);
  });

  test('every object has the form that its API wants, without a field that it does not know', () => {
    expect(objects.flatMap(problemsOf)).toEqual([]);
  });

  test('the single server is gone, and its Service leads to the proxies of the cluster', () => {
    expect(find('StatefulSet', 'mysql')).toBeUndefined();
    const cluster = find('PerconaXtraDBCluster', 'mysql');
    const { labels, ports } = workloads['pxc.percona.com/v1/PerconaXtraDBCluster'](cluster);
    const { selector, ports: served } = find('Service', 'mysql').spec;
    expect(labels).toMatchObject(selector);
    expect(served.map(({ targetPort }: { targetPort: number }) => targetPort)).toEqual([ports[0]?.containerPort]);
    const urls = objects.flatMap((object) =>
      [...JSON.stringify(object).matchAll(/mysql:\/\/[^"]*@([^:"]+):(\d+)/g)].map(
        ([, host, port]) => `${host}:${port}`,
      ),
    );
    expect(new Set(urls)).toEqual(new Set(['mysql:3306']));
  });

  test('a quorum survives a node, and every storage that is named is there', () => {
    const { pxc, haproxy, backup, secretsName } = find('PerconaXtraDBCluster', 'mysql').spec;
    for (const part of [pxc, haproxy]) {
      expect(part).toMatchObject({ size: 3, podDisruptionBudget: { maxUnavailable: 1 } });
      expect(part.affinity).toEqual({ antiAffinityTopologyKey: 'kubernetes.io/hostname' });
    }
    const storages = Object.keys(backup.storages);
    expect(storages).toContain(backup.pitr.storageName);
    for (const { storageName } of backup.schedule) expect(storages).toContain(storageName);
    for (const [, { spec }] of examples) {
      expect(spec.pxcCluster).toBe('mysql');
      const named = spec.storageName ?? spec.pitr?.backupSource.storageName;
      if (named !== undefined) expect(storages).toContain(named);
    }
    const [container] = find('Job', 'mysql-accounts').spec.template?.spec.containers ?? [];
    expect(container?.env).toContainEqual({
      ...{ name: 'MYSQL_PWD', valueFrom: { secretKeyRef: { name: secretsName, key: 'root' } } },
    });
    expect(container?.image).toBe(pxc.image);
  });

  test('the job of the accounts runs the script that the single server runs', () => {
    const [volume] = find('Job', 'mysql-accounts').spec.template?.spec.volumes ?? [];
    const { configMap } = volume as unknown as { configMap: { name: string } };
    const script = find('ConfigMap', configMap.name).data?.['create-accounts.sh'];
    expect(script).toBe(readFileSync(join(deploy, 'mysql/create-accounts.sh'), 'utf8'));
    const [container] = find('Job', 'mysql-accounts').spec.template?.spec.containers ?? [];
    const given = (container?.env ?? []).map(({ name }: { name: string }) => name);
    for (const [, key = ''] of script?.matchAll(/\$\{(\w+):\?\}/g) ?? []) expect(given).toContain(key);
  });

  test.each(examples)('%s has the form that the operator wants', (_, object) => {
    expect(problemsOf(object)).toEqual([]);
  });

  test('a field that is misspelt, a tag that moves and a backup that goes nowhere are found', () => {
    const broken = (change: (spec: Custom['spec']) => void) => {
      const cluster = structuredClone(find('PerconaXtraDBCluster', 'mysql'));
      change(cluster.spec);
      return problemsOf(cluster).join('\n');
    };
    expect(broken((spec) => Object.assign(spec.pxc, { autorecovery: true }))).toContain('/spec/pxc must NOT have');
    expect(broken((spec) => Object.assign(spec.haproxy, { image: 'percona/haproxy:latest' }))).toContain(
      'image must match',
    );
    expect(broken((spec) => delete spec.backup.schedule[0].storageName)).toContain("'storageName'");
  });
});
