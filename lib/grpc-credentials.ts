import type { EventEmitter } from 'node:events';
import { type ChannelCredentials, credentials, experimental, type Server, ServerCredentials } from '@grpc/grpc-js';
import type { Log } from './log.ts';
import type { KeptTls } from './tls-files.ts';

/** How the recognizer's callers connect: with the newest certificates at each new connection; null: without TLS. */
export function openChannelCredentials(tls: KeptTls | null): ChannelCredentials {
  if (tls === null) return credentials.createInsecure();
  const provider = new KeptCertificates(tls);
  return experimental.createCertificateProviderChannelCredentials(provider, tls.hasCertificate ? provider : null);
}

/**
 * How the recognizer is reached: with TLS where `tls` is given, and only by callers that show a certificate where it has
 * an authority. New connections see the newest certificate; those that are open go on.
 */
export function openServerCredentials(tls: KeptTls | null): ServerCredentials {
  return tls === null ? ServerCredentials.createInsecure() : new KeptServerCredentials(tls);
}

/** grpc-js has one that takes providers, too, but it confuses its arguments (1.14). */
class KeptServerCredentials extends ServerCredentials {
  constructor(tls: KeptTls) {
    super({ requestCert: tls.hasAuthority, rejectUnauthorized: tls.hasAuthority }, tls.current() ?? undefined);
    tls.onChange(() => this.updateSecureContextOptions(tls.current()));
  }

  _equals(other: ServerCredentials): boolean {
    return this === other;
  }
}

const LOG_AT_MOST_EVERY_MS = 10_000;

/**
 * Logs why callers are refused during the handshake: they only see that the connection ends. grpc-js keeps its HTTP/2
 * servers to itself, and tells nobody (1.14).
 */
export function logRefusedCallers(server: Server, log: Log): void {
  const { http2Servers } = server as unknown as { http2Servers: Map<EventEmitter, unknown> };
  let silentUntil = 0;
  for (const http2Server of http2Servers.keys()) {
    http2Server.on('tlsClientError', (error: Error, socket: { remoteAddress?: string }) => {
      if (Date.now() < silentUntil) return;
      silentUntil = Date.now() + LOG_AT_MOST_EVERY_MS;
      log.warn({ err: error, from: socket.remoteAddress }, `a caller was refused: ${error.message.trim()}`);
    });
  }
}

type AuthorityListener = Parameters<experimental.CertificateProvider['addCaCertificateListener']>[0];
type CertificateListener = Parameters<experimental.CertificateProvider['addIdentityCertificateListener']>[0];

/** Tells gRPC's channels of every change of the files. */
class KeptCertificates implements experimental.CertificateProvider {
  readonly #tls: KeptTls;
  readonly #ends = new Map<AuthorityListener | CertificateListener, () => void>();

  constructor(tls: KeptTls) {
    this.#tls = tls;
  }

  addCaCertificateListener(listener: AuthorityListener): void {
    this.#follow(listener, () => {
      const { ca } = this.#tls.current() ?? {};
      listener(ca === undefined ? null : { caCertificate: ca });
    });
  }

  addIdentityCertificateListener(listener: CertificateListener): void {
    this.#follow(listener, () => {
      const { cert, key } = this.#tls.current() ?? {};
      listener(cert === undefined || key === undefined ? null : { certificate: cert, privateKey: key });
    });
  }

  removeCaCertificateListener(listener: AuthorityListener): void {
    this.#end(listener);
  }

  removeIdentityCertificateListener(listener: CertificateListener): void {
    this.#end(listener);
  }

  #follow(listener: AuthorityListener | CertificateListener, tell: () => void): void {
    this.#ends.set(listener, this.#tls.onChange(tell));
    tell();
  }

  #end(listener: AuthorityListener | CertificateListener): void {
    this.#ends.get(listener)?.();
    this.#ends.delete(listener);
  }
}
