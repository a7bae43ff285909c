import { openDatabase } from '../lib/database.ts';
import { openEnrolments } from '../lib/enrolments.ts';
import { openEvents } from '../lib/events.ts';
import { openFaces } from '../lib/faces.ts';
import { serveHealth } from '../lib/health.ts';
import { openImageQueue } from '../lib/image-queue.ts';
import { LEASE_MS } from '../lib/image-stream.ts';
import { openImages } from '../lib/images.ts';
import { createLog } from '../lib/log.ts';
import { createJobErrorCounter, createLeaderGauge, createMetrics, measureNeeds } from '../lib/metrics.ts';
import { openNatsAccess } from '../lib/nats-access.ts';
import { openPeople } from '../lib/people.ts';
import { reportReplica } from '../lib/replicas.ts';
import { loadOrExit, run } from '../lib/run.ts';
import { runJobs } from '../lib/run-jobs.ts';
import { keepTls } from '../lib/tls-files.ts';
import { startTracing } from '../lib/tracing.ts';
import { loadConfig } from './config.ts';
import { enrolPhoto } from './enrol-photo.ts';
import { createClusterJob } from './jobs/cluster-faces.ts';
import { createRetentionJob } from './jobs/erase-strangers.ts';
import { createForgetAnswersJob } from './jobs/forget-answers.ts';
import { createModelJob } from './jobs/models.ts';
import { createRematchJob } from './jobs/rematch.ts';
import { measureWork } from './measure-work.ts';
import { processImage } from './process-image.ts';
import { openRecognizerClient } from './recognizer-client.ts';
import { describeBreaker, reportBreaker } from './report-breaker.ts';
import { traceLease } from './trace-lease.ts';
import { startWorker } from './worker.ts';

const config = loadOrExit(() => loadConfig(process.env));
const log = createLog('processor', { level: config.LOG_LEVEL, format: config.LOG_FORMAT });

await run(log, { shutdownTimeoutMs: config.SHUTDOWN_TIMEOUT_MS }, async ({ onClose, signal }) => {
  const tracing = await startTracing('processor', config, log);
  onClose('tracing', () => tracing.close());
  const db = openDatabase(config.MYSQL_URL, { tls: await keepTls('MYSQL', config, { log, signal }) });
  onClose('database', () => db.close());
  const { IMAGES_STREAM: stream, IMAGES_CONSUMER: consumer, NATS_REPLICAS: replicas } = config;
  const natsAccess = await openNatsAccess('processor', config, { log, signal });
  const nats = { url: config.NATS_URL, access: natsAccess, replicas, log };
  const queue = openImageQueue({ ...nats, stream, consumer });
  onClose('queue', () => queue.close());
  const events = openEvents({ ...nats, stream: config.EVENTS_STREAM });
  onClose('events', () => events.close());
  const recognizer = openRecognizerClient({
    address: config.RECOGNIZER_ADDRESS,
    timeoutMs: config.RECOGNIZER_TIMEOUT_MS,
    tls: await keepTls('GRPC', config, { log, signal }),
    log,
  });
  onClose('recognizer client', () => recognizer.close());

  const metrics = createMetrics();
  reportBreaker({ breaker: recognizer.breaker, events, metrics });
  const look = () => ({ breaker: describeBreaker(recognizer.breaker.status()) });
  const replica = reportReplica({ db, service: 'processor', look, log, signal });
  recognizer.breaker.onChange(() => replica.tell({}));
  onClose('replica', () => replica.ended);

  measureNeeds(metrics, { mysql: () => db.ping(), nats: () => queue.ping() });
  const measures = measureWork(metrics, config.PROCESSOR_CONCURRENCY);

  const retryScheduleMs = config.RETRY_SCHEDULE;
  const options = {
    measures,
    images: openImages(db, { retryScheduleMs }),
    people: openPeople(db),
    enrolments: openEnrolments(db, { retryScheduleMs }),
    recognizer,
    events,
    maxDeliveries: config.MAX_DELIVERIES,
    extendEveryMs: LEASE_MS / 3,
    log,
    signal,
  };
  const worker = startWorker({
    queue,
    admit: recognizer.breaker.admit,
    pingDatabase: db.ping,
    process: (lease) =>
      traceLease(lease, () =>
        measures.follow(lease, () =>
          lease.kind === 'enrol' ? enrolPhoto(lease, options) : processImage(lease, options),
        ),
      ),
    concurrency: config.PROCESSOR_CONCURRENCY,
    log,
  });
  onClose('worker', () => worker.stop());
  const background = [
    createRematchJob({ faces: openFaces(db), recognizer, events }),
    createClusterJob({ events }),
    createRetentionJob({ days: config.UNKNOWN_RETENTION_DAYS }),
    createForgetAnswersJob(),
    createModelJob({ faces: openFaces(db), recognizer, events, concurrency: config.MODEL_CONCURRENCY }),
  ];
  const names = background.map(({ name }) => name);
  const measureLead = createLeaderGauge(metrics, 'stored');
  const jobs = runJobs({
    jobs: background,
    db,
    natsUrl: config.NATS_URL,
    natsAccess,
    bucket: `${stream}_leader`,
    leaseMs: config.LEADER_LEASE_MS,
    replicas,
    log,
    signal,
    onLead(leads) {
      measureLead(leads !== undefined);
      replica.tell({ leads });
    },
    onError: createJobErrorCounter(metrics, names),
  });
  onClose('jobs', () => jobs);

  const ready = async () => {
    signal.throwIfAborted();
    await Promise.all([db.ping(), queue.ping()]);
  };
  const health = await serveHealth({ host: config.HOST, port: config.PROCESSOR_PORT, ready, metrics });
  onClose('health', () => health.close());
  log.info({ port: health.port, concurrency: config.PROCESSOR_CONCURRENCY }, 'pulling images');
});
