import { copyFileSync, mkdirSync, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { chooseFreePort } from '../cli/free-port.ts';
import { findPrometheus, type RunningPrometheus, startPrometheus } from './prometheus.ts';
import { samplePhoto } from './sample-photos.ts';
import {
  createDatabase,
  createStreamName,
  natsUrl,
  type RunningService,
  startService,
  type TestDatabase,
} from './servers.ts';
import { waitFor } from './wait-for.ts';

const pathOf = (path: string) => fileURLToPath(new URL(`../${path}`, import.meta.url));
const read = (path: string) => readFileSync(pathOf(path), 'utf8');

interface Dashboard {
  readonly uid: string;
  readonly schemaVersion: number;
  readonly templating: { readonly list: readonly { readonly name: string }[] };
  readonly panels: readonly {
    readonly id: number;
    readonly type: string;
    readonly title: string;
    readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number };
    readonly targets?: readonly { readonly refId: string; readonly expr: string }[];
  }[];
}

const dashboard = JSON.parse(read('deploy/monitoring/dashboard.json')) as Dashboard;
const expressions = dashboard.panels.flatMap(({ title, targets = [] }) =>
  targets.map(({ expr }) => ({
    title,
    expr: expr.replaceAll('$namespace', '.*').replaceAll('$__rate_interval', '1m'),
  })),
);

/** Of other exporters, or only where there is a cluster. */
const FROM_ELSEWHERE = /^(up|kubelet_volume_stats_\w+)$/;
const METRIC = /\b(?:faceflow|process|nodejs|kubelet)_\w+\b/g;

const programs = await findPrometheus();
if ('skip' in programs) test.skip(`a running system is NOT watched: ${programs.skip}`);

