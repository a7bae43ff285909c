import { openDatabase } from '../lib/database.ts';
import { openDecisionRules } from '../lib/decision-rules.ts';
import { DESCRIPTOR_MODELS } from '../lib/descriptor-models.ts';
import { openStoredGallery } from '../lib/gallery.ts';
import { serveHealth } from '../lib/health.ts';
import { createLog } from '../lib/log.ts';
import { createMetrics } from '../lib/metrics.ts';
import { readWantedModels } from '../lib/models.ts';
import { openPeople } from '../lib/people.ts';
import { DOWNLOADS, openPhotoSources } from '../lib/photo-sources.ts';
import { reportReplica } from '../lib/replicas.ts';
import { loadOrExit, run } from '../lib/run.ts';
import { keepTls } from '../lib/tls-files.ts';
import { startTracing } from '../lib/tracing.ts';
import { loadConfig } from './config.ts';
import { describeFaces } from './describe-faces.ts';
import { identify } from './identify.ts';
import { keepFolder } from './keep-folder.ts';
import { keepModels } from './keep-models.ts';
import { keepKnownPhotosInMemory } from './known-photos.ts';
import { match } from './match.ts';
import { measureGalleries } from './measure-galleries.ts';
import { measureCalls, measurePool, measureStages } from './measure-work.ts';
import { forgetSnapshot, openGallery } from './open-gallery.ts';
import { thresholdFor } from './quality.ts';
import { serveRecognizer } from './server.ts';
import { openWorkerPool } from './worker-pool.ts';

const config = loadOrExit(() => loadConfig(process.env));
const log = createLog('recognizer', { level: config.LOG_LEVEL, format: config.LOG_FORMAT });

const { SHUTDOWN_TIMEOUT_MS: shutdownTimeoutMs, DRAIN_MS: drainMs } = config;
await run(log, { shutdownTimeoutMs, drainMs }, async ({ onClose, signal }) => {
  const tracing = await startTracing('recognizer', config, log);
  onClose('tracing', () => tracing.close());
  const metrics = createMetrics();
  const observe = measureStages(metrics);
  const pool = openWorkerPool({
    workers: config.RECOGNIZER_WORKERS,
    maxWaiting: config.RECOGNIZER_QUEUE,
    settings: {
      engine: config.RECOGNIZER_ENGINE,
      detector: config.DETECTOR,
      minConfidence: config.MIN_CONFIDENCE,
      minFacePixels: config.MIN_FACE_PIXELS,
      maxBytes: config.MAX_IMAGE_BYTES,
      maxPixels: config.MAX_IMAGE_PIXELS,
      maxMs: config.MAX_IMAGE_MS,
    },
    observe,
    log,
  });
  onClose('workers', () => pool.close());
  measurePool(metrics, pool);
  const mysqlTls = await keepTls('MYSQL', config, { log, signal });
  const database = config.MYSQL_URL === undefined ? null : openDatabase(config.MYSQL_URL, { tls: mysqlTls });
  onClose('database', () => database?.close());
  const server = await serveRecognizer({
    host: config.HOST,
    port: config.RECOGNIZER_PORT,
    maxImageBytes: config.MAX_IMAGE_BYTES,
    tls: await keepTls('GRPC', config, { side: 'server', log, signal }),
    interceptors: [measureCalls(metrics)],
    log,
  });
  onClose('server', () => server.close());
  log.info({ port: server.port, workers: pool.workers, database: database !== null }, 'listening');

  let isReady = false;
  if (config.METRICS_PORT !== undefined) {
    const ready = async () => {
      if (!isReady || signal.aborted) throw new Error('It is loading, or stopping.');
    };
    const watched = { host: config.HOST, port: config.METRICS_PORT, ready, metrics };
    const health = await serveHealth(watched);
    onClose('health', () => health.close());
    log.info({ port: health.port }, 'metrics are told over HTTP');
  }

  const { backend } = await pool.warmUp();
  log.info({ backend }, 'networks loaded');
  const photos =
    database === null ? keepKnownPhotosInMemory() : { ...openStoredGallery(database), ...openPeople(database) };
  const pinned = config.DESCRIPTOR_MODEL === 'auto' ? null : config.DESCRIPTOR_MODEL;
  const knownModels = pinned ? [pinned] : DESCRIPTOR_MODELS.map(({ name }) => name);
  const snapshots = config.GALLERY_SNAPSHOT ?? null;
  const pollMs = config.GALLERY_POLL_MS;
  const rulesTable = database && openDecisionRules(database);
  const models = keepModels({
    read: database && (() => readWantedModels(database)),
    pinned,
    open: (model) =>
      openGallery(model, { photos, rulesTable, threshold: config.MATCH_THRESHOLD, snapshots, log, pollMs }),
    forget: (model) => forgetSnapshot(snapshots, model),
    pollMs,
    log,
  });
  onClose('galleries', () => models.close());
  await models.loaded;
  measureGalleries(metrics, models);
  const folder = config.KNOWN_PEOPLE ?? null;
  if (folder !== null) {
    const enrolPoorFaces = config.ENROL_POOR_FACES === 'true';
    const active = { model: () => models.active.model, refresh: () => models.active.refresh() };
    const keeper = keepFolder({ folder, photos, pool, knownModels, enrolPoorFaces, ...active, log, pollMs });
    onClose('known people', () => keeper.close());
    await keeper.enrolled;
  }
  if (signal.aborted) return;
  isReady = true;
  const sources = openPhotoSources(config, { downloads: Math.max(DOWNLOADS, 2 * pool.workers) });
  onClose('photo sources', () => sources.close());
  const looking = { roots: config.IMAGE_ROOTS, sources, pool };
  signal.addEventListener('abort', () => server.becomeUnready());
  server.becomeReady({
    identify: (request, signal) => identify({ ...models.active, ...looking, thresholdFor, observe }, request, signal),
    match: (request, signal) => match({ find: models.find, models: knownModels.join(), thresholdFor }, request, signal),
    describe: (request, signal) => describeFaces({ ...looking, folder, models: knownModels }, request, signal),
  });
  if (database !== null) {
    const look = () => ({
      gallery: { model: models.active.model, faces: models.active.gallery.size },
      workers: pool.workers,
    });
    const replica = reportReplica({ db: database, service: 'recognizer', look, log, signal });
    onClose('replica', () => replica.ended);
  }
  log.info({ model: models.active.model, knownFaces: models.active.gallery.size }, 'ready');
});
