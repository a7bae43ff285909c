import { type ServiceError, status } from '@grpc/grpc-js';
import { openChannelCredentials } from '../lib/grpc-credentials.ts';
import {
  CHANNEL_OPTIONS,
  callRecognizer,
  codeOfServiceError,
  toPermanentError,
  toUnreachableError,
} from '../lib/recognizer-channel.ts';
import { toReplicasTarget } from '../lib/resolve-replicas.ts';
import type { KeptTls } from '../lib/tls-files.ts';
import { IdentifyClient, type MatchRequest, type MatchResponse, type Recognition } from '../proto/face.ts';
import { HttpError } from './errors.ts';

/** A photo by its path, or the photo itself, as a file. */
export type SearchPhoto = { readonly path: string } | { readonly file: Buffer };

/**
 * The recognizer, asked while somebody waits for the answer: another replica may be asked, but nobody is waited for, and a
 * recognizer that is away is told at once.
 *
 * What both methods throw: PermanentError when it is the request's fault; PhotoUnreachableError; HttpError 503 `recognizer_busy`,
 * `recognizer_unavailable`, `gallery_behind` or `model_changes`, 504 `recognizer_timeout`, 502 `recognizer_failed`.
 */
export interface RecognizerClient {
  /** Finds and names the faces of a photo, of which nothing is kept. @param signal cancels the call */
  identify(photo: SearchPhoto, signal: AbortSignal): Promise<Recognition>;
  match(request: MatchRequest): Promise<MatchResponse>;
  close(): void;
}

/** Of a recognizer that is full, or away. */
const BUSY_SECONDS = 1;
const AWAY_SECONDS = 5;

export function openRecognizerClient(options: {
  address: string;
  timeoutMs: number;
  tls?: KeptTls | null;
}): RecognizerClient {
  const { address, timeoutMs, tls = null } = options;
  const client = new IdentifyClient(toReplicasTarget(address), openChannelCredentials(tls), CHANNEL_OPTIONS);
  const given = (method: string) => ({ method: `facerecog.Identify/${method}`, timeoutMs });
  return {
    async identify(photo, signal) {
      const request =
        'file' in photo ? { imagePath: '', image: photo.file } : { imagePath: photo.path, image: Buffer.alloc(0) };
      const call = callRecognizer(client.identify.bind(client), request, { ...given('Identify'), signal });
      const { recognition } = await call.catch(refuse);
      if (recognition !== undefined) return recognition;
      throw new HttpError(502, 'recognizer_failed', 'The recognizer is of another system, and tells no faces.');
    },
    match: (request) => callRecognizer(client.match.bind(client), request, given('Match')).catch(refuse),
    close: () => client.close(),
  };
}

function refuse(error: ServiceError): never {
  throw toPermanentError(error) ?? toUnreachableError(error) ?? toHttpError(error);
}

function toHttpError(error: ServiceError): HttpError {
  const { code, details } = error;
  const busy = { cause: error, retryAfterSeconds: BUSY_SECONDS };
  const away = { cause: error, retryAfterSeconds: AWAY_SECONDS };
  if (code === status.RESOURCE_EXHAUSTED) return new HttpError(503, 'recognizer_busy', details, busy);
  if (code === status.DEADLINE_EXCEEDED) {
    return new HttpError(504, 'recognizer_timeout', 'The recognizer did not answer in time.', { cause: error });
  }
  if (code === status.FAILED_PRECONDITION) return new HttpError(503, 'model_changes', details, away);
  if (code !== status.UNAVAILABLE) return new HttpError(502, 'recognizer_failed', details, { cause: error });
  if (codeOfServiceError(error) !== undefined) return new HttpError(503, 'gallery_behind', details, busy);
  return new HttpError(503, 'recognizer_unavailable', `The recognizer cannot be reached: ${details}`, away);
}
