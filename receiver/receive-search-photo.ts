import type { FastifyRequest } from 'fastify';
import { PermanentError } from '../lib/errors.ts';
import { checkSize } from '../lib/image-file.ts';
import { HttpError } from './errors.ts';
import { asFormError, readForm } from './read-form.ts';

/**
 * Reads a form with one photo into memory; nothing of it touches the disk.
 *
 * @returns the field `photo`, and the other fields as they came
 * @throws PermanentError `image_too_large` or `image_empty`
 * @throws HttpError 400 `no_photo`, and those of `readForm`
 */
export async function receiveSearchPhoto(
  request: FastifyRequest,
  { maxBytes }: { maxBytes: number },
): Promise<{ file: Buffer; fields: Record<string, string> }> {
  const fields: Record<string, string> = {};
  let file: Buffer | undefined;
  for await (const part of readForm(request, { files: 1, fileBytes: maxBytes })) {
    if (part.type === 'field') fields[part.fieldname] = String(part.value);
    else if (part.fieldname === 'photo') file = await part.toBuffer().catch(throwAsFormError);
    else part.file.resume();
  }
  if (file === undefined) throw new HttpError(400, 'no_photo', 'The form has no file in its field photo.');
  checkSize(file, { maxBytes });
  if (file.length === 0) throw new PermanentError('image_empty', 'The file is empty.');
  return { file, fields };
}

function throwAsFormError(error: unknown): never {
  throw asFormError(error);
}
