import { type LookupAddress, lookup as lookUp } from 'node:dns';
import type { LookupFunction } from 'node:net';
import ipaddr from 'ipaddr.js';
import { PermanentError } from './errors.ts';
import { createWaitingLine } from './waiting-line.ts';

export type Address = ipaddr.IPv4 | ipaddr.IPv6;

/** Looks public, and is every Azure machine's way to its host. */
const AZURE_HOST = '168.63.129.16';
/** All that has been given out as global unicast (RFC 4291, 2.4); `::/8` holds old ways to write IPv4 addresses. */
const GLOBAL_UNICAST = ipaddr.parseCIDR('2000::/3');
/** A home's, a company's or this machine's own. Not link-local: that is where clouds keep their machines' credentials. */
const INTRANET = new Set(['private', 'loopback', 'uniqueLocal', 'carrierGradeNat']);

/** The address that a host name is, brackets or not, IPv4 in IPv6 taken out; null for a name. */
export function parseAddress(hostname: string): Address | null {
  const text = hostname.replace(/^\[(.*)\]$/, '$1');
  return ipaddr.isValid(text) ? ipaddr.process(text) : null;
}

/** Whether anybody on the internet could reach it: none of the special ranges of RFC 6890. */
export function isPublicAddress(address: Address): boolean {
  if (address.range() !== 'unicast') return false;
  return address.kind() === 'ipv6' ? address.match(GLOBAL_UNICAST) : address.toString() !== AZURE_HOST;
}

/** What servers named in ALLOW_PRIVATE_URLS may have. */
export function isPublicOrIntranetAddress(address: Address): boolean {
  return isPublicAddress(address) || INTRANET.has(address.range());
}

/** It does not say which address: those of an inner network are nobody's business. */
export function addressForbidden(hostname: string): PermanentError {
  const message = `Photos are not fetched from ${hostname}: its address is not a public one (ALLOW_PRIVATE_URLS names servers that may have another).`;
  return new PermanentError('url_address_forbidden', message);
}

type Resolve = (hostname: string, options: object, done: (error: Error | null, found: LookupAddress[]) => void) => void;

/** The system's resolver blocks a thread of the few that also read files; a server of names that does not answer, for long. */
const resolving = createWaitingLine({ slots: 2, maxWaiting: 1_000 });

const resolveWithSystem: Resolve = (hostname, options, done) => {
  resolving.enter().then(
    (leave) =>
      lookUp(hostname, { ...options, all: true }, (error, found) => {
        leave();
        done(error, found);
      }),
    (error) => done(error, []),
  );
};

/**
 * A lookup for connections that can lead nowhere but to good addresses: those that are checked are those that are connected
 * to, whatever the name resolves to a moment later. A name of which but one address is not good is refused.
 *
 * Not asked for addresses that stand for a name: see `checkPhotoUrl`.
 *
 * @param isGood which addresses may be connected to
 */
export function createLookup(
  isGood: (address: Address) => boolean,
  resolve: Resolve = resolveWithSystem,
): LookupFunction {
  return (hostname, options, done) => {
    resolve(hostname, options, (error, found) => {
      if (error) return done(error, '');
      const good = found.length > 0 && found.every(({ address }) => isGood(ipaddr.process(address)));
      if (!good) return done(addressForbidden(hostname), '');
      const [first] = found;
      if (options.all || first === undefined) done(null, found);
      else done(null, first.address, first.family);
    });
  };
}
