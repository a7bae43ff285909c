import { lookup, Resolver as NameServer } from 'node:dns/promises';
import { isIP } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { type ChannelOptions, experimental, status } from '@grpc/grpc-js';
import { messageOf } from './errors.ts';

/** How often names are looked up. A replica that is added has work after this, and as long as the name server's cache takes. */
const POLL_MS = 1_000;
const NAME_SERVER_TIMEOUT_MS = 1_000;

const SCHEME = 'replicas';
/** Schemes of grpc-js that need no name server. */
const OTHER_SCHEME = /^(?:ipv4|ipv6|unix|unix-abstract):/;
const TARGET = /^(?:dns:)?(?:\/\/(?<server>[^/]*)\/)?(?<places>[^/]+)$/;
const PLACE = /^(?:\[(?<ipv6>[0-9A-Fa-f:.]+)\]|(?<host>[^:[\]\s]+)):(?<port>\d{1,5})$/;

interface Place {
  readonly host: string;
  readonly port: number;
}

/**
 * The gRPC target for an address as people write it: `host:port`, several with commas between them, with `dns:///` or
 * `dns://name-server/` before them or without; or `ipv4:`, `ipv6:`, `unix:` as gRPC knows them.
 *
 * Behind it stands every address that the hosts have: asked for again and again, since a name server tells nobody of a new
 * one. grpc-js itself asks again only when a connection has been lost, and at most every 30 s: a replica that is added
 * while all goes well would never get work (docs/adr/0026).
 *
 * @throws Error when it is none of these
 */
export function toReplicasTarget(address: string): string {
  if (OTHER_SCHEME.test(address)) return address;
  const { server = '', places = '' } = TARGET.exec(address)?.groups ?? {};
  readPlaces(places);
  return `${SCHEME}://${server}/${places}`;
}

/** Whether `toReplicasTarget` takes it. */
export function isReplicasAddress(address: string): boolean {
  try {
    toReplicasTarget(address);
    return true;
  } catch {
    return false;
  }
}

/** @throws Error when one is not `host:port` */
function readPlaces(list: string): Place[] {
  return list.split(',').map((text) => {
    const { host, ipv6, port } = PLACE.exec(text)?.groups ?? {};
    const name = ipv6 ?? host;
    if (name === undefined || Number(port) < 1 || Number(port) > 65_535) throw new Error(`${text} is no host:port.`);
    return { host: name, port: Number(port) };
  });
}

/** Tells gRPC's load balancer of every change of the addresses. */
class ReplicaResolver implements experimental.Resolver {
  readonly #listener: experimental.ResolverListener;
  readonly #places: readonly Place[];
  readonly #findAddresses: (host: string) => Promise<string[]>;
  /** What each host had when it could be looked up last. */
  readonly #lastKnown = new Map<string, readonly string[]>();
  #polling: AbortController | null = null;

  constructor(target: experimental.GrpcUri, listener: experimental.ResolverListener, _options: ChannelOptions) {
    this.#listener = listener;
    this.#places = readPlaces(target.path);
    this.#findAddresses = target.authority ? askNameServer(target.authority) : askSystem;
  }

  /** Asked for at the start, and whenever a connection is lost: then the next look is less than a second away anyhow. */
  updateResolution(): void {
    if (this.#polling !== null) return;
    this.#polling = new AbortController();
    void this.#poll(this.#polling.signal);
  }

  destroy(): void {
    this.#polling?.abort();
    this.#polling = null;
  }

  /** What `:authority` says, and what TLS wants in the certificate: of several hosts the first. */
  static getDefaultAuthority(target: experimental.GrpcUri): string {
    return target.path.split(',')[0] ?? '';
  }

  async #poll(signal: AbortSignal): Promise<void> {
    let told = '';
    while (!signal.aborted) {
      const found = await this.#resolve();
      if (signal.aborted) return;
      // The same list again would have every caller start with the same replica.
      const list = found.ok ? found.value.flatMap(({ addresses }) => addresses.map((it) => JSON.stringify(it))) : [];
      const key = list.sort().join();
      if (key !== told || !found.ok) told = this.#listener(found, {}, null, '') ? key : '';
      if (this.#places.every(({ host }) => isIP(host))) return;
      await sleep(POLL_MS, undefined, { signal, ref: false }).catch(() => undefined);
    }
  }

  /** What cannot be looked up now keeps the addresses that it had: gRPC finds out which of them still answer. */
  async #resolve(): Promise<experimental.StatusOr<experimental.Endpoint[]>> {
    const problems: string[] = [];
    const lists = this.#places.map(async ({ host, port }) => {
      try {
        this.#lastKnown.set(host, isIP(host) ? [host] : await this.#findAddresses(host));
      } catch (error) {
        problems.push(messageOf(error));
      }
      return (this.#lastKnown.get(host) ?? []).map((address) => ({ host: address, port }));
    });
    const addresses = (await Promise.all(lists)).flat();
    if (addresses.length > 0) return experimental.statusOrFromValue(addresses.map((one) => ({ addresses: [one] })));
    const details = `No address of the recognizer could be found: ${problems.join('; ')}`;
    return experimental.statusOrFromError({ code: status.UNAVAILABLE, details });
  }
}

/** As the machine is set up: /etc/hosts, search domains. */
async function askSystem(host: string): Promise<string[]> {
  return (await lookup(host, { all: true })).map(({ address }) => address);
}

function askNameServer(address: string): (host: string) => Promise<string[]> {
  const server = new NameServer({ timeout: NAME_SERVER_TIMEOUT_MS, tries: 2 });
  server.setServers([address]);
  return async (host) => {
    const [ipv4, ipv6] = await Promise.allSettled([server.resolve4(host), server.resolve6(host)]);
    if (ipv4.status === 'rejected' && ipv6.status === 'rejected') throw ipv4.reason;
    return [ipv4, ipv6].flatMap((result) => (result.status === 'fulfilled' ? result.value : []));
  };
}

experimental.registerResolver(SCHEME, ReplicaResolver);
