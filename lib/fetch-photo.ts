import { Agent, type Dispatcher, request } from 'undici';
import { messageOf, PermanentError, PhotoUnreachableError } from './errors.ts';
import { readImageStream, refuseLarge } from './image-file.ts';
import { checkPhotoUrl, type UrlRules } from './photo-url.ts';
import { createLookup, isPublicAddress, isPublicOrIntranetAddress } from './public-address.ts';

const MAX_REDIRECTS = 5;
const CONNECT_TIMEOUT_MS = 5_000;
const REDIRECTS = new Set([301, 302, 303, 307, 308]);
/** Timeout, too early, too many requests: the same request may be answered later. */
const TEMPORARY = new Set([408, 425, 429]);

const HEADERS = { accept: 'image/*', 'accept-encoding': 'identity', 'user-agent': 'faceflow' };

export interface PhotoFetcher {
  /**
   * Fetches a photo from the web. What it is, is for who decodes it to find out: headers are not believed.
   *
   * @param signal aborted when the time for it is over
   * @throws PermanentError `url_not_allowed`, `url_address_forbidden`, `url_invalid`, `url_refused`, `file_not_found`,
   *   `file_not_permitted` or `image_too_large`
   * @throws PhotoUnreachableError `url_unreachable`
   */
  fetch(url: string, signal: AbortSignal): Promise<Uint8Array>;
  close(): Promise<void>;
}

export interface FetchOptions {
  readonly rules: UrlRules;
  /** Of the body, as it comes: nothing is unpacked. */
  readonly maxBytes: number;
  /** How names become addresses; the system's way by default. */
  readonly resolve?: Parameters<typeof createLookup>[1];
}

/**
 * Fetches over HTTP/1.1, without a proxy, cookies or credentials. Each hop of a redirect is checked like the first, and a
 * connection leads to an address that was checked, see `createLookup`.
 */
export function openPhotoFetcher({ rules, maxBytes, resolve }: FetchOptions): PhotoFetcher {
  const agentFor = (isGood: Parameters<typeof createLookup>[0]) =>
    new Agent({ connect: { lookup: createLookup(isGood, resolve), timeout: CONNECT_TIMEOUT_MS } });
  // Two, so that no connection to a private address is ever taken for a URL that may not have one.
  const agents = { web: agentFor(isPublicAddress), intranet: agentFor(isPublicOrIntranetAddress) };

  async function get(start: string, signal: AbortSignal): Promise<Uint8Array> {
    let url = new URL(start);
    for (let hop = 0; hop <= MAX_REDIRECTS; hop++) {
      const { intranet } = checkPhotoUrl(url, rules);
      const dispatcher = intranet ? agents.intranet : agents.web;
      const response = await request(url, { dispatcher, signal, headers: HEADERS });
      if (!REDIRECTS.has(response.statusCode)) return readBody(url, response, maxBytes);
      drop(response);
      url = followRedirect(url, response);
    }
    throw new PermanentError('url_refused', `${url.hostname} redirects more than ${MAX_REDIRECTS} times.`);
  }

  return {
    async fetch(url, signal) {
      try {
        return await get(url, signal);
      } catch (error) {
        if (error instanceof PermanentError || error instanceof PhotoUnreachableError) throw error;
        const reason = signal.aborted ? 'it takes too long' : messageOf(error);
        const message = `The photo cannot be fetched from ${new URL(url).hostname}: ${reason}.`;
        throw new PhotoUnreachableError('url_unreachable', message, { cause: error });
      }
    },
    async close() {
      await Promise.all([agents.web.destroy(), agents.intranet.destroy()]);
    },
  };
}

function followRedirect(from: URL, { statusCode, headers }: Dispatcher.ResponseData): URL {
  const { location } = headers;
  if (typeof location !== 'string' || !URL.canParse(location, from.href)) {
    throw new PermanentError('url_refused', `${from.hostname} answers ${statusCode} without saying where to go.`);
  }
  const to = new URL(location, from);
  if (to.username === '' && to.password === '') return to;
  throw new PermanentError('url_refused', `${from.hostname} redirects to a URL with a user name or a password.`);
}

async function readBody({ hostname }: URL, response: Dispatcher.ResponseData, maxBytes: number): Promise<Uint8Array> {
  const { statusCode, headers, body } = response;
  try {
    if (statusCode !== 200) throw toError(hostname, statusCode);
    refuseLarge(Number(headers['content-length']) || 0, maxBytes);
    return await readImageStream(body, maxBytes);
  } finally {
    drop(response);
  }
}

function toError(hostname: string, status: number): Error {
  const message = `${hostname} answers ${status}.`;
  if (status >= 500 || TEMPORARY.has(status)) return new PhotoUnreachableError('url_unreachable', message);
  if (status === 404 || status === 410) return new PermanentError('file_not_found', message);
  if (status === 401 || status === 403) return new PermanentError('file_not_permitted', message);
  return new PermanentError('url_refused', message);
}

/** Gives a body up that is not wanted, or not any more; one that has been read is left alone. */
function drop({ body }: Dispatcher.ResponseData): void {
  body.on('error', () => {});
  body.destroy();
}
