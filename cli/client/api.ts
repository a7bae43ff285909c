import { setTimeout as sleep } from 'node:timers/promises';
import { messageOf } from '../../lib/errors.ts';
import { LaunchError } from '../launch-error.ts';

export const DEFAULT_URL = 'http://127.0.0.1:8000';

/** What the API has refused. */
export class ApiError extends LaunchError {
  readonly status: number;
  readonly code: string;

  constructor(status: number, code: string, message: string) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

/** Where the API is: FACEFLOW_URL. */
export function apiUrl(): string {
  return (process.env.FACEFLOW_URL || DEFAULT_URL).replace(/\/$/, '');
}

/**
 * Asks the API at FACEFLOW_URL, with FACEFLOW_KEY where one is set.
 *
 * @param body a form, or what is sent as JSON
 * @throws ApiError when it refuses, LaunchError when nobody answers
 */
export async function ask<Answer>(method: string, path: string, body?: unknown): Promise<Answer> {
  const response = await send(method, path, body);
  const text = await response.text();
  return (text === '' ? undefined : JSON.parse(text)) as Answer;
}

/** While a server is started again, or has had enough requests for this minute. */
const PATIENCE_MS = 90_000;
const ASK_AGAIN_MS = 1_000;

let hasAnswered = false;

/**
 * The same, for long work that a short outage must not end: what may pass by itself is asked again for a while, once the
 * server has answered at all. Only for what is harmless when it is done twice.
 */
export async function askPatiently<Answer>(method: string, path: string, body?: unknown): Promise<Answer> {
  const giveUpAt = Date.now() + PATIENCE_MS;
  for (;;) {
    try {
      const answer = await ask<Answer>(method, path, body);
      hasAnswered = true;
      return answer;
    } catch (error) {
      if (!hasAnswered || !mayPass(error) || Date.now() > giveUpAt) throw error;
      await sleep(ASK_AGAIN_MS);
    }
  }
}

/** Nobody answers now, or somebody who cannot now. */
function mayPass(error: unknown): boolean {
  if (!(error instanceof ApiError)) return error instanceof LaunchError;
  return error.status === 429 || [500, 502, 503, 504].includes(error.status);
}

/** The same, for answers that are no JSON. */
export async function askForBytes(path: string): Promise<Buffer> {
  return Buffer.from(await (await send('GET', path)).arrayBuffer());
}

async function send(method: string, path: string, body?: unknown): Promise<Response> {
  const url = apiUrl();
  const key = process.env.FACEFLOW_KEY;
  const headers: Record<string, string> = key ? { authorization: `Bearer ${key}` } : {};
  const given = body === undefined ? {} : { body: body instanceof FormData ? body : JSON.stringify(body) };
  const response = await fetch(`${url}${path}`, { method, headers, ...given }).catch((error: unknown) => {
    throw new LaunchError(explainSilence(url, error));
  });
  if (!response.ok) throw await toApiError(response, path);
  return response;
}

/** Why there is no answer, of what `fetch` has thrown: it waits for five minutes, and an erasure may take longer. */
export function explainSilence(url: string, error: unknown): string {
  const cause = (error as Error).cause ?? error;
  if ((cause as { code?: unknown }).code === 'UND_ERR_HEADERS_TIMEOUT') {
    return `${url} has been working on it for five minutes, and goes on: ask again for its answer.`;
  }
  return `Nobody answers at ${url} (FACEFLOW_URL): ${messageOf(cause)}`;
}

async function toApiError(response: Response, path: string): Promise<ApiError> {
  const text = await response.text();
  try {
    const { error } = JSON.parse(text) as { error: { code: string; message: string } };
    return new ApiError(response.status, error.code, error.message);
  } catch {
    // Something else answers there, or something between.
    return new ApiError(
      response.status,
      String(response.status),
      `${path}: HTTP ${response.status} ${text.slice(0, 200)}`,
    );
  }
}

/** Reads all pages of a list. */
export async function* askForPages<Page extends { nextCursor: string | null }>(
  path: string,
  query: Record<string, string>,
): AsyncGenerator<Page> {
  for (let cursor: string | null = ''; cursor !== null; ) {
    const page: Page = await ask('GET', `${path}?${new URLSearchParams({ ...query, ...(cursor ? { cursor } : {}) })}`);
    yield page;
    cursor = page.nextCursor;
  }
}
