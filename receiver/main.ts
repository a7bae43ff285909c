import { openApiKeys } from '../lib/api-keys.ts';
import { openDatabase } from '../lib/database.ts';
import { openEvents } from '../lib/events.ts';
import { openFaces } from '../lib/faces.ts';
import { openImageQueue } from '../lib/image-queue.ts';
import { openImages } from '../lib/images.ts';
import { createLog } from '../lib/log.ts';
import { createJobErrorCounter, createLeaderGauge, createMetrics, measureNeeds } from '../lib/metrics.ts';
import { openNatsAccess } from '../lib/nats-access.ts';
import { openPhotoSources } from '../lib/photo-sources.ts';
import { reportReplica } from '../lib/replicas.ts';
import { loadOrExit, run } from '../lib/run.ts';
import { runJobs } from '../lib/run-jobs.ts';
import { openSessions } from '../lib/sessions.ts';
import { keepTls } from '../lib/tls-files.ts';
import { startTracing } from '../lib/tracing.ts';
import { openWebhooks } from '../lib/webhooks.ts';
import { admitSomebody, openAccess } from './access/open-access.ts';
import { buildApp } from './app.ts';
import { loadConfig } from './config.ts';
import { indexPathsOfOlderVersions } from './index-paths.ts';
import { createWebhookJob } from './jobs/deliver-webhooks.ts';
import { createHistoryJob } from './jobs/history.ts';
import { createRetryJob } from './jobs/retry-failed.ts';
import { createSweepJob } from './jobs/sweep.ts';
import { createTidyJob } from './jobs/tidy-queue.ts';
import { createWakeJob } from './jobs/wake-processors.ts';
import { measureQueue } from './measure-queue.ts';
import { measureDatabaseCluster, measureUploadFolder } from './measure-storage.ts';
import { openRecognizerClient } from './recognizer-client.ts';
import { openWebhookSender } from './webhooks/send.ts';

const config = loadOrExit(() => loadConfig(process.env));
const log = createLog('receiver', { level: config.LOG_LEVEL, format: config.LOG_FORMAT });

const { SHUTDOWN_TIMEOUT_MS: shutdownTimeoutMs, DRAIN_MS: drainMs } = config;
await run(log, { shutdownTimeoutMs, drainMs }, async (life) => {
  const { onClose, signal } = life;
  const tracing = await startTracing('receiver', config, log);
  onClose('tracing', () => tracing.close());
  const db = openDatabase(config.MYSQL_URL, { tls: await keepTls('MYSQL', config, { log, signal }) });
  onClose('database', () => db.close());
  const access = openAccess(config.access, openApiKeys(db), openSessions(db));
  await admitSomebody(access, { host: config.HOST, log, life });
  const { IMAGES_STREAM: stream, IMAGES_CONSUMER: consumer, NATS_REPLICAS: replicas } = config;
  const natsAccess = await openNatsAccess('receiver', config, { log, signal });
  const nats = { url: config.NATS_URL, access: natsAccess, replicas, log };
  const queue = openImageQueue({ ...nats, stream, consumer });
  onClose('queue', () => queue.close());
  const events = openEvents({ ...nats, stream: config.EVENTS_STREAM });
  onClose('events', () => events.close());
  const recognizer = openRecognizerClient({
    address: config.RECOGNIZER_ADDRESS,
    timeoutMs: config.RECOGNIZER_TIMEOUT_MS,
    tls: await keepTls('GRPC', config, { log, signal }),
  });
  onClose('recognizer client', () => recognizer.close());
  const images = openImages(db);
  const faces = openFaces(db);
  const metrics = createMetrics();
  const replica = reportReplica({ db, service: 'receiver', log, signal });
  onClose('replica', () => replica.ended);
  measureNeeds(metrics, { mysql: () => db.ping(), nats: () => queue.ping() });
  measureQueue(metrics, queue);
  measureDatabaseCluster(metrics, db);
  measureUploadFolder(metrics, config.IMAGE_ROOTS[0] ?? '');
  const webhooks = openWebhooks(db, config.webhooks.secret);
  const sender = openWebhookSender(config.webhooks);
  onClose('webhook sender', () => sender.close());
  const background = [
    createSweepJob({ queue, metrics }),
    createRetryJob({ events, metrics }),
    createTidyJob({ queue }),
    createHistoryJob(),
    createWakeJob({ queue }),
    createWebhookJob({ webhooks, sender, scheduleMs: config.webhooks.scheduleMs, metrics }),
  ];
  const names = background.map(({ name }) => name);
  const measureLead = createLeaderGauge(metrics, 'queue');
  const jobs = runJobs({
    jobs: background,
    ...{
      db,
      log,
      signal,
      replicas,
      natsUrl: config.NATS_URL,
      natsAccess,
      bucket: `${stream}_sweeper`,
      leaseMs: config.LEADER_LEASE_MS,
    },
    onLead(leads) {
      measureLead(leads !== undefined);
      replica.tell({ leads });
    },
    onError: createJobErrorCounter(metrics, names),
  });
  onClose('jobs', () => jobs);
  const indexing = indexPathsOfOlderVersions({ images, log, signal });
  onClose('path index', () => indexing);

  const sources = openPhotoSources(config);
  onClose('photo sources', () => sources.close());
  const limits = { maxBytes: config.MAX_IMAGE_BYTES, maxPixels: config.MAX_IMAGE_PIXELS };
  const roots = config.IMAGE_ROOTS;
  const services = { db, images, faces, queue, events, recognizer, metrics, access, webhooks, sender };
  const knownPeople = config.KNOWN_PEOPLE ?? null;
  const app = await buildApp({ ...services, roots, sources, knownPeople, limits, log, stopping: signal });
  await app.listen({ host: config.HOST, port: config.RECEIVER_PORT });
  onClose('http', () => app.close());
  log.info({ roots }, 'photos are accepted from these folders');
});
