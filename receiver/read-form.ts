import type { Multipart } from '@fastify/multipart';
import type { FastifyRequest } from 'fastify';
import { HttpError } from './errors.ts';

const MAX_FIELDS = 20;
const MAX_FIELD_BYTES = 1_024;

export interface FormLimits {
  readonly files: number;
  /** Of one file; one byte more is let through, which tells that it is too large. */
  readonly fileBytes: number;
}

/**
 * The parts of a form, one after the other; its files must be read, and what that throws passed through `asFormError`.
 *
 * @throws HttpError 400 `invalid_form`, 413 `too_many_files`
 */
export async function* readForm(request: FastifyRequest, { files, fileBytes }: FormLimits): AsyncGenerator<Multipart> {
  const limits = { files, fields: MAX_FIELDS, fieldSize: MAX_FIELD_BYTES, fileSize: fileBytes + 1 };
  try {
    yield* request.parts({ limits });
  } catch (error) {
    throw toAnswer(error, files);
  }
}

/** Of a file that was being read when the form ended: HttpError `invalid_form`; anything else as it is. */
export function asFormError(error: unknown): unknown {
  return error instanceof Error && /unexpected end of multipart data/i.test(error.message) ? invalidForm(error) : error;
}

/** The parser of forms throws plain errors: what the client sent is no failure of ours. */
function toAnswer(error: unknown, files: number): unknown {
  if (!(error instanceof Error)) return error;
  const { code } = error as NodeJS.ErrnoException;
  if (code === 'FST_FILES_LIMIT') {
    return new HttpError(413, 'too_many_files', `At most ${files} ${files === 1 ? 'photo' : 'photos'} in one form.`);
  }
  if (code !== undefined && !code.startsWith('FST_')) return error;
  return invalidForm(error);
}

function invalidForm(cause: Error): HttpError {
  const message = `The form cannot be read: ${cause.message}. Send multipart/form-data with its boundary, to its end.`;
  return new HttpError(400, 'invalid_form', message, { cause });
}
