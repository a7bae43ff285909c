/**
 * Trying again cannot help: give up and record why.
 *
 * Anything else that is thrown means "try again".
 */
export class PermanentError extends Error {
  /** Stable and documented, e.g. `path_outside_roots`. */
  readonly code: string;

  constructor(code: string, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.name = 'PermanentError';
    this.code = code;
  }
}

/**
 * What holds a photo (a web server, S3) could not be reached or did not answer properly now: try again later. It says nothing
 * about the photo, nor about whoever asked for it.
 */
export class PhotoUnreachableError extends Error {
  /** Stable and documented: `url_unreachable` or `s3_unreachable`. */
  readonly code: string;

  constructor(code: string, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.name = 'PhotoUnreachableError';
    this.code = code;
  }
}

/** What to tell a person about something that was thrown, whatever it was. */
export function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  // Some system errors (Node's AggregateError of a refused connection) have an empty message but a code.
  return error.message || String((error as { code?: unknown }).code ?? error.name);
}
