import { Metadata, type ServiceError, status } from '@grpc/grpc-js';
import CircuitBreaker from 'opossum';
import { PermanentError } from '../lib/errors.ts';
import { openChannelCredentials } from '../lib/grpc-credentials.ts';
import type { Log } from '../lib/log.ts';
import { CHANNEL_OPTIONS, callRecognizer, codeOfServiceError, toPermanentError } from '../lib/recognizer-channel.ts';
import type { KeptTls } from '../lib/tls-files.ts';
import {
  HealthCheckClient,
  IdentifyClient,
  type IdentifyResponse,
  type MatchRequest,
  type MatchResponse,
} from '../proto/face.ts';

export interface RecognizerClient {
  /**
   * Has the recognizer look at a picture.
   *
   * @throws PermanentError when the picture will never be readable
   * @throws RecognizerBusy when the recognizer is there but has no room
   * @throws RecognizerUnavailable when the breaker is open: nothing was sent
   * @throws anything else: try again later
   */
  identify(path: string): Promise<IdentifyResponse>;
  /**
   * Has the recognizer decide again whose stored faces are.
   *
   * @throws MatchRefused when the recognizer is there but cannot answer this; no fault, and it may pass
   * @throws RecognizerUnavailable when the breaker is open: nothing was sent
   * @throws anything else: try again later
   */
  match(request: MatchRequest): Promise<MatchResponse>;
  /** Resolves when the breaker is closed, or `signal` is aborted. While it is open no work must be pulled. */
  untilAvailable(signal: AbortSignal): Promise<void>;
  isAvailable(): boolean;
  close(): void;
}

/** The recognizer's queue is full: slow down. No sign of a fault. */
export class RecognizerBusy extends Error {
  constructor(cause: unknown) {
    super('The recognizer has no room for another picture.', { cause });
    this.name = 'RecognizerBusy';
  }
}

/** The recognizer is there, but cannot match these faces now. */
export class MatchRefused extends Error {
  /** behind: it has not seen the gallery's revision yet; model: its descriptors are others; unsupported: it is an older one. */
  readonly reason: 'behind' | 'model' | 'unsupported';

  constructor(reason: MatchRefused['reason'], cause: ServiceError) {
    super(`The recognizer cannot match: ${cause.details}`, { cause });
    this.name = 'MatchRefused';
    this.reason = reason;
  }
}

/** The breaker is open. */
export class RecognizerUnavailable extends Error {
  constructor(cause: unknown) {
    super('The recognizer is unavailable.', { cause });
    this.name = 'RecognizerUnavailable';
  }
}

export interface ClientOptions {
  /** A gRPC target. */
  readonly address: string;
  /** The deadline of one call; gRPC carries it to the recognizer, which drops what nobody waits for. */
  readonly timeoutMs: number;
  /** Null, or absent: without TLS. */
  readonly tls?: KeptTls | null;
  readonly log: Log;
  /** How long the open breaker waits before it asks for the recognizer's health. */
  readonly resetMs?: number;
}

const FAILURES_TO_OPEN = 5;
const RESET_MS = 10_000;

/** How long a health check may take. */
const HEALTH_TIMEOUT_MS = 5_000;

/**
 * Connects to a recognizer, behind a circuit breaker that opens after 5 failures in a row. After a wait a health check
 * decides whether it closes again: no picture is spent on finding that the recognizer is still away.
 */
export function openRecognizerClient(options: ClientOptions): RecognizerClient {
  const { log, address, timeoutMs } = options;
  const credentials = openChannelCredentials(options.tls ?? null);
  const identifier = new IdentifyClient(address, credentials, CHANNEL_OPTIONS);
  const health = new HealthCheckClient(address, credentials, CHANNEL_OPTIONS);
  const identify = (imagePath: string): Promise<IdentifyResponse> =>
    callRecognizer(identifier.identify.bind(identifier), { imagePath, image: Buffer.alloc(0) }, { timeoutMs });
  const match = (request: MatchRequest): Promise<MatchResponse> =>
    callRecognizer(identifier.match.bind(identifier), request, { timeoutMs });

  const breaker = new CircuitBreaker((call: () => Promise<unknown>) => call(), {
    // The deadline is gRPC's: two clocks would disagree about which call is lost.
    timeout: false,
    resetTimeout: options.resetMs ?? RESET_MS,
    errorFilter: (error: unknown) =>
      error instanceof PermanentError || error instanceof RecognizerBusy || error instanceof MatchRefused,
    // Opened by hand below: opossum counts a share of a time window, not failures in a row.
    errorThresholdPercentage: 100,
    volumeThreshold: Number.MAX_SAFE_INTEGER,
  });

  // Every loop of the worker listens while the breaker is open: that is no leak.
  breaker.setMaxListeners(0);
  let failuresInARow = 0;
  breaker.on('success', () => {
    failuresInARow = 0;
  });
  breaker.on('failure', () => {
    failuresInARow += 1;
    if (failuresInARow >= FAILURES_TO_OPEN && breaker.closed) breaker.open();
  });
  breaker.on('open', () => log.error('the recognizer is unavailable: nothing is pulled until it answers again'));
  breaker.on('close', () => {
    failuresInARow = 0;
    log.info('the recognizer answers again');
  });
  breaker.on('halfOpen', async () => {
    if (await isHealthy(health)) breaker.close();
    else breaker.open();
  });

  async function throughBreaker<Response>(call: () => Promise<Response>): Promise<Response> {
    if (!breaker.closed) throw new RecognizerUnavailable(undefined);
    return (await breaker.fire(call)) as Response;
  }

  return {
    identify: (path) => throughBreaker(() => identify(path).catch(rethrow(translate))),
    match: (request) => throughBreaker(() => match(request).catch(rethrow(translateMatch))),
    untilAvailable: (signal) => untilClosed(breaker, signal),
    isAvailable: () => breaker.closed,
    close() {
      breaker.shutdown();
      identifier.close();
      health.close();
    },
  };
}

function translateMatch(error: ServiceError): Error {
  if (error.code === status.FAILED_PRECONDITION) return new MatchRefused('model', error);
  if (error.code === status.UNIMPLEMENTED) return new MatchRefused('unsupported', error);
  // With a code it is the recognizer that answers; without, nobody did.
  if (error.code === status.UNAVAILABLE && codeOfServiceError(error) !== undefined)
    return new MatchRefused('behind', error);
  return translate(error);
}

/** Asks the reference system's own health check, which both recognizers have. */
function isHealthy(client: HealthCheckClient): Promise<boolean> {
  return new Promise((resolve) => {
    const deadline = Date.now() + HEALTH_TIMEOUT_MS;
    client.healthCheck({}, new Metadata(), { deadline }, (error, response) => {
      if (error) resolve(error.code === status.UNIMPLEMENTED);
      else resolve(response.ready);
    });
  });
}

function translate(error: ServiceError): Error {
  if (error.code === status.RESOURCE_EXHAUSTED) return new RecognizerBusy(error);
  return toPermanentError(error) ?? error;
}

const rethrow = (to: (error: ServiceError) => Error) => (error: ServiceError) => {
  throw to(error);
};

async function untilClosed(breaker: Pick<CircuitBreaker, 'closed' | 'on' | 'off'>, signal: AbortSignal): Promise<void> {
  while (!breaker.closed && !signal.aborted) {
    await new Promise<void>((resolve) => {
      const finish = () => {
        breaker.off('close', finish);
        signal.removeEventListener('abort', finish);
        resolve();
      };
      breaker.on('close', finish);
      signal.addEventListener('abort', finish);
    });
  }
}
