import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { type ChannelCredentials, credentials, Metadata } from '@grpc/grpc-js';
import { HealthCheckClient } from '../proto/face.ts';
import { abortAfter } from './abort-after.ts';
import type { Program } from './supervise.ts';

export const SERVICE_NAMES = ['recognizer', 'receiver', 'processor', 'frontend'] as const;
export type ServiceName = (typeof SERVICE_NAMES)[number];

/** The compiled project: this file's own folder's parent when it is compiled, `dist` when it runs from source. */
const COMPILED = new URL(import.meta.url.endsWith('.ts') ? '../dist/' : '../', import.meta.url);
/**
 * glibc keeps a heap for every thread, and pictures of all sizes leave holes in each: with two of them the recognizer was
 * 80 MB smaller and grew half as much over 2,000 files.
 */
const MEMORY: Partial<Record<ServiceName, NodeJS.ProcessEnv>> = { recognizer: { MALLOC_ARENA_MAX: '2' } };
/** The recognizer loads its networks and reads the known people first. */
const READY_WITHIN_MS = 120_000;
const ASK_TIMEOUT_MS = 2_000;

/**
 * How to run a service as a child process, with `env` as its whole environment, and how to see that it is ready: the
 * receiver and the processor by `GET /readyz`, the frontend by `GET /healthz`, the recognizer by its HealthCheck over gRPC.
 */
export function describeService(name: ServiceName, env: NodeJS.ProcessEnv, host: string, port: number): Program {
  return {
    name,
    command: process.execPath,
    args: ['--enable-source-maps', fileURLToPath(new URL(`${name}/main.js`, COMPILED))],
    env: { ...MEMORY[name], ...env, [`${name.toUpperCase()}_PORT`]: String(port) },
    ready: (signal) => askService(name, host, port, signal, env),
    readyWithinMs: READY_WITHIN_MS,
    stopSignal: 'SIGTERM',
    stopWithinMs: wholeNumber(env.SHUTDOWN_TIMEOUT_MS, 25_000) + wholeNumber(env.DRAIN_MS, 0) + 2_000,
  };
}

/** As the service itself reads it, ms. */
function wholeNumber(given: string | undefined, fallback: number): number {
  const ms = Number(given || fallback);
  return Number.isInteger(ms) && ms >= 0 ? ms : fallback;
}

/** Throws unless the service can work. @param env of the service */
async function askService(
  name: ServiceName,
  host: string,
  port: number,
  signal: AbortSignal,
  env: NodeJS.ProcessEnv,
): Promise<void> {
  if (name === 'recognizer') return askRecognizer(host, port, env);
  await askHttp(`http://${urlHost(host)}:${port}/${name === 'frontend' ? 'healthz' : 'readyz'}`, signal);
}

/** Throws unless a GET of the URL is answered with 2xx. */
export async function askHttp(url: string, signal: AbortSignal): Promise<void> {
  const response = await fetch(url, { signal: abortAfter(ASK_TIMEOUT_MS, signal) });
  const body = await response.text();
  if (!response.ok) throw new Error(`${url} answers ${response.status} ${body.slice(0, 300)}`);
}

function askRecognizer(host: string, port: number, env: NodeJS.ProcessEnv): Promise<void> {
  const client = new HealthCheckClient(`${urlHost(host)}:${port}`, credentialsFor(env), {
    // An address is no name that TLS could ask for.
    'grpc.ssl_target_name_override': 'localhost',
  });
  const deadline = Date.now() + ASK_TIMEOUT_MS;
  return new Promise<void>((resolve, reject) => {
    client.healthCheck({}, new Metadata(), { deadline }, (error, answer) => {
      if (error) reject(error);
      else if (answer.ready) resolve();
      else reject(new Error('the recognizer is not ready yet'));
    });
  }).finally(() => client.close());
}

/** Where the recognizer has TLS, with its own certificate. It is our child, on this machine: its name does not matter. */
function credentialsFor({ GRPC_TLS_CERT_FILE: cert, GRPC_TLS_KEY_FILE: key }: NodeJS.ProcessEnv): ChannelCredentials {
  if (!cert || !key) return credentials.createInsecure();
  const options = { rejectUnauthorized: false, checkServerIdentity: () => undefined };
  return credentials.createSsl(null, readFileSync(key), readFileSync(cert), options);
}

/** A host as it is written in a URL; an address that means "all of this machine" is reached at loopback. */
export function urlHost(host: string): string {
  if (host === '0.0.0.0' || host === '') return '127.0.0.1';
  if (host === '::') return '[::1]';
  return host.includes(':') ? `[${host}]` : host;
}
