import { layOut, type PanelSpec, type RowSpec } from './panels.ts';

/** Every expression looks at one namespace, or at all; on a single machine there is none. */
const NS = 'namespace=~"$namespace"';
const RATE = '[$__rate_interval]';

const quantile = (q: number, histogram: string, by = '') =>
  `histogram_quantile(${q}, sum by (le${by && `, ${by}`}) (rate(${histogram}_bucket{${NS}}${RATE})))`;

const stat = (spec: PanelSpec): PanelSpec => ({ ...spec, type: 'stat' });

const WAY: RowSpec = {
  title: 'The way of a photo, from left to right',
  height: 5,
  panels: [
    stat({
      ...{ title: '1 · Accepted', unit: 'ops', description: 'Photos a second that were posted for the first time.' },
      series: { accepted: `sum(rate(faceflow_posted_paths_total{${NS},result="accepted"}${RATE}))` },
    }),
    stat({
      ...{ title: '2 · In the queue', unit: 'short', description: 'Ids that wait to be handed out.' },
      series: { waiting: `max(faceflow_queue_messages{${NS},state="pending"})` },
      warnAt: [100, 10_000],
    }),
    stat({
      ...{ title: '3 · Oldest', unit: 's', description: 'How long the next one has been waiting.' },
      series: { age: `max(faceflow_queue_oldest_message_age_seconds{${NS}})` },
      warnAt: [60, 900],
    }),
    stat({
      ...{ title: '4 · In hand', unit: 'short', description: 'Taken by processors and not ended.' },
      series: { 'in hand': `sum(faceflow_processor_in_hand{${NS}})` },
    }),
    stat({
      ...{ title: '5 · At the recognizer', unit: 'short', description: 'Photos that wait for a worker thread.' },
      series: { waiting: `sum(faceflow_recognizer_queue_depth{${NS}})` },
    }),
    stat({
      ...{ title: '6 · Workers busy', unit: 'percentunit', description: 'Of all worker threads of all recognizers.' },
      series: {
        busy: `sum(faceflow_recognizer_workers_busy{${NS}}) / sum(faceflow_recognizer_workers{${NS}})`,
      },
    }),
    stat({
      ...{ title: '7 · Ended', unit: 'ops', description: 'Photos a second with an outcome.' },
      series: { ended: `sum(rate(faceflow_outcomes_total{${NS},kind="identify"}${RATE}))` },
    }),
    stat({
      ...{
        title: '8 · The whole way',
        unit: 's',
        description: 'From the POST to the stored outcome: 19 of 20 are quicker.',
      },
      series: { p95: quantile(0.95, 'faceflow_image_duration_seconds') },
      warnAt: [60, 900],
    }),
  ],
};

const STAGES: RowSpec = {
  title: 'Where the time goes',
  height: 8,
  panels: [
    {
      ...{ title: 'Requests', unit: 'ops', description: 'To the API, by the status of the answer.' },
      series: {
        '{{status}}': `sum by (status) (rate(faceflow_http_request_duration_seconds_count{${NS},job="faceflow-receiver"}${RATE}))`,
      },
      stacked: true,
    },
    {
      ...{ title: 'Queue', unit: 'short', description: 'Ids that wait, and that are handed out.' },
      series: { '{{state}}': `max by (state) (faceflow_queue_messages{${NS}})` },
    },
    {
      ...{
        title: 'Processor: stages (p95)',
        unit: 's',
        description: 'recognize is the call, waiting for room included.',
      },
      series: { '{{stage}}': quantile(0.95, 'faceflow_stage_duration_seconds', 'stage') },
    },
    {
      ...{
        title: 'Recognizer: stages (p95)',
        unit: 's',
        description: 'embed: the descriptors of all faces.',
      },
      series: { '{{stage}}': quantile(0.95, 'faceflow_recognizer_stage_duration_seconds', 'stage') },
    },
    {
      ...{ title: 'Outcomes', unit: 'ops', description: 'Photos a second by what became of them.' },
      series: {
        '{{status}}': `sum by (status) (rate(faceflow_outcomes_total{${NS},kind="identify"}${RATE}))`,
      },
      stacked: true,
    },
    {
      ...{ title: 'The whole way', unit: 's', description: 'From the POST to the stored outcome.' },
      series: {
        p50: quantile(0.5, 'faceflow_image_duration_seconds'),
        p95: quantile(0.95, 'faceflow_image_duration_seconds'),
        p99: quantile(0.99, 'faceflow_image_duration_seconds'),
      },
    },
  ],
};

