import type { FastifyRequest } from 'fastify';
import { HttpError } from './errors.ts';
import { asFormError, readForm } from './read-form.ts';
import { type ReceivedUpload, receiveUpload, type UploadStore } from './store-upload.ts';

/** Photos in one upload; more come in several. */
const MAX_FILES = 1_000;

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
 * @throws PermanentError or HttpError of `receiveUpload` and `readForm`, HttpError `no_photo`
 */
export async function receivePhotos(request: FastifyRequest, store: UploadStore): Promise<ReceivedPhotos> {
  const fields = new Map<string, string>();
  const received: ReceivedUpload[] = [];
  let failure: unknown;
  try {
    for await (const part of readForm(request, { files: MAX_FILES, fileBytes: store.maxBytes })) {
      if (part.type === 'field') fields.set(part.fieldname, String(part.value));
      else {
        if (failure === undefined) {
          await receiveUpload(part.file, store).then(
            (upload) => received.push(upload),
            (error: unknown) => {
              failure = asFormError(error);
            },
          );
        }
        // Who is still sending reads no answer: what follows a failure is read and forgotten.
        part.file.resume();
      }
    }
    if (failure !== undefined) throw failure;
    if (received.length === 0) throw new HttpError(400, 'no_photo', 'The form holds no file.');
    for (const upload of received) await upload.keep();
    return { paths: [...new Set(received.map(({ path }) => path))], fields };
  } catch (error) {
    await Promise.all(received.map((upload) => upload.drop()));
    throw error;
  }
}
