import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { copyFile, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import {
  PodMonitor,
  PrometheusRule,
  ServiceMonitor,
} from '@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parse, parseAllDocuments, stringify } from 'yaml';
import { generateFiles } from '../deploy/monitoring/generate.ts';
import { ALERT_CASES, type AlertCase, type Series } from './alert-cases.ts';
import { findPrometheus } from './prometheus.ts';

interface Rule {
  readonly alert: string;
  readonly labels: Record<string, string>;
  readonly annotations: { readonly summary: string; readonly runbook_url: string };
}

const pathOf = (path: string) => fileURLToPath(new URL(`../${path}`, import.meta.url));
const read = (path: string) => readFileSync(pathOf(path), 'utf8');
const { groups } = parse(read('deploy/monitoring/alerts.yaml')) as { groups: { rules: Rule[] }[] };
const rules = groups.flatMap((group) => group.rules);

/** As docs/operations.md's headings become anchors. */
const anchors = [...read('docs/operations.md').matchAll(/^#+ (.+)$/gm)].map(
  ([, title = '']) => `docs/operations.md#${title.toLowerCase().replaceAll(' ', '-')}`,
);

test('every alert has a runbook, and every runbook an alert', () => {
  const runbooks = rules.map(({ annotations }) => annotations.runbook_url);
  expect(runbooks).toEqual(rules.map(({ alert }) => `docs/operations.md#${alert.toLowerCase()}`));
  expect(anchors.filter((anchor) => anchor.includes('#faceflow')).sort()).toEqual(runbooks.sort());
});

test('what is made of the alerts and of the dashboard is up to date (npm run monitoring)', () => {
  for (const [name, text] of Object.entries(generateFiles())) expect(read(`deploy/monitoring/${name}`)).toBe(text);
});

const programs = await findPrometheus();
if ('skip' in programs) test.skip(`the alerts are NOT tested: ${programs.skip}`);

describe.skipIf('skip' in programs)('the alerts', () => {
  let folder: string;
  const promtool = async (...args: string[]) => {
    const program = 'promtool' in programs ? programs.promtool : '';
    const { stdout } = await promisify(execFile)(program, args, { cwd: folder }).catch((error) => {
      throw new Error(`promtool ${args.join(' ')}\n${error.stdout}\n${error.stderr}`);
    });
    return stdout;
  };

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'faceflow-alerts-'));
    for (const name of ['alerts.yaml', 'prometheus.yaml'])
      await copyFile(pathOf(`deploy/monitoring/${name}`), join(folder, name));
  });
  afterAll(() => rm(folder, { recursive: true }));

  test('are understood by Prometheus, and so is its configuration', async () => {
    expect(await promtool('check', 'rules', 'alerts.yaml')).toContain(`SUCCESS: ${rules.length} rules found`);
    expect(await promtool('check', 'config', 'prometheus.yaml')).toContain('SUCCESS');
  });

  test('each fires when it should, and not when it should not', async () => {
    expect(ALERT_CASES.map(({ alert }) => alert)).toEqual(rules.map(({ alert }) => alert));
    const tests = ALERT_CASES.flatMap((one) => [
      describeTest(one, one.fires, true),
      describeTest(one, one.silent, false),
    ]);
    await writeFile(join(folder, 'tests.yaml'), stringify({ rule_files: ['alerts.yaml'], tests }));
    expect(await promtool('test', 'rules', 'tests.yaml')).toContain('SUCCESS');
  });
});

function describeTest({ alert, at, labels }: AlertCase, series: Series, fires: boolean) {
  const rule = rules.find((one) => one.alert === alert);
  const fill = (text: string) => text.replace(/\{\{ \$labels\.(\w+) \}\}/g, (_, name: string) => labels[name] ?? '');
  const expected = {
    exp_labels: { ...labels, ...rule?.labels },
    exp_annotations: { ...rule?.annotations, summary: fill(rule?.annotations.summary ?? '') },
  };
  return {
    interval: '1m',
    input_series: Object.entries(series).map(([name, values]) => ({ series: name, values })),
    alert_rule_test: [{ alertname: alert, eval_time: at, exp_alerts: fires ? [expected] : [] }],
  };
}

// That they render, in every overlay, is seen by test/deploy.test.ts.
describe('for the Prometheus operator', () => {
  const readMonitor = (name: string) =>
    parse(read(`deploy/k8s/components/monitoring/${name}-monitor.yaml`), { merge: true });
  const [byPod, byService] = [readMonitor('pod'), readMonitor('service')];

  test('the alerts are the same, in the form that it takes', () => {
    const rule = parse(read('deploy/monitoring/prometheus-rule.yaml'));
    expect(rule.spec.groups).toEqual(groups);
    // Throws what the schema has against it.
    new PrometheusRule(rule).validate();
    expect(() => new PrometheusRule({ spec: { groups: [{ rules: [] }] } } as never).validate()).toThrow();
  });

  test('every service is scraped, at a port that it has, under the name that the alerts know', () => {
    new PodMonitor(byPod).validate();
    new ServiceMonitor(byService).validate();
    const selected = [byPod, byService].flatMap(({ spec }) => {
      const endpoints: { port: string; relabelings: object[] }[] = spec.podMetricsEndpoints ?? spec.endpoints;
      return (spec.selector.matchExpressions[0].values as string[]).map((name) => ({ name, endpoints }));
    });
    expect(selected.map(({ name }) => name).sort()).toEqual(['frontend', 'processor', 'receiver', 'recognizer']);
    for (const { name, endpoints } of selected) {
      const objects = parseAllDocuments(read(`deploy/k8s/base/${name}.yaml`)).map((document) => document.toJS());
      const { ports } = objects.find(({ kind }) => kind === 'Deployment').spec.template.spec.containers[0];
      const scraped = endpoints.filter(({ port }) => ports.some((own: { name: string }) => own.name === port));
      expect(scraped, name).toHaveLength(1);
      expect(scraped[0]?.relabelings).toContainEqual(
        expect.objectContaining({ targetLabel: 'job', replacement: 'faceflow-$1' }),
      );
    }
  });

  test("the dashboard is in a ConfigMap that Grafana's side-car takes", () => {
    const [generator] = parse(read('deploy/monitoring/kustomization.yaml')).configMapGenerator;
    expect(generator).toMatchObject({ files: ['dashboard.json'], options: { labels: { grafana_dashboard: '1' } } });
  });
});