const TROUBLE: RowSpec = {
  title: 'What goes wrong',
  height: 7,
  panels: [
    {
      ...{ title: 'Breakers', unit: 'short', description: 'Processors by the state of their breaker.' },
      series: { '{{state}}': `sum by (state) (faceflow_breaker_state{${NS}})` },
      stacked: true,
    },
    {
      ...{
        title: 'Next attempt',
        unit: 's',
        description: 'How long until the first open breaker asks for the recognizer.',
      },
      series: {
        'next attempt': `min(faceflow_breaker_next_attempt_timestamp_seconds{${NS}} > 0) - time()`,
        transitions: `sum(rate(faceflow_breaker_transitions_total{${NS}}${RATE}))`,
      },
    },
    {
      ...{
        title: 'Reasons',
        unit: 'ops',
        description: 'Photos that could not be read, or failed, by the code of the reason.',
      },
      series: {
        '{{status}} {{reason}}': `sum by (status, reason) (rate(faceflow_outcomes_total{${NS},status=~"unreadable|failed|refused"}${RATE}))`,
      },
    },
    {
      ...{
        title: 'Tried again',
        unit: 'ops',
        description: 'Handed back, handed out again, put back by schedule, swept; webhooks that failed.',
      },
      series: {
        'handed back': `sum(rate(faceflow_handed_back_total{${NS}}${RATE}))`,
        'handed out again': `sum(rate(faceflow_deliveries_total{${NS},delivery="again"}${RATE}))`,
        'by schedule': `sum(rate(faceflow_scheduled_retries_total{${NS}}${RATE}))`,
        'swept: {{what}}': `sum by (what) (rate(faceflow_swept_total{${NS}}${RATE}))`,
        'webhooks: {{result}}': `sum by (result) (rate(faceflow_webhook_attempts_total{${NS},result!="delivered"}${RATE}))`,
      },
    },
    {
      ...{
        title: 'Refused',
        unit: 'ops',
        description: 'Requests by the code of the error, paths that were refused, full recognizers.',
      },
      series: {
        '{{code}}': `sum by (code) (rate(faceflow_http_errors_total{${NS}}${RATE}))`,
        paths: `sum(rate(faceflow_posted_paths_total{${NS},result="refused"}${RATE}))`,
        'recognizer {{status}}': `sum by (status) (rate(faceflow_grpc_call_duration_seconds_count{${NS},status!="OK"}${RATE}))`,
      },
    },
  ],
};

const GALLERY: RowSpec = {
  title: 'Gallery, leaders, what is needed',
  height: 7,
  panels: [
    {
      ...{ title: 'Known faces', unit: 'short', description: 'Of each recognizer and model.' },
      series: { '{{instance}} {{model}}': `faceflow_gallery_faces{${NS}}` },
    },
    {
      ...{
        title: 'Revision behind',
        unit: 'short',
        description: 'By how many changes a recognizer knows less than the one that knows most.',
      },
      series: {
        '{{instance}} {{model}}': `max by (model) (faceflow_gallery_revision{${NS}}) - on (model) group_right faceflow_gallery_revision{${NS}}`,
      },
    },
    {
      ...{ title: 'Gallery read', unit: 's', description: 'How long ago each recognizer looked for changes.' },
      series: { '{{instance}} {{model}}': `time() - faceflow_gallery_read_timestamp_seconds{${NS}}` },
    },
    {
      ...{ title: 'Leaders', unit: 'short', description: 'Who runs the background jobs; and how often one fails.' },
      series: {
        '{{jobs}}: {{instance}}': `faceflow_leader{${NS}} == 1`,
        '{{task}} fails': `sum by (task) (rate(faceflow_job_errors_total{${NS}}${RATE})) > 0`,
      },
    },
    {
      ...{
        title: 'Reached',
        unit: 'short',
        description: 'Whether database and queue answer; nodes of the database, replicas of the queue.',
      },
      series: {
        '{{dependency}}': `min by (dependency) (faceflow_dependency_up{${NS}})`,
        'database nodes': `min(faceflow_database_cluster_nodes{${NS}})`,
        'queue replicas {{state}}': `max by (state) (faceflow_queue_replicas{${NS}})`,
      },
    },
  ],
};

const RESOURCES: RowSpec = {
  title: 'Resources',
  height: 7,
  panels: [
    {
      ...{ title: 'CPU', unit: 'percentunit', description: 'Cores of each process, its worker threads included.' },
      series: { '{{job}} {{instance}}': `rate(process_cpu_seconds_total{${NS},job=~"faceflow-.+"}${RATE})` },
    },
    {
      ...{
        title: 'Main thread',
        unit: 'percentunit',
        description: 'The share of the time in which the event loop is busy.',
      },
      series: { '{{job}} {{instance}}': `rate(faceflow_event_loop_busy_seconds_total{${NS}}${RATE})` },
      warnAt: [0.7, 0.9],
    },
    {
      ...{ title: 'Memory', unit: 'bytes', description: 'Resident.' },
      series: { '{{job}} {{instance}}': `process_resident_memory_bytes{${NS},job=~"faceflow-.+"}` },
    },
    {
      ...{
        title: 'Worker threads',
        unit: 'short',
        description: 'Busy ones of each recognizer; those that died or hung.',
      },
      series: {
        'busy {{instance}}': `faceflow_recognizer_workers_busy{${NS}}`,
        'replaced {{instance}}': `increase(faceflow_recognizer_workers_replaced_total{${NS}}[15m])`,
      },
    },
    {
      ...{ title: 'Upload disk', unit: 'percentunit', description: 'What is free.' },
      series: {
        free: `min(faceflow_upload_disk_free_bytes{${NS}} / faceflow_upload_disk_size_bytes{${NS}})`,
      },
    },
  ],
};

/** Grafana's own JSON, as its side-car or its import takes it. */
export function describeDashboard() {
  return {
    uid: 'faceflow',
    title: 'Faceflow',
    description: 'The way of a photo from left to right. Made by deploy/monitoring/generate.ts: change dashboard.ts.',
    tags: ['faceflow'],
    schemaVersion: 39,
    version: 1,
    editable: true,
    refresh: '30s',
    time: { from: 'now-3h', to: 'now' },
    timezone: 'browser',
    templating: {
      list: [
        { name: 'datasource', label: 'Prometheus', type: 'datasource', query: 'prometheus' },
        {
          ...{ name: 'namespace', label: 'Namespace', type: 'query', refresh: 2, includeAll: true, allValue: '.*' },
          datasource: { type: 'prometheus', uid: '$datasource' },
          query: { query: 'label_values(faceflow_leader, namespace)', refId: 'namespace' },
          current: { text: 'All', value: '$__all' },
        },
      ],
    },
    annotations: { list: [] },
    panels: layOut([WAY, STAGES, TROUBLE, GALLERY, RESOURCES]),
  };
}
