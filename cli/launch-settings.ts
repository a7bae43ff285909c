import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { folder, folders, integer, mysqlUrl, natsUrl, port, readEnv, text, url } from '../lib/env.ts';
import { isLoopback } from '../receiver/access/same-site.ts';
import { chooseFreePort, isPortFree } from './free-port.ts';
import { LaunchError } from './launch-error.ts';
import { type ServiceName, urlHost } from './services.ts';

export interface LaunchSettings {
  dataFolder: string;
  host: string;
  ports: { receiver: number; frontend: number; recognizer: number };
  /** How many processors run side by side. */
  processors: number;
  /** Undefined: private servers are started. */
  mysqlUrl: string | undefined;
  natsUrl: string | undefined;
  /** A recognizer that runs elsewhere; undefined: our own is started. */
  recognizerAddress: string | undefined;
  receiverUrl: string | undefined;
  imageRoots: readonly string[];
  knownPeople: string;
  /** What the services inherit: this process's environment. */
  env: NodeJS.ProcessEnv;
}

export const PORT_KEYS = {
  receiver: 'RECEIVER_PORT',
  frontend: 'FRONTEND_PORT',
  recognizer: 'RECOGNIZER_PORT',
} as const;

const launchKeys = {
  DATA_DIR: folder().default(resolve('data')),
  HOST: text('127.0.0.1'),
  RECEIVER_PORT: port(8000),
  FRONTEND_PORT: port(8081),
  RECOGNIZER_PORT: port(50051),
  PROCESSORS: integer({ min: 1, max: 64, fallback: 1 }),
  MYSQL_URL: mysqlUrl().optional(),
  NATS_URL: natsUrl().optional(),
  RECOGNIZER_ADDRESS: text('').optional(),
  RECEIVER_URL: url(['http:', 'https:'], 'http://127.0.0.1:8000').optional(),
  IMAGE_ROOTS: folders().optional(),
  KNOWN_PEOPLE: folder().optional(),
};

/** Reads `.env` of the working folder, where there is one; what the environment holds already wins. */
export function readDotEnv(): void {
  if (existsSync('.env')) process.loadEnvFile('.env');
}

/**
 * What to launch, from the environment. A port of 0 becomes a free one here, so that every service can be told it.
 * Throws a ConfigError that lists every bad key.
 */
export async function loadLaunchSettings(env: NodeJS.ProcessEnv): Promise<LaunchSettings> {
  const given = readEnv(env, launchKeys);
  const ports = {
    receiver: given.RECEIVER_PORT || (await chooseFreePort()),
    frontend: given.FRONTEND_PORT || (await chooseFreePort()),
    recognizer: given.RECOGNIZER_PORT || (await chooseFreePort()),
  };
  const ownRecognizer = ['127.0.0.1', 'localhost', given.HOST].map((host) => `${urlHost(host)}:${ports.recognizer}`);
  const { RECOGNIZER_ADDRESS: address } = given;
  return {
    dataFolder: given.DATA_DIR,
    host: given.HOST,
    ports,
    processors: given.PROCESSORS,
    mysqlUrl: given.MYSQL_URL,
    natsUrl: given.NATS_URL,
    // The address of the one that we are about to start may well be in .env, for processors started by hand.
    recognizerAddress: address && !ownRecognizer.includes(address) ? address : undefined,
    receiverUrl: given.RECEIVER_URL,
    imageRoots: given.IMAGE_ROOTS ?? [join(given.DATA_DIR, 'photos')],
    knownPeople: given.KNOWN_PEOPLE ?? join(given.DATA_DIR, 'known_people'),
    env,
  };
}

/** Throws a LaunchError that names every port that is taken, and the variable that changes it. */
export async function assertPortsFree(settings: LaunchSettings): Promise<void> {
  const taken: string[] = [];
  for (const name of ['receiver', 'frontend', 'recognizer'] as const) {
    if (name === 'recognizer' && settings.recognizerAddress) continue;
    const number = settings.ports[name];
    if (!(await isPortFree(number, hostOf(name, settings.host))))
      taken.push(`  ${name}: ${number} (change it with ${PORT_KEYS[name]})`);
  }
  if (taken.length === 0) return;
  const example = `${PORT_KEYS.receiver}=8100 ${PORT_KEYS.frontend}=8181 npm start`;
  throw new LaunchError(
    `Something else on this machine uses these ports on ${settings.host}:\n${taken.join('\n')}\n` +
      `Stop it, or choose others (0 takes any free one): ${example}`,
  );
}

/**
 * Where a service listens. The recognizer and the processor know no keys: whoever reaches them may ask anything. So only what
 * asks who is there listens beyond this machine.
 */
export function hostOf(service: ServiceName, host: string): string {
  return service === 'receiver' || service === 'frontend' || isLoopback(host) ? host : '127.0.0.1';
}

export function pageUrl({ host, ports }: LaunchSettings): string {
  return `http://${urlHost(host)}:${ports.frontend}`;
}

export function apiUrl({ host, ports }: LaunchSettings): string {
  return `http://${urlHost(host)}:${ports.receiver}`;
}
