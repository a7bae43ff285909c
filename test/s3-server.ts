import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type RequestListener } from 'node:http';
import { createRequire } from 'node:module';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PutObjectCommand, S3Client } from '@aws-sdk/client-s3';

/** s3rver has no types. */
interface S3rver {
  callback(): RequestListener;
  configureBuckets(): Promise<unknown>;
}
const S3rver = createRequire(import.meta.url)('s3rver') as new (options: object) => S3rver;

/** The only credentials that s3rver knows. It looks at the key's id, not at signatures of version 4. */
const CREDENTIALS = { accessKeyId: 'S3RVER', secretAccessKey: 'S3RVER' };

export interface S3Server {
  /** What services need to read from it. */
  readonly env: Record<string, string>;
  put(bucket: string, key: string, body: Uint8Array): Promise<void>;
  /** Answers instead of it, with what no S3 server can be brought to say; null: the server itself. */
  misbehaviour: RequestListener | null;
  stop(): Promise<void>;
}

/** A store that speaks S3's protocol, on loopback. */
export async function startS3Server(buckets: readonly string[]): Promise<S3Server> {
  const directory = await mkdtemp(join(tmpdir(), 'faceflow-s3-'));
  const store = new S3rver({ directory, silent: true, configureBuckets: buckets.map((name) => ({ name })) });
  await store.configureBuckets();
  const answer = store.callback();
  const server = createServer((request, response) => (s3.misbehaviour ?? answer)(request, response));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const client = new S3Client({ endpoint, forcePathStyle: true, region: 'us-east-1', credentials: CREDENTIALS });
  const s3: S3Server = {
    env: {
      ...{ S3_ENDPOINT: endpoint, S3_FORCE_PATH_STYLE: 'true', ALLOW_S3_BUCKETS: buckets.join(',') },
      ...{ AWS_ACCESS_KEY_ID: CREDENTIALS.accessKeyId, AWS_SECRET_ACCESS_KEY: CREDENTIALS.secretAccessKey },
    },
    async put(bucket, key, body) {
      await client.send(new PutObjectCommand({ Bucket: bucket, Key: key, Body: body }));
    },
    misbehaviour: null,
    async stop() {
      client.destroy();
      server.closeAllConnections();
      server.close();
      await rm(directory, { recursive: true });
    },
  };
  return s3;
}

/** An error as S3 tells it. */
export function s3Error(status: number, code: string): RequestListener {
  const xml = `<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>${code}</Code><Message>${code}</Message></Error>`;
  return (_, response) => response.writeHead(status, { 'content-type': 'application/xml' }).end(xml);
}
