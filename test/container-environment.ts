import { existsSync } from 'node:fs';
import { loadConfig as loadFrontendConfig } from '../frontend/config.ts';
import { loadConfig as loadProcessorConfig } from '../processor/config.ts';
import { loadConfig as loadReceiverConfig, type Config as ReceiverConfig } from '../receiver/config.ts';
import { loadConfig as loadRecognizerConfig } from '../recognizer/config.ts';
import { loadConfig as loadMigrationConfig } from '../sql/config.ts';

/** In deploy/Dockerfile. */
const SET_BY_THE_IMAGE = { HOST: '0.0.0.0' };

function maySomebodyCome({ access }: ReceiverConfig): boolean {
  return access.anonymous !== 'nobody' || access.adminKeyHashes.length > 0 || access.login !== undefined;
}

type Environment = Record<string, string>;

/** What each command of the image reads. */
const loaders = new Map<string, (environment: NodeJS.ProcessEnv) => unknown>([
  ['receiver', loadReceiverConfig],
  ['processor', loadProcessorConfig],
  ['recognizer', loadRecognizerConfig],
  ['frontend', loadFrontendConfig],
  ['sql', loadMigrationConfig],
]);

/** The AWS SDK reads them, for photos of `s3://`. */
const READ_BY_THE_AWS_SDK = new Set(['AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY', 'AWS_SESSION_TOKEN']);

/** `node dist/receiver/main.js` → `receiver`; undefined when the command starts nothing that exists in the tree. */
export function serviceOf(command: readonly string[] | undefined): string | undefined {
  const [, service = ''] = /^node dist\/([a-z]+)\/main\.js(?: wait)?$/.exec(command?.join(' ') ?? '') ?? [];
  return loaders.has(service) && existsSync(new URL(`../${service}/main.ts`, import.meta.url)) ? service : undefined;
}

/** Loads the service's configuration from the environment, and tells which keys it looked at. */
function load(service: string, environment: Environment): { keys: Set<string>; config?: unknown; error?: unknown } {
  const keys = new Set<string>();
  const recording = new Proxy(environment, {
    get(target, key) {
      keys.add(String(key));
      return Reflect.get(target, key);
    },
  });
  try {
    return { keys, config: loaders.get(service)?.(recording) };
  } catch (error) {
    return { keys, error };
  }
}

/** Keys that some service reads. */
const known = new Set([...loaders.keys()].flatMap((service) => [...load(service, {}).keys]));

/**
 * What is wrong with the environment of a container that runs a service.
 *
 * @param own keys set for this container alone: the service must read each
 * @param shared keys of a ConfigMap for all: some service must read each
 * @param interpolated keys that are there only to be put into the values of others
 */
export function findEnvironmentProblems(
  label: string,
  service: string,
  { own, shared = {}, interpolated = [] }: { own: Environment; shared?: Environment; interpolated?: string[] },
): string[] {
  const { keys, config, error } = load(service, { ...SET_BY_THE_IMAGE, ...shared, ...own });
  return [
    ...(error === undefined ? [] : [`${label}: loadConfig refuses it: ${(error as Error).message}`]),
    ...(service === 'receiver' && config !== undefined && !maySomebodyCome(config as ReceiverConfig)
      ? [`${label}: nobody could use it`]
      : []),
    ...Object.keys(own)
      .filter((key) => !keys.has(key) && !interpolated.includes(key) && !READ_BY_THE_AWS_SDK.has(key))
      .map((key) => `${label}: ${service} does not read ${key}`),
    ...Object.keys(shared)
      .filter((key) => !known.has(key))
      .map((key) => `${label}: no service reads ${key}`),
  ];
}
