import { randomUUID } from 'node:crypto';
import type { Socket } from 'node:net';
import cookie from '@fastify/cookie';
import multipart from '@fastify/multipart';
import swagger from '@fastify/swagger';
import swaggerUi from '@fastify/swagger-ui';
import fastify, { type FastifyBaseLogger, type FastifyInstance, LogController } from 'fastify';
import { type FastifyPluginAsyncZod, serializerCompiler, validatorCompiler } from 'fastify-type-provider-zod';
import type { Database } from '../lib/database.ts';
import { messageOf } from '../lib/errors.ts';
import type { Events } from '../lib/events.ts';
import type { Faces } from '../lib/faces.ts';
import type { ImageQueue } from '../lib/image-queue.ts';
import type { Images } from '../lib/images.ts';
import type { Log } from '../lib/log.ts';
import { measureHttp } from '../lib/measure-http.ts';
import type { Metrics } from '../lib/metrics.ts';
import type { PhotoSources } from '../lib/photo-sources.ts';
import { traceRequests } from '../lib/trace-requests.ts';
import type { Webhooks } from '../lib/webhooks.ts';
import { guardRoutes } from './access/guard.ts';
import type { AccessControl } from './access/open-access.ts';
import { BAD_HTTP } from './answer-bad-http.ts';
import { knowCallers } from './caller.ts';
import { createErrorCounter } from './count-requests.ts';
import { answerErrors, answerWrongMethods, HttpError } from './errors.ts';
import { honourIdempotencyKeys } from './idempotency.ts';
import { describeApi } from './openapi/describe-api.ts';
import type { RecognizerClient } from './recognizer-client.ts';
import { addAuditRoute } from './routes/audit.ts';
import { addCalibrationRoutes } from './routes/calibration.ts';
import { addClusterRoutes } from './routes/clusters.ts';
import { addDeleteImageRoute } from './routes/delete-image.ts';
import { addEnrolmentRoutes } from './routes/enrolments.ts';
import { addEventRoute } from './routes/events.ts';
import { addFacePersonRoutes } from './routes/face-person.ts';
import { addFaceRoutes } from './routes/faces.ts';
import { addHealthRoutes } from './routes/health.ts';
import { addImageListRoutes } from './routes/image-list.ts';
import { addImageRoutes } from './routes/images.ts';
import { addJobRoute } from './routes/jobs.ts';
import { addKeyRoutes } from './routes/keys.ts';
import { addMetricsRoute } from './routes/metrics.ts';
import { addModelRoutes } from './routes/models.ts';
import { addNameImagesRoute } from './routes/name-images.ts';
import { addPeopleRoutes } from './routes/people.ts';
import { addPhotoRoute } from './routes/photo.ts';
import { addReferencePhotoRoute } from './routes/reference-photo.ts';
import { addRetryRoutes } from './routes/retry.ts';
import { addSearchRoute } from './routes/search.ts';
import { addSessionRoutes } from './routes/session.ts';
import { addSubmitRoutes } from './routes/submit.ts';
import { addSystemRoutes } from './routes/system.ts';
import { addWebhookRoutes } from './routes/webhooks.ts';
import type { WebhookSender } from './webhooks/send.ts';

export interface AppOptions {
  readonly db: Database;
  readonly images: Images;
  readonly faces: Faces;
  readonly queue: ImageQueue;
  readonly events: Events;
  readonly recognizer: RecognizerClient;
  readonly metrics: Metrics;
  readonly access: AccessControl;
  /** Absolute folders that photos may come from; uploads go below the first. */
  readonly roots: readonly string[];
  readonly sources: PhotoSources;
  /** The folder KNOWN_PEOPLE, to show what is enrolled from there; null: not known here. */
  readonly knownPeople: string | null;
  readonly webhooks: Webhooks;
  readonly sender: WebhookSender;
  /** What is shown at all: bytes of a photo's file, and its width × height. */
  readonly limits: { readonly maxBytes: number; readonly maxPixels: number };
  readonly log: Log;
  /** Aborted when the receiver is about to stop: it answers as before, and asks clients to connect elsewhere. */
  readonly stopping: AbortSignal;
}

export type App = Parameters<FastifyPluginAsyncZod>[0];

/** How long a request may take to come, its body included: whoever sends a byte a minute does not hold a place for ever. */
const REQUEST_TIMEOUT_MS = 15 * 60_000;

/** Of the page that shows the API: swagger-ui's own files, its icons, and the API itself. */
const DESCRIPTION_POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self' 'unsafe-inline'",
  "img-src 'self' data:",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');

