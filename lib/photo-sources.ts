import { z } from 'zod';
import { choice, integer, url } from './env.ts';
import { openPhotoFetcher } from './fetch-photo.ts';
import { openS3Fetcher } from './fetch-s3-photo.ts';
import { readImageFile } from './image-file.ts';
import { kindOfPath, normalizeImagePath, resolveImagePath } from './image-path.ts';
import { checkPhotoUrl, hostPatterns, intranetHosts } from './photo-url.ts';
import { BUCKET_NAME } from './s3-path.ts';
import { createWaitingLine } from './waiting-line.ts';

/** Where photos may come from beside IMAGE_ROOTS; receiver and recognizer must agree. Nowhere, unless told so. */
export const photoSourceKeys = {
  ALLOW_URLS: hostPatterns(),
  ALLOW_PRIVATE_URLS: intranetHosts(),
  ALLOW_S3_BUCKETS: z
    .string()
    .transform((value) => new Set(value.split(/[\s,]+/).filter((name) => name !== '')))
    .refine((names) => [...names].every((name) => BUCKET_NAME.test(name)), 'names of buckets, separated by commas')
    .transform((names): ReadonlySet<string> => names)
    .default(new Set<string>()),
  S3_ENDPOINT: url(['http:', 'https:'], 'https://minio.example.org:9000').optional(),
  S3_FORCE_PATH_STYLE: choice(['false', 'true']),
  AWS_REGION: z.string().optional(),
  /** For one photo from a URL or S3, redirects included. */
  DOWNLOAD_TIMEOUT_MS: integer({ min: 100, max: 600_000, fallback: 15_000 }),
};

type SourceConfig = z.infer<z.ZodObject<typeof photoSourceKeys>>;

/** Photos that are in memory at once because they were fetched, of MAX_IMAGE_BYTES at most. */
export const DOWNLOADS = 8;
const MAX_WAITING = 64;

export interface PhotoSources {
  /**
   * The stored spelling of a posted path or URL. Nothing is fetched and no file is opened.
   *
   * @throws PermanentError for all that can be said at once: what `normalizeImagePath` and `resolveImagePath` throw,
   *   `url_not_allowed`, `url_address_forbidden` or `s3_not_allowed`
   */
  check(path: string): Promise<string>;
  /**
   * Hands the photo of a stored path to `use`: its bytes. Those that had to be fetched wait in a line, so that memory is
   * bounded until `use` has done with them.
   *
   * @throws PermanentError or PhotoUnreachableError of the file, `fetch-photo.ts` and `fetch-s3-photo.ts`
   * @throws LineFullError, or the signal's reason
   */
  withPhoto<Result>(path: string, signal: AbortSignal, use: (file: Uint8Array) => Promise<Result>): Promise<Result>;
  close(): Promise<void>;
}

/**
 * Opens what photos are read from: folders, and the web and S3 as far as that is allowed.
 *
 * @param options.downloads how many that were fetched may be in memory at once
 */
export function openPhotoSources(
  config: SourceConfig & { readonly IMAGE_ROOTS: readonly string[]; readonly MAX_IMAGE_BYTES: number },
  { downloads = DOWNLOADS } = {},
): PhotoSources {
  const { IMAGE_ROOTS: roots, MAX_IMAGE_BYTES: maxBytes } = config;
  const rules = { allowed: config.ALLOW_URLS, intranet: config.ALLOW_PRIVATE_URLS };
  const web = openPhotoFetcher({ rules, maxBytes });
  const s3 = openS3Fetcher({
    buckets: config.ALLOW_S3_BUCKETS,
    endpoint: config.S3_ENDPOINT,
    forcePathStyle: config.S3_FORCE_PATH_STYLE === 'true',
    region: config.AWS_REGION,
    maxBytes,
  });
  const line = createWaitingLine({ slots: downloads, maxWaiting: MAX_WAITING });

  return {
    async check(path) {
      const normal = normalizeImagePath(path);
      const kind = kindOfPath(normal);
      if (kind === 'url') checkPhotoUrl(new URL(normal), rules);
      else if (kind === 's3') s3.check(normal);
      else await resolveImagePath(normal, roots);
      return normal;
    },

    async withPhoto(path, signal, use) {
      const normal = normalizeImagePath(path);
      const kind = kindOfPath(normal);
      if (kind === 'file') {
        const { path: file, inside } = await resolveImagePath(normal, roots);
        return use(await readImageFile(file, { maxBytes, inside }));
      }
      const leave = await line.enter({ signal });
      try {
        const source = kind === 'url' ? web : s3;
        return await use(
          await withPatience(signal, config.DOWNLOAD_TIMEOUT_MS, (limited) => source.fetch(normal, limited)),
        );
      } catch (error) {
        signal.throwIfAborted();
        throw error;
      } finally {
        leave();
      }
    },

    async close() {
      await Promise.all([web.close(), s3.close()]);
    },
  };
}

/**
 * Ends `work` when the signal is aborted or the time is over. Not by `AbortSignal.any` and `AbortSignal.timeout`: in Node 20
 * the garbage collector takes them, and then they are never aborted.
 */
async function withPatience<Result>(
  signal: AbortSignal,
  ms: number,
  work: (limited: AbortSignal) => Promise<Result>,
): Promise<Result> {
  const limit = new AbortController();
  const abort = () => limit.abort(signal.reason);
  const timer = setTimeout(() => limit.abort(new Error(`It took more than ${ms} ms.`)), ms);
  signal.addEventListener('abort', abort, { once: true });
  if (signal.aborted) abort();
  try {
    return await work(limit.signal);
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', abort);
  }
}
