import { openApiKeys } from '../lib/api-keys.ts';
import { openDatabase } from '../lib/database.ts';
import { openEvents } from '../lib/events.ts';
import { openFaces } from '../lib/faces.ts';
import { openImageQueue } from '../lib/image-queue.ts';
import { openImages } from '../lib/images.ts';
import { createLog } from '../lib/log.ts';
import { createLeaderGauge, createMetrics } from '../lib/metrics.ts';
import { loadOrExit, run } from '../lib/run.ts';
import { runJobs } from '../lib/run-jobs.ts';
import { openSessions } from '../lib/sessions.ts';
import { admitSomebody, openAccess } from './access/open-access.ts';
import { buildApp } from './app.ts';
import { loadConfig } from './config.ts';
import { indexPathsOfOlderVersions } from './index-paths.ts';
import { createRetryJob } from './jobs/retry-failed.ts';
import { createSweepJob } from './jobs/sweep.ts';
import { createTidyJob } from './jobs/tidy-queue.ts';
import { openRecognizerClient } from './recognizer-client.ts';

const config = loadOrExit(() => loadConfig(process.env));
const log = createLog('receiver', { level: config.LOG_LEVEL, format: config.LOG_FORMAT });

const { SHUTDOWN_TIMEOUT_MS: shutdownTimeoutMs, DRAIN_MS: drainMs } = config;
await run(log, { shutdownTimeoutMs, drainMs }, async (life) => {
  const { onClose, signal } = life;
  const db = openDatabase(config.MYSQL_URL);
  onClose('database', () => db.close());
  const access = openAccess(config.access, openApiKeys(db), openSessions(db));
  await admitSomebody(access, { host: config.HOST, log, life });
  const { IMAGES_STREAM: stream, IMAGES_CONSUMER: consumer, NATS_REPLICAS: replicas } = config;
  const queue = openImageQueue({ url: config.NATS_URL, stream, consumer, replicas, log });
  onClose('queue', () => queue.close());
  const events = openEvents({ url: config.NATS_URL, stream: config.EVENTS_STREAM, replicas, log });
  onClose('events', () => events.close());
  const recognizer = openRecognizerClient({
    address: config.RECOGNIZER_ADDRESS,
    timeoutMs: config.RECOGNIZER_TIMEOUT_MS,
  });
  onClose('recognizer client', () => recognizer.close());
  const images = openImages(db);
  const faces = openFaces(db);
  const metrics = createMetrics();
  const jobs = runJobs({
    jobs: [createSweepJob({ queue, metrics }), createRetryJob({ events, metrics }), createTidyJob({ queue })],
    ...{ db, log, signal, replicas, natsUrl: config.NATS_URL },
    ...{ bucket: `${stream}_sweeper`, leaseMs: config.LEADER_LEASE_MS },
    onLead: createLeaderGauge(metrics, 'queue'),
  });
  onClose('jobs', () => jobs);
  const indexing = indexPathsOfOlderVersions({ images, log, signal });
  onClose('path index', () => indexing);

  const limits = { maxBytes: config.MAX_IMAGE_BYTES, maxPixels: config.MAX_IMAGE_PIXELS };
  const services = { db, images, faces, queue, events, recognizer, metrics, access };
  const app = await buildApp({ ...services, roots: config.IMAGE_ROOTS, limits, log, stopping: signal });
  await app.listen({ host: config.HOST, port: config.RECEIVER_PORT });
  onClose('http', () => app.close());
  log.info({ roots: config.IMAGE_ROOTS }, 'photos are accepted from these folders');
});
