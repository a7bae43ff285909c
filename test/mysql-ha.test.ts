import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import type { Json } from './ask.ts';
import { workloads } from './custom-resources/percona.ts';
import { findSchemaProblems, type KubernetesObject } from './kubernetes-objects.ts';
import { findKustomize, renderManifests } from './render-manifests.ts';

const deploy = fileURLToPath(new URL('../deploy/', import.meta.url));
const kustomize = findKustomize();

/** What has been rendered may be anything. */
type Custom = KubernetesObject & { spec: Json };

const examples = readdirSync(join(deploy, 'k8s/mysql-ha')).map(
  (name) => [name, parse(readFileSync(join(deploy, 'k8s/mysql-ha', name), 'utf8')) as Custom] as const,
);

if (kustomize === undefined) test.skip('deploy/k8s/components/mysql-ha is NOT checked: install kustomize or kubectl');

describe.skipIf(kustomize === undefined)('deploy/k8s/components/mysql-ha', () => {
  let objects: Custom[];
  const find = (kind: string, name: string) =>
    objects.find((object) => object.kind === kind && object.metadata.name.startsWith(name)) as Custom;

  beforeAll(async () => {
    objects = (await renderManifests(kustomize ?? [], 'k8s/base', ['k8s/components/mysql-ha'])) as Custom[];
  });

  test('every object has the form that its API wants, without a field that it does not know', () => {
    expect(objects.flatMap(findSchemaProblems)).toEqual([]);
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
    expect(findSchemaProblems(object)).toEqual([]);
  });

  test('a field that is misspelt, a tag that moves and a backup that goes nowhere are found', () => {
    const broken = (change: (spec: Custom['spec']) => void) => {
      const cluster = structuredClone(find('PerconaXtraDBCluster', 'mysql'));
      change(cluster.spec);
      return findSchemaProblems(cluster).join('\n');
    };
    expect(broken((spec) => Object.assign(spec.pxc, { autorecovery: true }))).toContain(
      '/spec/pxc additionalProperties',
    );
    expect(broken((spec) => Object.assign(spec.haproxy, { image: 'percona/haproxy:latest' }))).toContain(
      'image pattern',
    );
    expect(broken((spec) => delete spec.backup.schedule[0].storageName)).toContain('"missingProperty":"storageName"');
  });
});
