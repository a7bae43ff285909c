import { Metadata, type ServiceError, status } from '@grpc/grpc-js';
import { messageOf, PermanentError, PhotoUnreachableError } from '../lib/errors.ts';
import type { Log } from '../lib/log.ts';
import { LineFullError } from '../lib/waiting-line.ts';
import { GalleryBehindError, OtherModelError } from './match.ts';
import { WorkerCrashError } from './worker-pool.ts';

/**
 * Trailing metadata that carries the stable code of a permanent error; and of a gallery that is behind, or a photo that
 * cannot be fetched, so that nobody takes it for a recognizer that is away.
 */
const ERROR_CODE_KEY = 'faceflow-error-code';

/**
 * Trailing metadata of gRPC's retries (proposal A6): whether another replica is to be asked at once. By all means where this
 * one has not begun, and never with a photo that has cost it a worker.
 */
const PUSHBACK_KEY = 'grpc-retry-pushback-ms';
const ASK_ANOTHER = '0';
const ASK_NOBODY = '-1';

export class NotReadyError extends Error {
  constructor() {
    super('The recognizer is still loading its networks or its gallery; try again.');
  }
}

/** Cancelled, or past its deadline: whatever is answered reaches nobody. */
export class CallerGoneError extends Error {
  constructor() {
    super('The caller has gone.');
  }
}

/** The status that tells a caller what it can do about an error; what is our fault is logged. */
export function toServiceError(error: unknown, log: Log): Partial<ServiceError> {
  if (error instanceof PermanentError) return permanentError(error);
  if (error instanceof GalleryBehindError) {
    return { code: status.UNAVAILABLE, details: error.message, metadata: metadataOf(ERROR_CODE_KEY, 'gallery_behind') };
  }
  if (error instanceof PhotoUnreachableError) {
    return { code: status.UNAVAILABLE, details: error.message, metadata: metadataOf(ERROR_CODE_KEY, error.code) };
  }
  const details = messageOf(error);
  if (error instanceof NotReadyError) {
    return { code: status.UNAVAILABLE, details, metadata: metadataOf(PUSHBACK_KEY, ASK_ANOTHER) };
  }
  const expected = expectedStatus(error);
  if (expected !== undefined) return { code: expected, details };
  log.error({ err: error }, 'a call could not be answered');
  if (error instanceof WorkerCrashError) {
    return { code: status.UNAVAILABLE, details, metadata: metadataOf(PUSHBACK_KEY, ASK_NOBODY) };
  }
  return { code: status.INTERNAL, details };
}

function expectedStatus(error: unknown): status | undefined {
  if (error instanceof LineFullError) return status.RESOURCE_EXHAUSTED;
  if (error instanceof CallerGoneError) return status.CANCELLED;
  if (error instanceof OtherModelError) return status.FAILED_PRECONDITION;
  return undefined;
}

function permanentError(error: PermanentError): Partial<ServiceError> {
  return {
    code: permanentStatus(error.code),
    details: error.message,
    metadata: metadataOf(ERROR_CODE_KEY, error.code),
  };
}

function metadataOf(key: string, value: string): Metadata {
  const metadata = new Metadata();
  metadata.set(key, value);
  return metadata;
}

const FORBIDDEN = new Set(['path_outside_roots', 'url_not_allowed', 'url_address_forbidden', 's3_not_allowed']);

function permanentStatus(code: string): status {
  if (code === 'file_not_found') return status.NOT_FOUND;
  if (FORBIDDEN.has(code)) return status.PERMISSION_DENIED;
  return status.INVALID_ARGUMENT;
}
