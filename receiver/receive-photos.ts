import type { FastifyRequest } from 'fastify';
import { PermanentError } from '../lib/errors.ts';
import { HttpError } from './errors.ts';
import { asFormError, readForm } from './read-form.ts';
import { type ReceivedUpload, receiveUpload, type UploadStore } from './store-upload.ts';

/** Photos in one upload; more come in several. */
const MAX_FILES = 1_000;

export interface ReceivedPhotos {
  /** As they are stored, one for each file, in order: the same content is the same path. */
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
 * @throws PermanentError or HttpError of `receiveUpload` and `readForm`, HttpError `no_photo`
 */
export async function receivePhotos(
  request: FastifyRequest,
  store: UploadStore,
  { named = false } = {},
): Promise<ReceivedPhotos> {
  const fields = new Map<string, string>();
  const received: ReceivedUpload[] = [];
  let files = 0;
  let failed: { readonly error: unknown; readonly name: string; readonly file: number } | undefined;
  try {
    for await (const part of readForm(request, { files: MAX_FILES, fileBytes: store.maxBytes })) {
      if (part.type === 'field') fields.set(part.fieldname, String(part.value));
      else {
        files += 1;
        if (failed === undefined) {
          await receiveUpload(part.file, named ? part.filename : undefined, store).then(
            (upload) => received.push(upload),
            (error: unknown) => {
              failed = { error: asFormError(error), name: part.filename, file: files };
            },
          );
        }
        // Who is still sending reads no answer: what follows a failure is read and forgotten.
        part.file.resume();
      }
    }
    if (failed !== undefined) throw files === 1 ? failed.error : sayWhich(failed);
    if (received.length === 0) throw new HttpError(400, 'no_photo', 'The form holds no file.');
    const paths: string[] = [];
    for (const upload of received) paths.push(await upload.keep());
    return { paths, fields };
  } catch (error) {
    await Promise.all(received.map((upload) => upload.drop()));
    throw error;
  }
}

/** None of several is stored when one cannot be: whoever sent them must know which. */
function sayWhich({ error, name, file }: { error: unknown; name: string; file: number }): unknown {
  if (!(error instanceof PermanentError)) return error;
  const message = `None was stored, because of file ${file}, ${JSON.stringify(name)}: ${error.message}`;
  return new PermanentError(error.code, message, { cause: error });
}
