import { openDatabase } from '../lib/database.ts';
import { openEnrolments } from '../lib/enrolments.ts';
import { openEvents } from '../lib/events.ts';
import { openFaces } from '../lib/faces.ts';
import { openImageQueue } from '../lib/image-queue.ts';
import { openImages } from '../lib/images.ts';
import { createLog } from '../lib/log.ts';
import { openNatsAccess } from '../lib/nats-access.ts';
import { loadOrExit, run } from '../lib/run.ts';
import { keepTls } from '../lib/tls-files.ts';
import { buildApp } from './app.ts';
import { loadConfig } from './config.ts';
import { indexPathsOfOlderVersions } from './index-paths.ts';
import { publishPending } from './publish-pending.ts';
import { openRecognizerClient } from './recognizer-client.ts';

const config = loadOrExit(() => loadConfig(process.env));
const log = createLog('receiver', { level: config.LOG_LEVEL, format: config.LOG_FORMAT });

await run(log, { shutdownTimeoutMs: config.SHUTDOWN_TIMEOUT_MS }, async ({ onClose, signal }) => {
  const db = openDatabase(config.MYSQL_URL, { tls: await keepTls('MYSQL', config, { log, signal }) });
  onClose('database', () => db.close());
  const { IMAGES_STREAM: stream, IMAGES_CONSUMER: consumer } = config;
  const access = await openNatsAccess('receiver', config, { log, signal });
  const queue = openImageQueue({ url: config.NATS_URL, access, stream, consumer, log });
  onClose('queue', () => queue.close());
  const events = openEvents({ url: config.NATS_URL, access, stream: config.EVENTS_STREAM, log });
  onClose('events', () => events.close());
  const recognizer = openRecognizerClient({
    address: config.RECOGNIZER_ADDRESS,
    timeoutMs: config.RECOGNIZER_TIMEOUT_MS,
    tls: await keepTls('GRPC', config, { log, signal }),
  });
  onClose('recognizer client', () => recognizer.close());
  const images = openImages(db);
  const faces = openFaces(db);
  const outboxes = { identify: images, enrol: openEnrolments(db) };
  const publishing = publishPending({ outboxes, queue, log, signal });
  onClose('publisher', () => publishing);
  const indexing = indexPathsOfOlderVersions({ images, log, signal });
  onClose('path index', () => indexing);

  const limits = { maxBytes: config.MAX_IMAGE_BYTES, maxPixels: config.MAX_IMAGE_PIXELS };
  const app = await buildApp({ db, images, faces, queue, events, recognizer, roots: config.IMAGE_ROOTS, limits, log });
  await app.listen({ host: config.HOST, port: config.RECEIVER_PORT });
  onClose('http', () => app.close());
  log.info({ roots: config.IMAGE_ROOTS }, 'photos are accepted from these folders');
});
