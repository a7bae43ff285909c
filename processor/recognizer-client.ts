import { type ServiceError, status } from '@grpc/grpc-js';
import { PermanentError, PhotoUnreachableError } from '../lib/errors.ts';
import { openChannelCredentials } from '../lib/grpc-credentials.ts';
import type { Log } from '../lib/log.ts';
import {
  CHANNEL_OPTIONS,
  callRecognizer,
  codeOfServiceError,
  REPLICAS_ASKED,
  toPermanentError,
  toUnreachableError,
} from '../lib/recognizer-channel.ts';
import { toReplicasTarget } from '../lib/resolve-replicas.ts';
import type { KeptTls } from '../lib/tls-files.ts';
import {
  type DescribeRequest,
  type DescribeResponse,
  HealthCheckClient,
  IdentifyClient,
  type IdentifyResponse,
  type MatchRequest,
  type MatchResponse,
} from '../proto/face.ts';
import { type Breaker, openBreaker } from './circuit-breaker.ts';

export interface RecognizerClient {
  /**
   * Has the recognizer look at a picture.
   *
   * @throws PermanentError when the picture will never be readable
   * @throws PhotoUnreachableError when the picture cannot be fetched now: no fault of the recognizer's
   * @throws RecognizerBusy when the recognizer is there but has no room
   * @throws RecognizerUnavailable (circuit-breaker.ts) when the breaker lets nothing through: nothing was sent
   * @throws anything else: try again later
   */
  identify(path: string): Promise<IdentifyResponse>;
  /**
   * Has the recognizer decide again whose stored faces are.
   *
   * @throws MatchRefused when the recognizer is there but cannot answer this; no fault, and it may pass
   * @throws RecognizerUnavailable (circuit-breaker.ts) when the breaker lets nothing through: nothing was sent
   * @throws anything else: try again later
   */
  match(request: MatchRequest): Promise<MatchResponse>;
  /**
   * Has the recognizer describe the faces of a photo by several models.
   *
   * @throws as `identify`; MatchRefused when none of the recognizers computes one of the models
   */
  describe(request: DescribeRequest): Promise<DescribeResponse>;
  /** Between this processor and the recognizer: while it is not closed, photos are pulled only when it admits one. */
  readonly breaker: Pick<Breaker, 'admit' | 'untilClosed' | 'status' | 'onChange'>;
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

export interface ClientOptions {
  /** As RECOGNIZER_ADDRESS has it: of one recognizer or of several. */
  readonly address: string;
  /** The deadline of one answer; gRPC carries it to the recognizer, which drops what nobody waits for. */
  readonly timeoutMs: number;
  /** Null, or absent: without TLS. */
  readonly tls?: KeptTls | null;
  readonly log: Log;
}

/** How long a health check may take. */
const HEALTH_TIMEOUT_MS = 5_000;

/**
 * Connects to the recognizer, behind a circuit breaker: no picture is spent on finding that the recognizer is still away.
 * Its replicas stand behind one breaker: what one of them fails at, another one does, and only what none does counts.
 */
export function openRecognizerClient(options: ClientOptions): RecognizerClient {
  const { log, timeoutMs } = options;
  const target = toReplicasTarget(options.address);
  const credentials = openChannelCredentials(options.tls ?? null);
  const identifier = new IdentifyClient(target, credentials, CHANNEL_OPTIONS);
  // Over the same connections.
  const health = new HealthCheckClient(target, credentials, { channelOverride: identifier.getChannel() });
  const given = (method: string) => ({ method: `facerecog.Identify/${method}`, timeoutMs });
  const identify = (imagePath: string): Promise<IdentifyResponse> =>
    callRecognizer(identifier.identify.bind(identifier), { imagePath, image: Buffer.alloc(0) }, given('Identify'));
  const match = (request: MatchRequest): Promise<MatchResponse> =>
    callRecognizer(identifier.match.bind(identifier), request, given('Match'));

  const describe = (request: DescribeRequest): Promise<DescribeResponse> =>
    callRecognizer(identifier.describe.bind(identifier), request, given('Describe'));

  const breaker = openBreaker({
    isFault: (error) =>
      !(
        error instanceof PermanentError ||
        error instanceof PhotoUnreachableError ||
        error instanceof RecognizerBusy ||
        error instanceof MatchRefused
      ),
    isHealthy: () => isHealthy(health),
  });
  logChanges(breaker, log);

  return {
    identify: (path) => breaker.run(() => identify(path).catch(rethrow(translate)), { isTrial: true }),
    match: (request) => breaker.run(() => match(request).catch(rethrow(translateMatch))),
    describe: (request) => breaker.run(() => describe(request).catch(rethrow(translateMatch))),
    breaker,
    close() {
      breaker.shutdown();
      identifier.close();
    },
  };
}

/** Once when the recognizer goes, and once when it is back: not at every try in between. */
function logChanges(breaker: Breaker, log: Log): void {
  let isAway = false;
  breaker.onChange(({ state, nextAttemptAt }) => {
    if (state === 'open' && !isAway) {
      log.error({ nextAttemptAt }, 'the recognizer is unavailable: nothing is pulled until it answers again');
    } else if (state === 'open') log.warn({ nextAttemptAt }, 'the recognizer is still unavailable');
    else if (state === 'half_open') log.info('the recognizer says that it is back: one photo tries');
    else log.info('the recognizer answers again');
    isAway = state !== 'closed';
  });
}

function translateMatch(error: ServiceError): Error {
  if (error.code === status.FAILED_PRECONDITION) return new MatchRefused('model', error);
  if (error.code === status.UNIMPLEMENTED) return new MatchRefused('unsupported', error);
  // With a code it is the recognizer that answers; without, nobody did.
  if (error.code === status.UNAVAILABLE && codeOfServiceError(error) !== undefined)
    return new MatchRefused('behind', error);
  return translate(error);
}

/** Asks the reference system's own health check, which both recognizers have: one replica after the other, until one is. */
async function isHealthy(client: HealthCheckClient): Promise<boolean> {
  const giveUpAt = Date.now() + HEALTH_TIMEOUT_MS;
  for (let asked = 0; asked < REPLICAS_ASKED; asked++) {
    try {
      const timeoutMs = giveUpAt - Date.now();
      const given = { method: 'facerecog.HealthCheck/HealthCheck', timeoutMs };
      const { ready } = await callRecognizer(client.healthCheck.bind(client), {}, given);
      if (ready) return true;
    } catch (error) {
      return (error as ServiceError).code === status.UNIMPLEMENTED;
    }
  }
  return false;
}

function translate(error: ServiceError): Error {
  if (error.code === status.RESOURCE_EXHAUSTED) return new RecognizerBusy(error);
  return toPermanentError(error) ?? toUnreachableError(error) ?? error;
}

const rethrow = (to: (error: ServiceError) => Error) => (error: ServiceError) => {
  throw to(error);
};