describe.skipIf('skip' in programs)('a system that Prometheus watches', () => {
  let folder: string;
  let database: TestDatabase;
  let prometheus: RunningPrometheus;
  let services: RunningService[] = [];
  let targets: Record<string, string>;

  beforeAll(async () => {
    if ('skip' in programs) return;
    folder = await mkdtemp(join(tmpdir(), 'faceflow-watching-'));
    mkdirSync(join(folder, 'known/Grace'), { recursive: true });
    for (const [n, name] of ['a.jpg', 'b.jpg', 'c.jpg'].entries()) {
      copyFileSync(samplePhoto((n + 1) as 1 | 2 | 3), join(folder, name));
    }
    copyFileSync(samplePhoto(3), join(folder, 'known/Grace/1.jpg'));
    database = await createDatabase();
    const streams = { IMAGES_STREAM: createStreamName(), EVENTS_STREAM: createStreamName() };
    const shared = { MYSQL_URL: database.url, NATS_URL: natsUrl(), IMAGE_ROOTS: folder, ...streams };
    // Chosen first, so that all can start at once: Prometheus looks at its targets only after some seconds.
    const ports = { receiver: 0, processor: 0, recognizer: 0, frontend: 0, grpc: 0 };
    for (const name of Object.keys(ports) as (keyof typeof ports)[]) ports[name] = await chooseFreePort();
    const { grpc, ...scraped } = ports;
    targets = Object.fromEntries(Object.entries(scraped).map(([name, port]) => [name, `127.0.0.1:${port}`]));
    [prometheus, ...services] = await Promise.all([
      startPrometheus(programs, configure(targets)),
      startService('recognizer', {
        ...shared,
        KNOWN_PEOPLE: join(folder, 'known'),
        RECOGNIZER_WORKERS: '1',
        RECOGNIZER_PORT: String(grpc),
        METRICS_PORT: String(ports.recognizer),
      }),
      startService('receiver', { ...shared, RECEIVER_PORT: String(ports.receiver) }),
      startService('processor', {
        ...shared,
        PROCESSOR_PORT: String(ports.processor),
        RECOGNIZER_ADDRESS: `127.0.0.1:${grpc}`,
      }),
      startService('frontend', {
        RECEIVER_URL: `http://${targets.receiver}`,
        FRONTEND_PORT: String(ports.frontend),
      }),
    ]);
  });

  afterAll(async () => {
    await prometheus?.stop();
    await Promise.all(services.map((service) => service.stop()));
    await database?.drop();
    await rm(folder, { recursive: true, force: true });
  });

  const query = async (expr: string) =>
    (await prometheus.ask(`/api/v1/query?query=${encodeURIComponent(expr)}`)) as {
      result: { metric: Record<string, string>; value: [number, string] }[];
    };
  const numberOf = async (expr: string) => Number((await query(expr)).result[0]?.value[1] ?? Number.NaN);
  const post = (path: string, body: object) =>
    fetch(`http://${targets.receiver}${path}`, { method: 'POST', body: JSON.stringify(body) });

  test('every service is scraped', async () => {
    await waitFor('all targets', async () => (await numberOf('count(up == 1)')) === 4, 60_000);
  });

  test('photos that go through are seen at every stage', async () => {
    const before = await numberOf('sum(faceflow_posted_paths_total)');
    expect(before).toBe(0);
    const paths = ['a.jpg', 'b.jpg', 'c.jpg', 'gone.jpg', '../outside.jpg', 'a.jpg'].map((path) => ({ path }));
    expect((await post('/images/post', { paths })).status).toBe(202);
    expect((await post('/image/post', { path: 'a.jpg' })).status).toBe(202);
    expect((await fetch(`http://${targets.frontend}/v1/images/999`)).status).toBe(404);
    const listening = new AbortController();
    await fetch(`http://${targets.receiver}/v1/events`, { signal: listening.signal });
    listening.abort();
    await waitFor(
      'all outcomes',
      async () => (await numberOf('sum(faceflow_outcomes_total{kind="identify"})')) === 4,
      90_000,
    );

    const seen = async (expr: string) =>
      Object.fromEntries(
        (await query(expr)).result.map(({ metric, value }) => [Object.values(metric).join(' '), Number(value[1])]),
      );
    // The targets are scraped one after the other.
    const becomes = (expr: string, wanted: number) => expect.poll(() => numberOf(expr), { message: expr }).toBe(wanted);
    const become = (expr: string, wanted: object) => expect.poll(() => seen(expr), { message: expr }).toEqual(wanted);

    await become('sum by (result) (faceflow_posted_paths_total)', { accepted: 5, known: 1, refused: 1 });
    await become('sum by (status, reason) (faceflow_outcomes_total{status=~"matched|unreadable"})', {
      matched: 1,
      'file_not_found unreadable': 1,
    });
    for (const stage of ['queue', 'read', 'recognize', 'write']) {
      await becomes(`faceflow_stage_duration_seconds_count{stage="${stage}"}`, 4);
    }
    // Three photos, and the known one before them.
    for (const stage of ['decode', 'detect', 'landmarks', 'embed']) {
      await becomes(`faceflow_recognizer_stage_duration_seconds_count{stage="${stage}"}`, 4);
    }
    await becomes('faceflow_recognizer_stage_duration_seconds_count{stage="search"}', 3);
    await become('sum by (status) (faceflow_grpc_call_duration_seconds_count{method="Identify"})', {
      OK: 3,
      NOT_FOUND: 1,
    });
    await becomes('faceflow_image_duration_seconds_count', 4);
    const recognizing = await numberOf('faceflow_stage_duration_seconds_sum{stage="recognize"}');
    expect(await numberOf('faceflow_image_duration_seconds_sum')).toBeGreaterThan(recognizing);
    expect(recognizing).toBeGreaterThan(
      await numberOf('faceflow_recognizer_stage_duration_seconds_sum{stage="search"}'),
    );
    await becomes('faceflow_faces_total{known="true"}', 1);
    await becomes('faceflow_gallery_faces', 1);
    await becomes('faceflow_gallery_active{model="face-api-1"}', 1);
    expect(await numberOf('time() - faceflow_gallery_read_timestamp_seconds')).toBeLessThan(60);
    await becomes('faceflow_http_errors_total{code="image_not_found"}', 1);
    const asked = 'job="faceflow-receiver",route="/v1/images/:id",status="404"';
    await becomes(`faceflow_http_request_duration_seconds_count{${asked}}`, 1);
    // Somebody has listened: that is no request that took so long.
    expect(await seen('faceflow_http_request_duration_seconds_count{route="/v1/events"}')).toEqual({});
    await becomes('sum(faceflow_queue_messages)', 0);
    await becomes('faceflow_queue_replicas{state="current"}', 1);
    await becomes('min(faceflow_dependency_up)', 1);
    expect(await numberOf('faceflow_upload_disk_free_bytes < faceflow_upload_disk_size_bytes')).toBeGreaterThan(0);
    expect(await numberOf('sum(faceflow_event_loop_busy_seconds_total)')).toBeGreaterThan(0);
    await waitFor('both leaders', async () => (await numberOf('sum(faceflow_leader)')) === 2);
  });

  test('the dashboard asks only for what there is, in queries that Prometheus understands', async () => {
    const known = await listMetrics(targets);
    for (const { title, expr } of expressions) {
      const answer = await query(expr);
      expect(answer, title).toBeDefined();
      for (const [name] of expr.matchAll(METRIC)) expect(known, `${title}: ${name}`).toContain(toFamily(name));
    }
    expect(expressions.length).toBeGreaterThan(30);
    const path = dashboard.panels.filter(({ type }) => type === 'stat');
    for (const { title, expr } of expressions.filter((one) => path.some((panel) => panel.title === one.title))) {
      await waitFor(`${title} to say something`, async () => (await query(expr)).result.length > 0);
    }
  });

  test('the alerts are evaluated, ask only for what there is, and none fires', async () => {
    interface Rules {
      groups: { rules: { name: string; health: string; lastError?: string; query: string; state: string }[] }[];
    }
    const rules = async () => ((await prometheus.ask('/api/v1/rules')) as Rules).groups.flatMap((group) => group.rules);
    await waitFor('all rules to be evaluated', async () => (await rules()).every(({ health }) => health !== 'unknown'));
    const known = await listMetrics(targets);
    for (const { name, health, lastError, query: expr, state } of await rules()) {
      expect({ name, health, lastError }).toEqual({ name, health: 'ok', lastError: undefined });
      expect(state, name).not.toBe('firing');
      for (const [metric] of expr.matchAll(METRIC)) {
        if (!FROM_ELSEWHERE.test(metric)) expect(known, `${name}: ${metric}`).toContain(toFamily(metric));
      }
    }
  });

  test('docs/metrics.md has every metric, with its type and who tells it, and no other', async () => {
    const told = new Map<string, string>();
    for (const [name, target] of Object.entries(targets)) {
      for (const [metric, type] of await readTypes(target)) {
        if (!metric.startsWith('faceflow_')) continue;
        told.set(
          metric,
          `${type}, ${[told.get(metric)?.split(', ').slice(1).join(', '), name].filter(Boolean).join(', ')}`,
        );
      }
    }
    const documented = [
      ...read('docs/metrics.md').matchAll(/^\| `(faceflow_\w+)(?:\{.*?\})?` \| (\w+) \| ([\w, ]+) \|/gm),
    ].map(([, metric = '', type = '', who = '']): [string, string] => [metric, `${type}, ${who}`]);
    expect(new Map(documented.sort())).toEqual(new Map([...told].sort()));
  });
});

