import { openDatabase } from '../lib/database.ts';
import { openDecisionRules } from '../lib/decision-rules.ts';
import { serveHealth } from '../lib/health.ts';
import { createLog } from '../lib/log.ts';
import { createMetrics } from '../lib/metrics.ts';
import { openPeople } from '../lib/people.ts';
import { loadOrExit, run } from '../lib/run.ts';
import { loadConfig } from './config.ts';
import { createGallery } from './gallery.ts';
import { identify } from './identify.ts';
import { keepDecisionRules } from './keep-decision-rules.ts';
import { keepGallery } from './keep-gallery.ts';
import { keepSnapshot, restoreGallery } from './keep-snapshot.ts';
import { keepKnownPhotosInMemory } from './known-photos.ts';
import { match } from './match.ts';
import { thresholdFor } from './quality.ts';
import { serveRecognizer } from './server.ts';
import { openWorkerPool } from './worker-pool.ts';

const config = loadOrExit(() => loadConfig(process.env));
const log = createLog('recognizer', { level: config.LOG_LEVEL, format: config.LOG_FORMAT });

const { SHUTDOWN_TIMEOUT_MS: shutdownTimeoutMs, DRAIN_MS: drainMs } = config;
await run(log, { shutdownTimeoutMs, drainMs }, async ({ onClose, signal }) => {
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
    log,
  });
  onClose('workers', () => pool.close());
  const database = config.MYSQL_URL === undefined ? null : openDatabase(config.MYSQL_URL);
  onClose('database', () => database?.close());
  const server = await serveRecognizer({
    host: config.HOST,
    port: config.RECOGNIZER_PORT,
    maxImageBytes: config.MAX_IMAGE_BYTES,
    log,
  });
  onClose('server', () => server.close());
  log.info({ port: server.port, workers: pool.workers, database: database !== null }, 'listening');

  let isReady = false;
  if (config.METRICS_PORT !== undefined) {
    const ready = async () => {
      if (!isReady || signal.aborted) throw new Error('It is loading, or stopping.');
    };
    const watched = { host: config.HOST, port: config.METRICS_PORT, ready, metrics: createMetrics() };
    const health = await serveHealth(watched);
    onClose('health', () => health.close());
    log.info({ port: health.port }, 'metrics are told over HTTP');
  }

  const { model, backend } = await pool.warmUp();
  log.info({ backend, model }, 'networks loaded');
  const table = database && openDecisionRules(database);
  const rules = keepDecisionRules({ table, model, threshold: config.MATCH_THRESHOLD });
  const folder = config.GALLERY_SNAPSHOT ?? null;
  const { search, restored } = await restoreGallery({ folder, model, log });
  const gallery = createGallery(search);
  const photos = database === null ? keepKnownPhotosInMemory() : openPeople(database);
  const keeper = keepGallery({
    search,
    restored,
    photos,
    rules,
    folder: config.KNOWN_PEOPLE ?? null,
    enrolPoorFaces: config.ENROL_POOR_FACES === 'true',
    model,
    pool,
    log,
    pollMs: config.GALLERY_POLL_MS,
  });
  onClose('gallery', () => keeper.close());
  await keeper.loaded;
  if (folder !== null) {
    const snapshots = keepSnapshot({ folder, search, model, log, restored });
    onClose('snapshot', () => snapshots.close());
  }
  if (signal.aborted) return;
  signal.addEventListener('abort', () => server.becomeUnready());
  isReady = true;
  const naming = { gallery, rules, model, thresholdFor };
  server.becomeReady({
    identify: (request, signal) => identify({ ...naming, roots: config.IMAGE_ROOTS, pool }, request, signal),
    match: (request, signal) => match({ ...naming, refresh: keeper.refresh }, request, signal),
  });
  log.info({ knownFaces: gallery.size }, 'ready');
});
