import type { Readable } from 'node:stream';
import type { S3Client } from '@aws-sdk/client-s3';
import { messageOf, PermanentError, PhotoUnreachableError } from './errors.ts';
import { readImageStream, refuseLarge } from './image-file.ts';
import { parseS3Path } from './s3-path.ts';

/** Where a region must be named but means nothing: stores that are not Amazon's. */
const ANY_REGION = 'us-east-1';
const CONNECT_TIMEOUT_MS = 5_000;
const MAX_ATTEMPTS = 2;

/** Timeout, too many requests. */
const TEMPORARY = new Set([408, 429]);
/** Our own credentials or clock are wrong: once they are right, the object can be read. */
const OUR_FAULT = new Set([
  'InvalidAccessKeyId',
  'SignatureDoesNotMatch',
  'ExpiredToken',
  'InvalidToken',
  'RequestTimeTooSkewed',
]);

export interface S3Options {
  readonly buckets: ReadonlySet<string>;
  /** Of a store that is not Amazon's. */
  readonly endpoint: string | undefined;
  /** `endpoint/bucket/key` instead of `bucket.endpoint/key`. */
  readonly forcePathStyle: boolean;
  /** Without it the SDK looks into its own configuration. */
  readonly region: string | undefined;
  readonly maxBytes: number;
}

export interface S3Fetcher {
  /** @throws PermanentError `s3_not_allowed` or `s3_invalid` */
  check(path: string): void;
  /**
   * Reads an object, with credentials from the SDK's own chain (environment, shared files, the machine's role).
   *
   * @param path `s3://bucket/key`
   * @param signal aborted when the time for it is over
   * @throws PermanentError as `check`, `file_not_found`, `file_not_permitted`, `image_too_large` or `s3_refused`
   * @throws PhotoUnreachableError `s3_unreachable`
   */
  fetch(path: string, signal: AbortSignal): Promise<Uint8Array>;
  close(): Promise<void>;
}

export function openS3Fetcher(options: S3Options): S3Fetcher {
  const { buckets, maxBytes } = options;
  let opening: ReturnType<typeof openClient> | undefined;

  const check = (path: string) => {
    const parsed = parseS3Path(path);
    if (buckets.has(parsed.bucket)) return parsed;
    const message = `Photos are not read from the bucket ${parsed.bucket}: ALLOW_S3_BUCKETS does not name it.`;
    throw new PermanentError('s3_not_allowed', message);
  };

  async function get(path: string, signal: AbortSignal): Promise<Uint8Array> {
    const { bucket, key } = check(path);
    opening ??= openClient(options);
    const { client, GetObjectCommand } = await opening;
    const command = new GetObjectCommand({ Bucket: bucket, Key: key });
    const { Body, ContentLength = 0 } = await client.send(command, { abortSignal: signal });
    const body = Body as Readable;
    try {
      refuseLarge(ContentLength, maxBytes);
      // Before the loop nobody listens: a broken connection would end the process.
      body.on('error', () => {});
      signal.addEventListener('abort', () => body.destroy(signal.reason), { once: true });
      return await readImageStream(body, maxBytes);
    } finally {
      body.destroy();
    }
  }

  return {
    check: (path) => void check(path),
    async fetch(path, signal) {
      try {
        return await get(path, signal);
      } catch (error) {
        throw translate(error, path, signal);
      }
    },
    async close() {
      (await opening)?.client.destroy();
    },
  };
}

/** The SDK takes a quarter of a second and 30 MB to load: only who uses it shall pay. */
async function openClient({ endpoint, forcePathStyle, region }: S3Options) {
  const { S3Client: Client, GetObjectCommand } = await import('@aws-sdk/client-s3');
  const wanted = region ?? (endpoint === undefined ? undefined : ANY_REGION);
  const client: S3Client = new Client({
    forcePathStyle,
    followRegionRedirects: true,
    maxAttempts: MAX_ATTEMPTS,
    requestHandler: { connectionTimeout: CONNECT_TIMEOUT_MS },
    ...(endpoint === undefined ? {} : { endpoint }),
    ...(wanted === undefined ? {} : { region: wanted }),
  });
  return { client, GetObjectCommand };
}

function translate(error: unknown, path: string, signal: AbortSignal): unknown {
  if (error instanceof PermanentError) return error;
  const { name, $metadata } = error as { name?: string; $metadata?: { httpStatusCode?: number } };
  const status = $metadata?.httpStatusCode ?? 0;
  const reason = signal.aborted ? 'it takes too long' : `${name}: ${messageOf(error)}`;
  const because = { cause: error };
  if (status === 404) {
    return new PermanentError('file_not_found', `There is no object ${path} in S3 (${name}).`, because);
  }
  const temporary = status < 300 || status >= 500 || TEMPORARY.has(status) || OUR_FAULT.has(name ?? '');
  if (status === 403 && !temporary) {
    // Who may not list the bucket is not told that an object is missing.
    const message = `S3 does not let this service read ${path}, or there is no such object (${name}).`;
    return new PermanentError('file_not_permitted', message, because);
  }
  if (!temporary) return new PermanentError('s3_refused', `S3 does not give ${path}: ${reason}.`, because);
  return new PhotoUnreachableError('s3_unreachable', `S3 cannot be asked for ${path}: ${reason}.`, because);
}
