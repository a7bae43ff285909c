import { createHash, createHmac } from 'node:crypto';
import { pipeline, Transform } from 'node:stream';
import type { MultipartFile, MultipartValue } from '@fastify/multipart';
import type { FastifyRequest } from 'fastify';

type Part = MultipartFile | MultipartValue;

/**
 * 32 bytes that tell one request from another: method, URL and body. Made with the caller's key, so that what was asked
 * cannot be guessed from it.
 */
export function fingerprintJson(request: FastifyRequest, key: string): Buffer {
  return digest(request, key, ['json', request.body ?? null]);
}

/**
 * The same of a form, while whoever reads its parts reads them; nothing is kept. The boundary does not count: it is another
 * one each time.
 *
 * @param done is called when the form has been read to its end, and not at all when a part of it was cut off
 */
export function fingerprintParts(request: FastifyRequest, key: string, done: (fingerprint: Buffer) => void): void {
  const read = request.parts;
  async function* readAndHash(options?: Parameters<typeof read>[0]): AsyncGenerator<Part> {
    const hashes: Promise<string>[] = [];
    for await (const part of read.call(request, options) as AsyncIterable<Part>) {
      if (part.type === 'field') {
        hashes.push(Promise.resolve(part.valueTruncated ? '' : `${part.fieldname} ${JSON.stringify(part.value)}`));
        yield part;
        continue;
      }
      const { tap, hash } = tapFile(part.file);
      hashes.push(hash.then((hex) => hex && JSON.stringify([part.fieldname, part.filename, hex])));
      part.file = tap;
      yield part;
      // Whoever does not want it has not read it.
      tap.resume();
    }
    const all = await Promise.all(hashes);
    if (!all.includes('')) done(digest(request, key, ['form', ...all]));
  }
  request.parts = readAndHash as typeof read;
}

/** @returns what reads as the file does, and a hash of what was read: empty where it was cut off */
function tapFile(file: MultipartFile['file']): { tap: MultipartFile['file']; hash: Promise<string> } {
  const hasher = createHash('sha256');
  const tap = new Transform({
    transform(chunk: Buffer, _encoding, pass) {
      hasher.update(chunk);
      pass(null, chunk);
    },
  });
  Object.defineProperties(tap, {
    truncated: { get: () => file.truncated },
    bytesRead: { get: () => file.bytesRead },
  });
  const hash = new Promise<string>((resolve) => {
    pipeline(file, tap, (error) => resolve(error || file.truncated ? '' : hasher.digest('hex')));
  });
  return { tap: tap as unknown as MultipartFile['file'], hash };
}

function digest({ method, url }: FastifyRequest, key: string, body: readonly unknown[]): Buffer {
  return createHmac('sha256', key)
    .update(JSON.stringify([method, url, ...body]))
    .digest();
}
