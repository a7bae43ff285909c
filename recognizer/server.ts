import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Metadata, Server, ServerCredentials, type ServerUnaryCall, type ServiceError, status } from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import { ReflectionService } from '@grpc/reflection';
import { HealthImplementation } from 'grpc-health-check';
import { messageOf, PermanentError } from '../lib/errors.ts';
import type { Log } from '../lib/log.ts';
import {
  type HealthCheckServer,
  HealthCheckService,
  type IdentifyRequest,
  type IdentifyResponse,
  type IdentifyServer,
  IdentifyService,
} from '../proto/face.ts';
import { LineFullError } from './waiting-line.ts';
import { WorkerCrashError } from './worker-pool.ts';

/** Trailing metadata that carries the stable code of a permanent error. */
const ERROR_CODE_KEY = 'faceflow-error-code';
/** As reported by grpc.health.v1: the server as a whole, and the service. */
const HEALTH_NAMES = ['', 'facerecog.Identify'];

const CHANNEL_OPTIONS = {
  // Finds out that a client is gone when the network does not say so.
  'grpc.keepalive_time_ms': 30_000,
  'grpc.keepalive_timeout_ms': 10_000,
  'grpc.keepalive_permit_without_calls': 1,
};

/** How long the last answers may take to leave a server that stops. */
const LAST_ANSWERS_MS = 500;

export type Identify = (path: string, signal: AbortSignal) => Promise<IdentifyResponse>;

export interface RecognizerServer {
  readonly port: number;
  /** From now on photos are answered. */
  becomeReady(identify: Identify): void;
  /** Stops accepting calls and waits for those in hand. */
  close(): Promise<void>;
}

/** Serves facerecog.Identify, facerecog.HealthCheck, grpc.health.v1 and reflection; until it is ready, only the latter three. */
export async function serveRecognizer(options: { host: string; port: number; log: Log }): Promise<RecognizerServer> {
  const server = new Server(CHANNEL_OPTIONS);
  const health = new HealthImplementation();
  const setHealth = (to: 'SERVING' | 'NOT_SERVING') => {
    for (const name of HEALTH_NAMES) health.setStatus(name, to);
  };
  let identify: Identify | null = null;
  const inHand = new Set<Promise<unknown>>();
  setHealth('NOT_SERVING');

  server.addService(IdentifyService, {
    identify: async (call, answer) => {
      try {
        if (identify === null) throw new NotReadyError();
        const work = runCall(call, identify, options.log);
        inHand.add(work);
        answer(null, await work.finally(() => inHand.delete(work)));
      } catch (error) {
        answer(toServiceError(error, options.log));
      }
    },
    match: (_call, answer) => answer({ code: status.UNIMPLEMENTED, details: 'The recognizer cannot match yet.' }),
  } satisfies IdentifyServer);
  server.addService(HealthCheckService, {
    healthCheck: (_call, answer) => answer(null, { ready: identify !== null }),
  } satisfies HealthCheckServer);
  health.addToServer(server);
  new ReflectionService(loadSync(findProtoFile())).addToServer(server);

  const port = await bind(server, options.host, options.port);
  return {
    port,
    becomeReady(ready) {
      identify = ready;
      setHealth('SERVING');
    },
    async close() {
      setHealth('NOT_SERVING');
      const shut = new Promise((resolve) => server.tryShutdown(resolve));
      await Promise.allSettled(inHand);
      // Somebody who watches the health, or keeps a connection for later, is not waited for.
      await Promise.race([shut, sleep(LAST_ANSWERS_MS)]);
      server.forceShutdown();
    },
  };
}

class NotReadyError extends Error {
  constructor() {
    super('The recognizer is still loading its networks or its gallery; try again.');
  }
}

/** Cancelled, or past its deadline: whatever is answered reaches nobody. */
class CallerGoneError extends Error {
  constructor() {
    super('The caller has gone.');
  }
}

async function runCall(call: ServerUnaryCall<IdentifyRequest, IdentifyResponse>, identify: Identify, log: Log) {
  const path = call.request.imagePath;
  const gone = new AbortController();
  call.on('cancelled', () => gone.abort(new CallerGoneError()));
  const started = performance.now();
  try {
    const response = await identify(path, gone.signal);
    const people = response.recognition?.faces.map((face) => face.match?.personName ?? null);
    log.debug({ path, ms: Math.round(performance.now() - started), people }, 'photo looked at');
    return response;
  } catch (error) {
    log.debug({ path, ms: Math.round(performance.now() - started), reason: messageOf(error) }, 'photo not looked at');
    throw error;
  }
}

function toServiceError(error: unknown, log: Log): Partial<ServiceError> {
  if (error instanceof PermanentError) return permanentError(error);
  if (error instanceof LineFullError) return { code: status.RESOURCE_EXHAUSTED, details: error.message };
  if (error instanceof CallerGoneError) return { code: status.CANCELLED, details: error.message };
  if (error instanceof NotReadyError) return { code: status.UNAVAILABLE, details: error.message };
  log.error({ err: error }, 'a photo could not be looked at');
  return {
    code: error instanceof WorkerCrashError ? status.UNAVAILABLE : status.INTERNAL,
    details: messageOf(error),
  };
}

function permanentError(error: PermanentError): Partial<ServiceError> {
  const metadata = new Metadata();
  metadata.set(ERROR_CODE_KEY, error.code);
  return { code: permanentStatus(error.code), details: error.message, metadata };
}

function permanentStatus(code: string): status {
  if (code === 'file_not_found') return status.NOT_FOUND;
  if (code === 'path_outside_roots') return status.PERMISSION_DENIED;
  return status.INVALID_ARGUMENT;
}

function bind(server: Server, host: string, port: number): Promise<number> {
  const address = `${host.includes(':') ? `[${host}]` : host}:${port}`;
  return new Promise((resolve, reject) => {
    server.bindAsync(address, ServerCredentials.createInsecure(), (error, bound) =>
      error ? reject(error) : resolve(bound),
    );
  });
}

/** Reflection shows the proto file itself, which lies in the package's root, not beside the compiled code. */
function findProtoFile(): string {
  for (let folder = import.meta.dirname; folder !== dirname(folder); folder = dirname(folder)) {
    const file = join(folder, 'proto', 'face.proto');
    if (existsSync(file)) return file;
  }
  throw new Error('proto/face.proto is missing from the package.');
}
