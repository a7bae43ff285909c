import { type Metadata, type ServiceError, status } from '@grpc/grpc-js';
import { integer, text } from './env.ts';
import { PermanentError, PhotoUnreachableError } from './errors.ts';
import { tlsKeys } from './tls-files.ts';
import { traceCall } from './trace-calls.ts';

/** The keys of everyone who calls the recognizer. */
export const recognizerKeys = {
  /** `host:port`, or any other gRPC target such as `dns:///recognizer:50051`. */
  RECOGNIZER_ADDRESS: text('127.0.0.1:50051'),
  /** The deadline of one call; gRPC carries it to the recognizer, which drops what nobody waits for. */
  RECOGNIZER_TIMEOUT_MS: integer({ min: 100, max: 600_000, fallback: 60_000 }),
  ...tlsKeys('GRPC'),
};

export const CHANNEL_OPTIONS = {
  // A recognizer that comes back is noticed within seconds, not minutes.
  'grpc.max_reconnect_backoff_ms': 5_000,
  'grpc.keepalive_time_ms': 20_000,
  'grpc.keepalive_timeout_ms': 10_000,
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
 * Calls a method of a generated client, once.
 *
 * @param call bound to its client
 * @param options.method as in its path, e.g. `facerecog.Identify/Match`
 * @param options.signal cancels the call, here and at the recognizer
 * @throws ServiceError
 */
export function callRecognizer<Request, Response>(
  call: UnaryCall<Request, Response>,
  request: Request,
  { method, timeoutMs, signal }: { method: string; timeoutMs: number; signal?: AbortSignal },
): Promise<Response> {
  const send = (metadata: Metadata) =>
    new Promise<Response>((resolve, reject) => {
      const cancel = () => pending.cancel();
      const pending = call(request, metadata, { deadline: Date.now() + timeoutMs }, (error, response) => {
        signal?.removeEventListener('abort', cancel);
        if (error) reject(error);
        else resolve(response);
      });
      signal?.addEventListener('abort', cancel);
      if (signal?.aborted) cancel();
    });
  return traceCall(method, send);
}
