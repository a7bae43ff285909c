import type { FastifyRequest } from 'fastify';
import { HttpError } from './errors.ts';
import { type ReceivedUpload, receiveUpload, type UploadStore } from './store-upload.ts';

/** Photos in one upload; more come in several. */
const MAX_FILES = 1_000;
const MAX_FIELDS = 20;
const MAX_FIELD_BYTES = 1_024;

export interface ReceivedPhotos {
  /** As they are stored, in the order of the files, each once. */
  readonly paths: string[];
  /** The other fields of the form. */
  readonly fields: ReadonlyMap<string, string>;
}

/** Whether photos come with the request itself, as multipart/form-data. */
export function carriesPhotos(request: FastifyRequest): boolean {
  return request.isMultipart();
}

/**
 * Stores the photos of a form, all or none: nothing is at its place before the last byte has come.
 *
 * @param named whether they are to be found by the names that they were sent under
 * @throws PermanentError or HttpError of `receiveUpload`, HttpError `no_photo`
 */
export async function receivePhotos(
  request: FastifyRequest,
  store: UploadStore,
  { named = false } = {},
): Promise<ReceivedPhotos> {
  const fields = new Map<string, string>();
  const received: ReceivedUpload[] = [];
  let failure: unknown;
  try {
    // One byte more than is allowed tells that a file is too large.
    const limits = { files: MAX_FILES, fields: MAX_FIELDS, fieldSize: MAX_FIELD_BYTES, fileSize: store.maxBytes + 1 };
    for await (const part of request.parts({ limits })) {
      if (part.type === 'field') fields.set(part.fieldname, String(part.value));
      else {
        if (failure === undefined) {
          await receiveUpload(part.file, named ? part.filename : undefined, store).then(
            (upload) => received.push(upload),
            (error: unknown) => {
              failure = error;
            },
          );
        }
        // Who is still sending reads no answer: what follows a failure is read and forgotten.
        part.file.resume();
      }
    }
    if (failure !== undefined) throw failure;
    if (received.length === 0) throw new HttpError(400, 'no_photo', 'The form holds no file.');
    const paths = new Set<string>();
    for (const upload of received) paths.add(await upload.keep());
    return { paths: [...paths], fields };
  } catch (error) {
    await Promise.all(received.map((upload) => upload.drop()));
    throw error;
  }
}