/** Builds the HTTP API; the caller listens. */
export async function buildApp(options: AppOptions): Promise<FastifyInstance> {
  const app = fastify({
    loggerInstance: options.log as FastifyBaseLogger,
    logController: new LogController({ disableRequestLogging: true }),
    genReqId: () => randomUUID(),
    // A stopping receiver finishes what it has begun; idle connections need not be waited for.
    forceCloseConnections: 'idle',
    trustProxy: [...options.access.settings.trustedProxies],
    requestTimeout: REQUEST_TIMEOUT_MS,
    // What comes before the last connection is closed is answered, not refused.
    return503OnClosing: false,
    routerOptions: { ignoreTrailingSlash: true },
    ...BAD_HTTP,
  });
  app.setValidatorCompiler(validatorCompiler);
  app.setSerializerCompiler(serializerCompiler);
  measureHttp(app, options.metrics);
  traceRequests(app);
  answerErrors(app, createErrorCounter(options.metrics));
  knowCallers(app);
  tellRequestIds(app);
  keepOutOfCaches(app);
  await app.register(cookie);
  await guardRoutes(app, options.access);
  refuseRepeatedParameters(app);
  honourIdempotencyKeys(app, options);
  parseEveryBodyAsJson(app);
  closeUnusedConnections(app);
  app.addHook('onSend', async (_request, reply) => {
    if (options.stopping.aborted) reply.header('connection', 'close');
  });
  // Whoever stores an upload counts its bytes, and reads the rest of the form all the same.
  await app.register(multipart, { throwFileSizeLimit: false });
  await app.register(swagger, describeApi());
  await app.register(swaggerUi, { routePrefix: '/docs', staticCSP: DESCRIPTION_POLICY });
  const addRoutes: FastifyPluginAsyncZod = async (api) => {
    answerWrongMethods(api);
    addHealthRoutes(api, options);
    addMetricsRoute(api, options);
    addSubmitRoutes(api, options);
    addImageRoutes(api, options);
    addImageListRoutes(api, options);
    addNameImagesRoute(api, options);
    addReferencePhotoRoute(api, options);
    addRetryRoutes(api, options);
    addDeleteImageRoute(api, options);
    addPhotoRoute(api, options);
    addClusterRoutes(api, options);
    addEventRoute(api, options);
    addJobRoute(api, options);
    addFaceRoutes(api, options);
    addPeopleRoutes(api, options);
    addEnrolmentRoutes(api, options);
    addFacePersonRoutes(api, options);
    addSearchRoute(api, options);
    addCalibrationRoutes(api, options);
    addKeyRoutes(api, options);
    addSessionRoutes(api, options);
    addAuditRoute(api, options);
    addModelRoutes(api, options);
    addSystemRoutes(api, options);
    addWebhookRoutes(api, options);
  };
  await app.register(addRoutes);
  return app;
}

/** The audit tells of requests by their ids. */
function tellRequestIds(app: FastifyInstance): void {
  app.addHook('onRequest', async (request, reply) => {
    reply.header('x-request-id', request.id);
  });
}

/** Names and faces are of the moment, and nobody else's: only what says otherwise (photos) may be kept on the way. */
function keepOutOfCaches(app: FastifyInstance): void {
  app.addHook('onSend', async (_request, reply) => {
    if (!reply.hasHeader('cache-control')) reply.header('cache-control', 'no-store');
  });
}

/** No parameter takes several values; which one was meant nobody knows. */
function refuseRepeatedParameters(app: FastifyInstance): void {
  app.addHook('preValidation', async ({ query }) => {
    const [repeated] = Object.entries(query as object).find(([, value]) => Array.isArray(value)) ?? [];
    if (repeated === undefined) return;
    const message = `The request is not valid: ${repeated}: stands more than once in the query`;
    throw new HttpError(400, 'invalid_request', message);
  });
}

/**
 * Node does not count a connection as idle on which nothing has been asked yet, and browsers keep such for later: a
 * receiver that stops would wait for them until its deadline.
 */
function closeUnusedConnections(app: FastifyInstance): void {
  const unused = new Set<Socket>();
  app.server.on('connection', (socket) => {
    unused.add(socket);
    socket.once('close', () => unused.delete(socket));
  });
  app.server.on('request', ({ socket }) => unused.delete(socket));
  app.addHook('preClose', async () => {
    for (const socket of unused) socket.destroy();
  });
}

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Photos may come as multipart/form-data. */
    takesUploads?: boolean;
  }
}

/** The reference system reads JSON whatever the Content-Type says, and plain `curl -d` sends that of a form. */
function parseEveryBodyAsJson(app: FastifyInstance): void {
  app.addHook('onRequest', async (request) => {
    const { headers } = request.raw;
    const hasBody = Number(headers['content-length']) > 0 || headers['transfer-encoding'] !== undefined;
    const isUpload =
      request.routeOptions.config.takesUploads && /^multipart\/form-data/i.test(headers['content-type'] ?? '');
    if (hasBody) headers['content-type'] = isUpload ? headers['content-type'] : 'application/json';
    else delete headers['content-type'];
  });
  app.removeAllContentTypeParsers();
  // A path whose bytes were replaced would be another path. (It takes a byte order mark away, too.)
  const utf8 = new TextDecoder('utf-8', { fatal: true });
  app.addContentTypeParser('application/json', { parseAs: 'buffer' }, (request, body, done) => {
    try {
      done(null, JSON.parse(utf8.decode(body as Buffer)));
    } catch (error) {
      const hint = request.routeOptions.config.takesUploads ? ' (A photo comes as multipart/form-data.)' : '';
      done(new HttpError(400, 'invalid_json', `The body is not valid JSON: ${messageOf(error)}${hint}`));
    }
  });
}
