import { readFileSync } from 'node:fs';
import { isIP } from 'node:net';
import {
  type Authenticator,
  type ConnectionOptions,
  credsAuthenticator,
  nkeyAuthenticator,
  type TlsOptions,
} from '@nats-io/transport-node';
import { ConfigError, file, natsUrl } from './env.ts';
import { type KeepTlsOptions, type KeptTls, keepTls, tlsKeys } from './tls-files.ts';

/** The environment keys of everyone who connects to NATS. */
export const natsKeys = {
  NATS_URL: natsUrl(),
  /** A `.creds` file (JWT and seed), or the seed of an nkey (`SU…`). Instead of what may stand before the URL's @. */
  NATS_CREDS_FILE: file().optional(),
  ...tlsKeys('NATS'),
};

/** Who we are to NATS, and how we know it. */
export interface NatsAccess {
  /** The name of the service: answers come to `_INBOX_<service>.>`, so that permissions keep services apart. */
  readonly service: string;
  readonly tls: KeptTls | null;
  readonly credentialsFile: string | null;
}

type NatsConfig = { readonly [Key in keyof typeof natsKeys]?: string | undefined };

/** @throws ConfigError when the TLS files do not fit together, or there is TLS and NATS_URL names addresses, not hosts */
export async function openNatsAccess(
  service: string,
  config: NatsConfig,
  options: KeepTlsOptions,
): Promise<NatsAccess> {
  const tls = await keepTls('NATS', config, options);
  // The client would compare the server's certificate with "localhost", whatever the address.
  if (tls !== null && hostsOf(config.NATS_URL ?? '').some((host) => isIP(host) !== 0)) {
    throw new ConfigError(['NATS_URL: expected names of hosts, not addresses, as NATS_TLS_CA_FILE is set']);
  }
  return { service, tls, credentialsFile: config.NATS_CREDS_FILE ?? null };
}

/** @param url `nats://[token@ or user:password@]host:port[,host:port…]`; with `tls:` the server must have TLS */
export function connectionOptions(url: string, access?: NatsAccess): ConnectionOptions {
  return {
    servers: serversOf(url),
    ...(access === undefined ? {} : { name: `faceflow ${access.service}`, inboxPrefix: `_INBOX_${access.service}` }),
    ...identify(url, access?.credentialsFile ?? null),
    ...(access?.tls ? { tls: tlsOptions(access.tls) } : url.startsWith('tls:') ? { tls: {} } : {}),
    timeout: 3_000,
    maxReconnectAttempts: -1,
    reconnectTimeWait: 250,
    pingInterval: 10_000,
  };
}

const serversOf = (url: string) => url.split(',').map((one) => one.replace(/^(nats|tls):\/\/([^@]*@)?/, ''));
const hostsOf = (url: string) =>
  serversOf(url).map((server) => new URL(`nats://${server}`).hostname.replace(/^\[|\]$/g, ''));

function identify(url: string, credentialsFile: string | null): Partial<ConnectionOptions> {
  if (credentialsFile !== null) return { authenticator: authenticateByFile(credentialsFile) };
  const { username, password } = new URL(url.split(',')[0] ?? url);
  if (password) return { user: decodeURIComponent(username), pass: decodeURIComponent(password) };
  return username ? { token: decodeURIComponent(username) } : {};
}

/** Reads the file at every connection: it may have been renewed. */
function authenticateByFile(path: string): Authenticator {
  return (nonce) => {
    const text = readFileSync(path);
    const seed = /^SU[A-Z2-7]+$/m.exec(text.toString())?.[0];
    const isJwt = text.includes('BEGIN NATS USER JWT');
    if (!isJwt && seed === undefined) throw new Error(`${path} holds neither credentials nor the seed of an nkey.`);
    return isJwt ? credsAuthenticator(text)(nonce) : nkeyAuthenticator(Buffer.from(seed ?? ''))(nonce);
  };
}

/** The client reads the properties at every connection. Before the files could be read nobody is trusted. */
function tlsOptions(tls: KeptTls): TlsOptions {
  return {
    get ca() {
      return (tls.current()?.ca ?? []) as unknown as string;
    },
    get cert() {
      return tls.current()?.cert as unknown as string;
    },
    get key() {
      return tls.current()?.key as unknown as string;
    },
  };
}
