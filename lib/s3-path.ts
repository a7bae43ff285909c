import { PermanentError } from './errors.ts';

export interface S3Path {
  readonly bucket: string;
  /** As it is; S3 knows no folders. */
  readonly key: string;
  /** The one spelling: `s3://bucket/key`. */
  readonly path: string;
}

/** As Amazon names buckets; other stores allow no more. */
export const BUCKET_NAME = /^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/;

/**
 * @param path `s3://bucket/key`; nothing in the key is decoded
 * @throws PermanentError `s3_invalid`
 */
export function parseS3Path(path: string): S3Path {
  const [, bucket = '', key = ''] = /^s3:\/\/([^/]*)\/(.+)$/i.exec(path) ?? [];
  if (!BUCKET_NAME.test(bucket) || key === '') {
    throw new PermanentError('s3_invalid', 'Objects in S3 are posted as s3://bucket/key.');
  }
  // Keys become paths of URLs, in which something on the way to the store could climb from one bucket to another.
  if (key.split(/[/\\]/).some((part) => part === '.' || part === '..')) {
    throw new PermanentError('s3_invalid', 'The key of an object in S3 must not hold the parts . and .. .');
  }
  return { bucket, key, path: `s3://${bucket}/${key}` };
}
