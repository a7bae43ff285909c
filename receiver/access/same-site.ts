import ipaddr from 'ipaddr.js';

type Headers = Readonly<Record<string, string | string[] | undefined>>;

/** Under these names nobody on the internet can have a server: https://www.rfc-editor.org/rfc/rfc6761, clusters, home routers. */
const PRIVATE_NAME = /(^|\.)(localhost|local|internal|lan|home\.arpa|svc)$/;

export function isLoopback(address: string): boolean {
  if (address === 'localhost') return true;
  const bare = address.replace(/^\[(.*)\]$/, '$1');
  return ipaddr.isValid(bare) && ipaddr.process(bare).range() === 'loopback';
}

/**
 * Whether a page of another site may have made the browser send this. It rides on what the browser brings along by itself
 * (a cookie, or its place on this machine), so it must not be believed; following a link to here is fine.
 *
 * Browsers say so in Sec-Fetch-Site (to https and loopback), or in Origin where a request could change something.
 * What says neither does not come from a page of another site.
 *
 * @param trusted origins whose pages may ask
 */
export function isCrossSite(method: string, headers: Headers, trusted: ReadonlySet<string>): boolean {
  const { origin, 'sec-fetch-site': site, 'sec-fetch-mode': mode } = headers;
  if (typeof origin === 'string' && trusted.has(origin)) return false;
  if (site !== undefined) {
    const follows = mode === 'navigate' && (method === 'GET' || method === 'HEAD');
    return site !== 'same-origin' && site !== 'none' && !follows;
  }
  if (origin === undefined) return false;
  const own = hostsOf(headers);
  return typeof origin !== 'string' || !URL.canParse(origin) || !own.includes(new URL(origin).host);
}

/**
 * Whether the name under which this server was asked may be a stranger's that leads here (DNS rebinding: to the browser the
 * stranger's page and this server are then one site). Addresses and private names cannot be.
 */
export function isForeignName(headers: Headers, publicHost: string | undefined): boolean {
  return hostsOf(headers).some((host) => host !== publicHost && !isPrivateHost(host));
}

function isPrivateHost(host: string): boolean {
  if (!URL.canParse(`http://${host}`)) return false;
  const { hostname } = new URL(`http://${host}`);
  const isAddress = ipaddr.isValid(hostname.replace(/^\[(.*)\]$/, '$1'));
  return isAddress || !hostname.includes('.') || PRIVATE_NAME.test(hostname);
}

/** Whether a request began on this machine, as far as every proxy on its way tells. */
export function isFromThisMachine(peer: string | undefined, headers: Headers): boolean {
  const { forwarded, 'x-forwarded-for': through, 'x-real-ip': real } = headers;
  // RFC 7239, which hides addresses as often as not.
  if (forwarded !== undefined) return false;
  const told = [through, real].flatMap((value) => (value === undefined ? [] : String(value).split(',')));
  return [peer ?? '', ...told].every((address) => isLoopback(address.trim()));
}

/** The page's server forwards under its own name, and says here what it was asked for. */
function hostsOf({ host, 'x-forwarded-host': forwarded }: Headers): string[] {
  return [host, forwarded]
    .flatMap((value) => (value === undefined ? [] : String(value).split(',')))
    .map((value) => value.trim().toLowerCase());
}
