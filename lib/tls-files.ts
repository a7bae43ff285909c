import { X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { createSecureContext } from 'node:tls';
import { ConfigError, file } from './env.ts';
import { messageOf } from './errors.ts';
import type { Log } from './log.ts';

/** Whom a service speaks to: the database, the queue, and the recognizer and its callers. */
export type TlsPeer = 'MYSQL' | 'NATS' | 'GRPC';

type TlsKeys<Peer extends TlsPeer> = Record<
  `${Peer}_TLS_${'CA' | 'CERT' | 'KEY'}_FILE`,
  ReturnType<typeof optionalFile>
>;

const optionalFile = () => file().optional();

/**
 * The environment keys of one peer: PEM files. `CA`: certificates of the authorities that sign the other side's
 * certificate. `CERT` and `KEY`: our own certificate, with whatever lies between it and the authority, and its key.
 */
export function tlsKeys<Peer extends TlsPeer>(peer: Peer): TlsKeys<Peer> {
  const keys = ['CA', 'CERT', 'KEY'].map((what) => [`${peer}_TLS_${what}_FILE`, optionalFile()]);
  return Object.fromEntries(keys) as TlsKeys<Peer>;
}

/** Contents of PEM files; only what is configured. */
export interface TlsMaterial {
  readonly ca?: Buffer;
  readonly cert?: Buffer;
  readonly key?: Buffer;
}

/** Files that are read again whenever they change, so that a renewed certificate is used without a restart. */
export interface KeptTls {
  /** Whether we show a certificate of our own. */
  readonly hasCertificate: boolean;
  /** Whether the other side's certificate is checked. */
  readonly hasAuthority: boolean;
  /** The newest that can be used; null when none could be yet. */
  current(): TlsMaterial | null;
  /** Calls back whenever `current` has changed. @returns a function that ends it */
  onChange(changed: () => void): () => void;
}

export interface KeepTlsOptions {
  /** A caller must know whom to trust; whoever is called must have a certificate. By default a caller. */
  readonly side?: 'caller' | 'server';
  readonly log: Log;
  /** Ends the watching; what was read last stays in use. */
  readonly signal: AbortSignal;
  /** How often the files are looked at. */
  readonly pollMs?: number;
}

const POLL_MS = 2_000;
const WARN_BEFORE_MS = 7 * 24 * 60 * 60_000;

type Files = { readonly [Part in keyof TlsMaterial]: string };

/**
 * Reads the files of a peer, and follows their changes. Files that are missing or do not fit together (a certificate
 * without its key, no PEM at all) are logged as an error and looked at again: what was read before stays in use.
 *
 * @param config as read with `tlsKeys(peer)`
 * @returns null when no file is configured: no TLS
 * @throws ConfigError when a file is missing that belongs to another one: a key to its certificate, an authority to a caller
 */
export async function keepTls<Peer extends TlsPeer>(
  peer: Peer,
  config: { readonly [Key in keyof TlsKeys<Peer>]?: string | undefined },
  options: KeepTlsOptions,
): Promise<KeptTls | null> {
  const { log, signal, side = 'caller', pollMs = POLL_MS } = options;
  const files = chooseFiles(peer, side, config as Readonly<Record<string, string | undefined>>);
  if (files === null) return null;
  const listeners = new Set<() => void>();
  let material: TlsMaterial | null = null;
  let problem: string | null = null;
  let validity: Validity | null = null;

  async function look() {
    try {
      const read = await readFiles(files as Files);
      if (material !== null && isSame(material, read)) {
        if (problem !== null) log.info({ peer }, 'the TLS files can be used again');
      } else {
        assertUsable(read);
        material = read;
        validity = null;
        for (const changed of listeners) changed();
      }
      const now = validityOf(material);
      if (now !== validity) describe(peer, material, now, log);
      validity = now;
      problem = null;
    } catch (error) {
      // Once, not every two seconds.
      const message = messageOf(error);
      if (message !== problem) log.error({ err: error, peer, files }, `the TLS files cannot be used: ${message}`);
      problem = message;
    }
  }

  await look();
  void follow();
  return {
    hasCertificate: files.cert !== undefined,
    hasAuthority: files.ca !== undefined,
    current: () => material,
    onChange(changed) {
      listeners.add(changed);
      return () => listeners.delete(changed);
    },
  };

  async function follow() {
    while (!signal.aborted) {
      await sleep(pollMs, undefined, { signal, ref: false }).catch(() => undefined);
      if (!signal.aborted) await look();
    }
  }
}

function chooseFiles(
  peer: TlsPeer,
  side: 'caller' | 'server',
  config: Readonly<Record<string, string | undefined>>,
): Files | null {
  const keyOf = (what: string) => `${peer}_TLS_${what}_FILE`;
  const given = ['CA', 'CERT', 'KEY'].filter((what) => config[keyOf(what)]);
  if (given.length === 0) return null;
  const needed = [
    ...(side === 'server' || given.includes('CERT') || given.includes('KEY') ? ['CERT', 'KEY'] : []),
    ...(side === 'caller' ? ['CA'] : []),
  ];
  const problems = needed
    .filter((what) => !given.includes(what))
    .map((what) => `${keyOf(what)}: expected a file, as ${keyOf(given[0] ?? '')} is set`);
  if (problems.length > 0) throw new ConfigError(problems);
  return Object.fromEntries(given.map((what) => [what.toLowerCase(), config[keyOf(what)]]));
}

async function readFiles(files: Files): Promise<TlsMaterial> {
  const read = Object.entries(files).map(async ([part, path]) => [part, await readFile(path)]);
  return Object.fromEntries(await Promise.all(read));
}

function isSame(one: TlsMaterial, other: TlsMaterial): boolean {
  return (['ca', 'cert', 'key'] as const).every(
    (part) => (other[part] ?? '').toString() === (one[part] ?? '').toString(),
  );
}

/** Files are replaced one after the other: a new certificate with the old key must not be used. */
function assertUsable(material: TlsMaterial): void {
  // OpenSSL takes anything for an empty list of authorities.
  if (material.ca !== undefined) new X509Certificate(material.ca);
  createSecureContext(material);
}

type Validity = 'valid' | 'expires soon' | 'has expired';

function validityOf({ cert }: TlsMaterial): Validity {
  if (cert === undefined) return 'valid';
  const leftMs = Date.parse(new X509Certificate(cert).validTo) - Date.now();
  return leftMs < 0 ? 'has expired' : leftMs < WARN_BEFORE_MS ? 'expires soon' : 'valid';
}

function describe(peer: TlsPeer, { cert }: TlsMaterial, validity: Validity, log: Log): void {
  const { subject, serialNumber, validTo } = cert === undefined ? {} : new X509Certificate(cert);
  const about = { peer, subject, serialNumber, validTo };
  if (validity === 'has expired') log.error(about, 'our certificate has expired: others will refuse it');
  else if (validity === 'expires soon') log.warn(about, 'our certificate expires soon');
  else log.info(about, 'the TLS files were read');
}
