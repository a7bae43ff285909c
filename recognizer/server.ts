import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  Server,
  type ServerCredentials,
  type ServerInterceptor,
  type ServerUnaryCall,
  type sendUnaryData,
} from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import { ReflectionService } from '@grpc/reflection';
import { HealthImplementation } from 'grpc-health-check';
import { messageOf } from '../lib/errors.ts';
import { logRefusedCallers, openServerCredentials } from '../lib/grpc-credentials.ts';
import type { Log } from '../lib/log.ts';
import type { KeptTls } from '../lib/tls-files.ts';
import { traceAnswer } from '../lib/trace-calls.ts';
import {
  type DescribeRequest,
  type DescribeResponse,
  type HealthCheckServer,
  HealthCheckService,
  type IdentifyRequest,
  type IdentifyResponse,
  type IdentifyServer,
  IdentifyService,
  type MatchRequest,
  type MatchResponse,
} from '../proto/face.ts';
import { CallerGoneError, NotReadyError, toServiceError } from './service-errors.ts';

/** As reported by grpc.health.v1: the server as a whole, and the service. */
const HEALTH_NAMES = ['', 'facerecog.Identify'];

const CHANNEL_OPTIONS = {
  // Finds out that a client is gone when the network does not say so.
  'grpc.keepalive_time_ms': 30_000,
  'grpc.keepalive_timeout_ms': 10_000,
  'grpc.keepalive_permit_without_calls': 1,
};

/** gRPC's own limit: for batches of descriptors, and so that a photo that is a little too large gets our answer. */
const ROOM_BYTES = 4 * 1024 * 1024;

/** How long the last answers may take to leave a server that stops. */
const LAST_ANSWERS_MS = 500;

/** What the recognizer does; `signal` is aborted when the caller has gone. */
export interface RecognizerCalls {
  identify(request: IdentifyRequest, signal: AbortSignal): Promise<IdentifyResponse>;
  match(request: MatchRequest, signal: AbortSignal): Promise<MatchResponse>;
  describe(request: DescribeRequest, signal: AbortSignal): Promise<DescribeResponse>;
}

export interface ServerOptions {
  readonly host: string;
  readonly port: number;
  /** Of a photo that comes with the call; larger ones are refused when they are looked at, much larger ones by gRPC. */
  readonly maxImageBytes: number;
  /** Null, or absent: without TLS. */
  readonly tls?: KeptTls | null;
  /** Sees every call as it comes and goes. */
  readonly interceptors?: ServerInterceptor[];
  readonly log: Log;
}

export interface RecognizerServer {
  readonly port: number;
  /** From now on calls are answered. */
  becomeReady(calls: RecognizerCalls): void;
  /** From now on it says that it is not ready, and answers all the same: it is about to stop. */
  becomeUnready(): void;
  /** Stops accepting calls and waits for those in hand. */
  close(): Promise<void>;
}

/** Serves facerecog.Identify, facerecog.HealthCheck, grpc.health.v1 and reflection; until it is ready, only the latter three. */
export async function serveRecognizer(options: ServerOptions): Promise<RecognizerServer> {
  const { host, port, maxImageBytes, tls = null, interceptors = [], log } = options;
  const server = new Server({
    ...CHANNEL_OPTIONS,
    'grpc.max_receive_message_length': maxImageBytes + ROOM_BYTES,
    interceptors,
  });
  const health = new HealthImplementation();
  const setHealth = (to: 'SERVING' | 'NOT_SERVING') => {
    for (const name of HEALTH_NAMES) health.setStatus(name, to);
  };
  let calls: RecognizerCalls | null = null;
  let ready = false;
  const inHand = new Set<Promise<unknown>>();
  setHealth('NOT_SERVING');

  const serve =
    <Request, Response>(
      choose: (ready: RecognizerCalls) => (request: Request, signal: AbortSignal) => Promise<Response>,
    ) =>
    (call: ServerUnaryCall<Request, Response>, answer: sendUnaryData<Response>) =>
      traceAnswer(call.getPath().slice(1), call.metadata, async () => {
        try {
          if (calls === null) throw new NotReadyError();
          const work = runCall(call, choose(calls));
          inHand.add(work);
          answer(null, await work.finally(() => inHand.delete(work)));
          return null;
        } catch (error) {
          const refused = toServiceError(error, log);
          answer(refused);
          return refused;
        }
      });
  server.addService(IdentifyService, {
    identify: serve((ready) => logged(ready.identify, log)),
    match: serve((ready) => ready.match),
    describe: serve((ready) => ready.describe),
  } satisfies IdentifyServer);
  server.addService(HealthCheckService, {
    healthCheck: (_call, answer) => answer(null, { ready }),
  } satisfies HealthCheckServer);
  health.addToServer(server);
  new ReflectionService(loadSync(findProtoFile())).addToServer(server);

  const bound = await bind(server, host, port, openServerCredentials(tls));
  logRefusedCallers(server, log);
  return {
    port: bound,
    becomeReady(given) {
      calls = given;
      ready = true;
      setHealth('SERVING');
    },
    becomeUnready() {
      ready = false;
      setHealth('NOT_SERVING');
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

async function runCall<Request, Response>(
  call: ServerUnaryCall<Request, Response>,
  answer: (request: Request, signal: AbortSignal) => Promise<Response>,
): Promise<Response> {
  const gone = new AbortController();
  call.on('cancelled', () => gone.abort(new CallerGoneError()));
  return answer(call.request, gone.signal);
}

function logged(identify: RecognizerCalls['identify'], log: Log): RecognizerCalls['identify'] {
  return async (request, signal) => {
    const photo = request.image.length > 0 ? { bytes: request.image.length } : { path: request.imagePath };
    const started = performance.now();
    try {
      const response = await identify(request, signal);
      const people = response.recognition?.faces.map((face) => face.match?.personName ?? null);
      log.debug({ ...photo, ms: Math.round(performance.now() - started), people }, 'photo looked at');
      return response;
    } catch (error) {
      const ms = Math.round(performance.now() - started);
      log.debug({ ...photo, ms, reason: messageOf(error) }, 'photo not looked at');
      throw error;
    }
  };
}

function bind(server: Server, host: string, port: number, credentials: ServerCredentials): Promise<number> {
  const address = `${host.includes(':') ? `[${host}]` : host}:${port}`;
  return new Promise((resolve, reject) => {
    server.bindAsync(address, credentials, (error, bound) => (error ? reject(error) : resolve(bound)));
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
