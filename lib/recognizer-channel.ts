import { type Metadata, type ServiceError, status } from '@grpc/grpc-js';
import { integer, text } from './env.ts';
import { PermanentError, PhotoUnreachableError } from './errors.ts';
import { isReplicasAddress } from './resolve-replicas.ts';
import { tlsKeys } from './tls-files.ts';
import { traceCall } from './trace-calls.ts';

/** The keys of everyone who calls the recognizer. */
export const recognizerKeys = {
  /** `host:port`, several with commas between them, or a gRPC target such as `dns:///recognizer:50051`. */
  RECOGNIZER_ADDRESS: text('127.0.0.1:50051').refine(
    isReplicasAddress,
    'host:port, several of them with commas between, or a gRPC target such as dns:///recognizer:50051',
  ),
  /** The deadline of one call; gRPC carries it to the recognizer, which drops what nobody waits for. */
  RECOGNIZER_TIMEOUT_MS: integer({ min: 100, max: 600_000, fallback: 60_000 }),
  ...tlsKeys('GRPC'),
};

export const CHANNEL_OPTIONS = {
  // A recognizer that comes back is noticed within seconds, not minutes.
  'grpc.max_reconnect_backoff_ms': 2_000,
  // One whose machine is gone without a word would collect calls until their deadlines: all that a processor has in hand.
  'grpc.keepalive_time_ms': 10_000,
  'grpc.keepalive_timeout_ms': 5_000,
  // All replicas behind one name share the work.
  'grpc.service_config': JSON.stringify({ loadBalancingConfig: [{ round_robin: {} }] }),
};

/**
 * The trailing metadata of our recognizer that carries a stable error code (proto/face.proto): with it an error is about
 * what was asked, without it about the recognizer.
 */
const ERROR_CODE_KEY = 'faceflow-error-code';
const PERMANENT = new Set([status.INVALID_ARGUMENT, status.NOT_FOUND, status.PERMISSION_DENIED]);

/** The stable code of an error; undefined when it is no answer of our recognizer's. */
export function codeOfServiceError(error: ServiceError): string | undefined {
  const code = error.metadata?.get(ERROR_CODE_KEY)[0];
  return code === undefined ? undefined : String(code);
}

/** What a failed call says about the picture; null when it says nothing about it, and the same call may succeed later. */
export function toPermanentError(error: ServiceError): PermanentError | null {
  const code = codeOfServiceError(error);
  if (code === undefined || !PERMANENT.has(error.code)) return null;
  return new PermanentError(code, error.details, { cause: error });
}

const UNREACHABLE = new Set(['url_unreachable', 's3_unreachable']);

/** A recognizer that is there, but could not fetch the photo now; null when it says something else. */
export function toUnreachableError(error: ServiceError): PhotoUnreachableError | null {
  const code = codeOfServiceError(error) ?? '';
  return UNREACHABLE.has(code) ? new PhotoUnreachableError(code, error.details, { cause: error }) : null;
}

/** How many replicas are asked, one after the other, where each may know something else, or is not ready yet. */
export const REPLICAS_ASKED = 4;
/** It is there, but cannot do this: while a model is changed, replicas that know both and some that know one take turns. */
const OF_ITS_KIND = new Set([status.FAILED_PRECONDITION, status.UNIMPLEMENTED]);
const PUSHBACK_KEY = 'grpc-retry-pushback-ms';

/**
 * How many calls an error is worth, the failed one included: the next one goes to the next replica. One that is full says
 * nothing of the others; one that went away during the call may have died of it, and the next one only is risked. A
 * recognizer may say so itself, as gRPC's retries have it (proposal A6, "pushback"): negative means that nobody else is to
 * be asked.
 */
function callsWorth(error: ServiceError): number {
  const pushback = error.metadata?.get(PUSHBACK_KEY)[0];
  if (pushback !== undefined) return Number(pushback) >= 0 ? REPLICAS_ASKED : 1;
  if (OF_ITS_KIND.has(error.code)) return REPLICAS_ASKED;
  // CANCELLED, and not by us: it has stopped, and did not wait for the call.
  const isAway = error.code === status.UNAVAILABLE || error.code === status.CANCELLED;
  return (isAway && codeOfServiceError(error) === undefined) || error.code === status.RESOURCE_EXHAUSTED ? 2 : 1;
}

interface Cancellable {
  cancel(): void;
}

type UnaryCall<Request, Response> = (
  request: Request,
  metadata: Metadata,
  options: { deadline: number },
  done: (error: ServiceError | null, response: Response) => void,
) => Cancellable;

/**
 * Calls a method of a generated client: of one replica, and of another one where that may help. All of it within one
 * deadline.
 *
 * @param call bound to its client
 * @param options.method as in its path, e.g. `facerecog.Identify/Match`
 * @param options.timeoutMs until when there must be an answer, of whomever
 * @param options.signal cancels the call, here and at the recognizer
 * @throws ServiceError the last one
 */
export async function callRecognizer<Request, Response>(
  call: UnaryCall<Request, Response>,
  request: Request,
  { method, timeoutMs, signal }: { method: string; timeoutMs: number; signal?: AbortSignal },
): Promise<Response> {
  const deadline = Date.now() + timeoutMs;
  for (let calls = 1; ; calls++) {
    try {
      return await traceCall(method, (metadata) =>
        callOnce(call, request, { metadata, deadline, ...(signal && { signal }) }),
      );
    } catch (error) {
      if (signal?.aborted || calls >= callsWorth(error as ServiceError)) throw error;
    }
  }
}

function callOnce<Request, Response>(
  call: UnaryCall<Request, Response>,
  request: Request,
  { metadata, deadline, signal }: { metadata: Metadata; deadline: number; signal?: AbortSignal },
): Promise<Response> {
  return new Promise((resolve, reject) => {
    const cancel = () => pending.cancel();
    const pending = call(request, metadata, { deadline }, (error, response) => {
      signal?.removeEventListener('abort', cancel);
      if (error) reject(error);
      else resolve(response);
    });
    signal?.addEventListener('abort', cancel);
    if (signal?.aborted) cancel();
  });
}
