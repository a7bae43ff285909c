import { z } from 'zod';
import { PermanentError } from './errors.ts';
import { addressForbidden, isPublicAddress, parseAddress } from './public-address.ts';

/** A host of ALLOW_URLS: `example.org`, `*.example.org` (all below it, not itself) or `*`; with a port, that one only. */
export interface HostPattern {
  /** Lower case, as in `URL.hostname`; null: any. */
  readonly host: string | null;
  /** The host stands for those below it. */
  readonly below: boolean;
  /** Undefined: 80 and 443. */
  readonly port: number | undefined;
}

export interface UrlRules {
  readonly allowed: readonly HostPattern[];
  /** `host:port` of servers that may have private addresses. */
  readonly intranet: ReadonlySet<string>;
}

const USUAL_PORTS = [80, 443];

/**
 * The one spelling of a URL: host in lower case, no default port, no fragment, characters beyond ASCII and spaces readable
 * (`new URL` encodes them again in the same way).
 *
 * @throws PermanentError `url_invalid`
 */
export function normalizePhotoUrl(text: string): string {
  if (!URL.canParse(text)) throw new PermanentError('url_invalid', 'The URL is not valid.');
  const url = new URL(text);
  if (url.username !== '' || url.password !== '') {
    const message = 'The URL holds a user name or a password: it would be shown to everybody who sees the photo.';
    throw new PermanentError('url_invalid', message);
  }
  url.hash = '';
  url.hostname = url.hostname.replace(/\.$/, '');
  return url.href.replace(/(?:%[89a-f][0-9a-f])+/gi, decodeOrKeep).replace(/%20(?!(?:%20)*$)/g, ' ');
}

function decodeOrKeep(encoded: string): string {
  try {
    const text = decodeURIComponent(encoded);
    // What would be taken for the end of a URL, or not be seen at all, stays encoded.
    return /[\p{C}\p{Z}]/u.test(text) ? encoded : text;
  } catch {
    return encoded;
  }
}

/** What rules say of a URL: it may be asked (`public`, `intranet`: it may have a private address), or why not. */
export type UrlVerdict = 'public' | 'intranet' | 'protocol' | 'nothing_allowed' | 'not_allowed' | 'address_forbidden';

/**
 * Whether a URL may be asked, as far as it says itself: its host and its port are named in the rules, and an address that
 * stands for a host is a public one. What a name resolves to is looked at when it is connected to (lib/public-address.ts).
 */
export function judgeUrl(url: URL, { allowed, intranet }: UrlRules): UrlVerdict {
  if (url.protocol !== 'http:' && url.protocol !== 'https:') return 'protocol';
  const port = portOf(url);
  if (intranet.has(`${url.hostname}:${port}`)) return 'intranet';
  if (allowed.length === 0) return 'nothing_allowed';
  if (!allowed.some((pattern) => matches(pattern, url.hostname, port))) return 'not_allowed';
  const address = parseAddress(url.hostname);
  return address === null || isPublicAddress(address) ? 'public' : 'address_forbidden';
}

const portOf = (url: URL): number => Number(url.port) || (url.protocol === 'https:' ? 443 : 80);

/**
 * Whether a photo's URL may be fetched, see `judgeUrl`.
 *
 * @returns whether its host may have a private address
 * @throws PermanentError `url_not_allowed` or `url_address_forbidden`
 */
export function checkPhotoUrl(url: URL, rules: UrlRules): { intranet: boolean } {
  const verdict = judgeUrl(url, rules);
  switch (verdict) {
    case 'protocol':
      throw notAllowed('Only http and https are fetched.');
    case 'nothing_allowed':
      throw notAllowed(
        'This installation fetches no photos from the web, or not from there: ALLOW_URLS names no hosts.',
      );
    case 'not_allowed':
      throw notAllowed(
        `Photos are not fetched from ${url.hostname} at port ${portOf(url)}: ALLOW_URLS does not name it.`,
      );
    case 'address_forbidden':
      throw addressForbidden(url.hostname);
    default:
      return { intranet: verdict === 'intranet' };
  }
}

function matches({ host, below, port: wanted }: HostPattern, hostname: string, port: number): boolean {
  if (wanted === undefined ? !USUAL_PORTS.includes(port) : wanted !== port) return false;
  if (host === null) return true;
  return below ? hostname.endsWith(`.${host}`) : hostname === host;
}

function notAllowed(message: string): PermanentError {
  return new PermanentError('url_not_allowed', message);
}

/** ALLOW_URLS: comma-separated patterns; none when absent. */
export function hostPatterns() {
  const expected = 'hosts, separated by commas, such as example.org,*.cdn.example.org, or * for all';
  return z
    .string()
    .transform((value) => listOf(value).map(parsePattern))
    .refine((patterns) => patterns.every((pattern) => pattern !== null), expected)
    .transform((patterns) => patterns.filter((pattern) => pattern !== null))
    .default([]);
}

function parsePattern(text: string): HostPattern | null {
  const [, wildcard, name = '', port] = /^(\*$|\*:|\*\.)?([^/?#@\\*]*?)(?::(\d+))?$/.exec(text) ?? [];
  if (wildcard === '*') return { host: null, below: false, port: undefined };
  if (wildcard === '*:') return /^\d+$/.test(name) ? { host: null, below: false, port: Number(name) } : null;
  const host = hostnameOf(name);
  if (host === null) return null;
  return { host, below: wildcard === '*.', port: port === undefined ? undefined : Number(port) };
}

/** ALLOW_PRIVATE_URLS: comma-separated `host:port`; none when absent. */
export function intranetHosts() {
  const expected = 'hosts with their ports, separated by commas, such as photos.intranet:8080';
  return z
    .string()
    .transform((value) => listOf(value).map(parseIntranetHost))
    .refine((hosts) => hosts.every((host) => host !== null), expected)
    .transform((hosts): ReadonlySet<string> => new Set(hosts.filter((host) => host !== null)))
    .default(new Set<string>());
}

function parseIntranetHost(text: string): string | null {
  const [, name = '', port = ''] = /^([^/?#@\\*]+):(\d+)$/.exec(text) ?? [];
  const host = hostnameOf(name);
  return host === null ? null : `${host}:${Number(port)}`;
}

/** As `URL.hostname` spells it: lower case, punycode, addresses in their usual form. */
function hostnameOf(name: string): string | null {
  const text = `http://${name}/`;
  return name !== '' && URL.canParse(text) ? new URL(text).hostname.replace(/\.$/, '') : null;
}

function listOf(value: string): string[] {
  return value
    .split(',')
    .map((one) => one.trim())
    .filter((one) => one !== '');
}
