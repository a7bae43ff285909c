/** Below the first root; stored paths are relative to it. */
export const UPLOADS = 'uploads';

/** Bytes in UTF-8, without the extension: file systems allow 255 in all. */
const MAX_STEM_BYTES = 200;

/** Whether a stored path is one that `receiveUpload` made: `uploads/ab/abcd….jpg`, or `uploads/ab/abcd…/party.jpg`. */
export function isUpload(path: string): boolean {
  return /^uploads\/([0-9a-f]{2})\/\1[0-9a-f]{62}(\/[^/]+)?\.[a-z]+$/.test(path);
}

/**
 * What a stored upload is called, so that whoever sent it finds it again: the name that it was sent under, as far as every file
 * system takes it, with the extension of what it truly is. Null: it had no name to speak of.
 *
 * @param sent as the form has it, whatever that is
 */
export function nameUpload(sent: string | undefined, extension: string): string | null {
  const name = (sent ?? '').slice(0, 4_096).normalize('NFC');
  const stem = name
    .slice(Math.max(name.lastIndexOf('/'), name.lastIndexOf('\\')) + 1)
    .replace(/\.[a-z0-9]{1,5}$/i, '')
    .replace(/[\p{Cc}\p{Surrogate}:*?"<>|]/gu, '_');
  const fitting = cutBytes(stem, MAX_STEM_BYTES).replace(/^[\s.]+|[\s.]+$/gu, '');
  return fitting === '' ? null : `${fitting}.${extension}`;
}

/** Never in the middle of a character. */
function cutBytes(text: string, most: number): string {
  let bytes = 0;
  let kept = '';
  for (const character of text) {
    bytes += Buffer.byteLength(character);
    if (bytes > most) break;
    kept += character;
  }
  return kept;
}
