import { Webhook as Signer } from 'standardwebhooks';
import { Agent, type Dispatcher, request } from 'undici';
import { PermanentError } from '../../lib/errors.ts';
import { judgeUrl, type UrlRules, type UrlVerdict } from '../../lib/photo-url.ts';
import { createLookup, isPublicAddress, isPublicOrIntranetAddress } from '../../lib/public-address.ts';
import type { Attempt } from '../../lib/webhook-deliveries.ts';

export interface WebhookMessage {
  /** The same however often it is sent. */
  readonly messageId: string;
  readonly payload: string;
  /** `whsec_…`; each signs. */
  readonly secrets: readonly string[];
}

export interface WebhookSender {
  /** @throws PermanentError `url_invalid`, `url_not_allowed` or `url_address_forbidden` */
  check(url: string): void;
  /** Sends a message once; whatever happens is what it returns. */
  send(url: string, message: WebhookMessage, signal?: AbortSignal): Promise<Attempt>;
  close(): Promise<void>;
}

export interface SenderOptions {
  readonly rules: UrlRules;
  readonly timeoutMs: number;
  /** How names become addresses; the system's way by default. */
  readonly resolve?: Parameters<typeof createLookup>[1];
}

const CONNECT_TIMEOUT_MS = 5_000;
/** Of an answer nothing is wanted but its status; so much of the rest is read that the connection can be used again. */
const MAX_ANSWER_BYTES = 16 * 1024;
/** Nor is it waited for longer, ms: others are waiting to be told. */
const ANSWER_MS = 1_000;
const LONGEST_RETRY_AFTER_MS = 3_600_000;
const GONE = 410;

/**
 * Signs and sends as https://www.standardwebhooks.com says. As photos are fetched: no proxy, no cookies, and to no address
 * but a good one; redirects are not followed.
 */
export function openWebhookSender({ rules, timeoutMs, resolve }: SenderOptions): WebhookSender {
  const agentFor = (isGood: Parameters<typeof createLookup>[0]) =>
    new Agent({ connect: { lookup: createLookup(isGood, resolve), timeout: CONNECT_TIMEOUT_MS } });
  // Two, so that no connection to a private address is ever taken for a URL that may not have one.
  const agents = { public: agentFor(isPublicAddress), intranet: agentFor(isPublicOrIntranetAddress) };

  async function post(url: URL, message: WebhookMessage, signal: AbortSignal): Promise<Attempt> {
    const verdict = judgeUrl(url, rules);
    if (verdict !== 'public' && verdict !== 'intranet') throw toRefusal(url, verdict);
    const response = await request(url, {
      method: 'POST',
      dispatcher: agents[verdict],
      signal,
      headers: { 'content-type': 'application/json', 'user-agent': 'faceflow', ...sign(message) },
      body: message.payload,
    });
    // Who has said that it has the message has it, whatever becomes of the rest of the answer.
    const ending = AbortSignal.any([signal, AbortSignal.timeout(ANSWER_MS)]);
    await response.body.dump({ limit: MAX_ANSWER_BYTES, signal: ending }).catch(() => response.body.destroy());
    return toAttempt(response);
  }

  return {
    check(text) {
      const url = parse(text);
      const verdict = judgeUrl(url, rules);
      if (verdict !== 'public' && verdict !== 'intranet') throw toRefusal(url, verdict);
    },

    async send(url, message, signal) {
      const patience = AbortSignal.timeout(timeoutMs);
      const limit = signal ? AbortSignal.any([patience, signal]) : patience;
      try {
        return await post(new URL(url), message, limit);
      } catch (error) {
        const failure =
          error instanceof PermanentError ? error.code : patience.aborted ? 'timeout' : 'connection_failed';
        return { status: null, failure, retryAfterMs: null };
      }
    },

    async close() {
      await Promise.all([agents.public.destroy(), agents.intranet.destroy()]);
    },
  };
}

/** Whether a try like this is worth another one. */
export function isFinal({ status }: Attempt): boolean {
  return status === GONE;
}

function sign({ messageId, payload, secrets }: WebhookMessage): Record<string, string> {
  const at = new Date();
  return {
    'webhook-id': messageId,
    'webhook-timestamp': String(Math.floor(at.getTime() / 1000)),
    'webhook-signature': secrets.map((secret) => new Signer(secret).sign(messageId, at, payload)).join(' '),
  };
}

function toAttempt({ statusCode: status, headers }: Dispatcher.ResponseData): Attempt {
  if (status >= 200 && status < 300) return { status, failure: null, retryAfterMs: null };
  const failure = status >= 300 && status < 400 ? 'redirected' : 'http_status';
  return { status, failure, retryAfterMs: readRetryAfter(headers['retry-after']) };
}

/** Seconds, or a date (https://www.rfc-editor.org/rfc/rfc9110#field.retry-after). @returns ms; null: it does not say */
function readRetryAfter(value: string | string[] | undefined): number | null {
  const text = String(value ?? '');
  const ms = /^\d+$/.test(text) ? Number(text) * 1_000 : Date.parse(text) - Date.now();
  return ms > 0 ? Math.min(ms, LONGEST_RETRY_AFTER_MS) : null;
}

function parse(text: string): URL {
  if (!URL.canParse(text)) throw new PermanentError('url_invalid', 'The URL is not valid.');
  const url = new URL(text);
  if (url.username === '' && url.password === '') return url;
  throw new PermanentError('url_invalid', 'The URL holds a user name or a password: check the signature instead.');
}

function toRefusal(url: URL, verdict: Exclude<UrlVerdict, 'public' | 'intranet'>): PermanentError {
  const messages = {
    protocol: 'Webhooks go to http and https only.',
    nothing_allowed: 'Webhooks are off: WEBHOOK_HOSTS names no hosts.',
    not_allowed: `Webhooks do not go to ${url.host}: WEBHOOK_HOSTS does not name it.`,
    address_forbidden: `Webhooks do not go to ${url.hostname}: its address is not a public one (WEBHOOK_PRIVATE_HOSTS names servers that may have another).`,
  };
  return new PermanentError(
    verdict === 'address_forbidden' ? 'url_address_forbidden' : 'url_not_allowed',
    messages[verdict],
  );
}