test('the dashboard is one that Grafana takes: fields, ids, and places that do not overlap', () => {
  expect(dashboard).toMatchObject({ uid: 'faceflow', schemaVersion: 39 });
  expect(dashboard.templating.list.map(({ name }) => name)).toEqual(['datasource', 'namespace']);
  const { panels } = dashboard;
  expect(new Set(panels.map(({ id }) => id)).size).toBe(panels.length);
  for (const { title, targets = [] } of panels) {
    expect(new Set(targets.map(({ refId }) => refId)).size, title).toBe(targets.length);
  }
  const cells = panels.flatMap(({ gridPos: { x, y, w, h } }) =>
    Array.from({ length: w * h }, (_, n) => `${x + (n % w)},${y + Math.floor(n / w)}`),
  );
  expect(new Set(cells).size).toBe(cells.length);
  expect(Math.max(...panels.map(({ gridPos: { x, w } }) => x + w))).toBeLessThanOrEqual(24);
});

/** The project's own configuration, for these addresses, and quicker. */
function configure(targets: Record<string, string>): object {
  const { scrape_configs } = parse(read('deploy/monitoring/prometheus.yaml')) as {
    scrape_configs: { job_name: string }[];
  };
  const jobs = scrape_configs.map(({ job_name }) => job_name);
  expect(jobs).toEqual(Object.keys(targets).map((name) => `faceflow-${name}`));
  return {
    global: { scrape_interval: '1s', scrape_timeout: '1s', evaluation_interval: '1s' },
    rule_files: [pathOf('deploy/monitoring/alerts.yaml')],
    scrape_configs: Object.entries(targets).map(([name, target]) => ({
      job_name: `faceflow-${name}`,
      static_configs: [{ targets: [target] }],
    })),
  };
}

/** Names and types, those without a value as well. */
async function readTypes(target: string): Promise<[string, string][]> {
  const text = await (await fetch(`http://${target}/metrics`)).text();
  return [...text.matchAll(/^# TYPE (\w+) (\w+)$/gm)].map(([, name = '', type = '']) => [name, type]);
}

async function listMetrics(targets: Record<string, string>): Promise<string[]> {
  const types = await Promise.all(Object.values(targets).map(readTypes));
  return types.flat().map(([name]) => name);
}

/** A histogram's three series have its name, and an ending. */
function toFamily(name: string): string {
  return name.replace(/(_seconds)_(?:bucket|count|sum)$/, '$1');
}
