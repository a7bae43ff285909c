import { resolve } from 'node:path';
import { z } from 'zod';

/** The environment does not hold what a service needs; the message lists every bad key. */
export class ConfigError extends Error {
  constructor(problems: readonly string[]) {
    super(`The configuration is not usable:\n${problems.map((problem) => `  ${problem}`).join('\n')}`);
    this.name = 'ConfigError';
  }
}

const SECRET_KEY = /_(URL|HASH|OTLP_ENDPOINT|OTLP_HEADERS)$|SECRET|PASSWORD|TOKEN|PASSPHRASE/;

/**
 * Reads the keys of `shape` from an environment. An empty value counts as absent, as in `KEY= command`.
 *
 * @throws ConfigError that names every bad key at once, with what was expected and what was found. Values of keys that
 *   may hold a secret (`*_URL`, `*_HASH`, `*SECRET*`…) are not repeated.
 */
export function readEnv<Shape extends z.ZodRawShape>(
  environment: NodeJS.ProcessEnv,
  shape: Shape,
): z.infer<z.ZodObject<Shape>> {
  const given = Object.fromEntries(Object.keys(shape).map((key) => [key, environment[key]?.trim() || undefined]));
  const result = z.object(shape).safeParse(given);
  if (result.success) return result.data;
  throw new ConfigError(
    result.error.issues.map((issue) => {
      const key = String(issue.path[0]);
      const value = given[key];
      const found =
        value === undefined
          ? 'it is not set'
          : SECRET_KEY.test(key)
            ? 'found something else'
            : `found ${JSON.stringify(value)}`;
      return `${key}: expected ${issue.message}; ${found}`;
    }),
  );
}

/** A whole number in `min..max`; `fallback` when absent. */
export function integer(options: { min: number; max: number; fallback: number }) {
  const expected = `a whole number from ${options.min} to ${options.max}`;
  return z
    .string()
    .regex(/^\d+$/, expected)
    .transform(Number)
    .refine((value) => value >= options.min && value <= options.max, expected)
    .default(options.fallback);
}

/** A number in `min..max`, e.g. a distance; `fallback` when absent. */
export function decimal(options: { min: number; max: number; fallback: number }) {
  const expected = `a number from ${options.min} to ${options.max}`;
  return z
    .string()
    .regex(/^\d+(\.\d+)?$/, expected)
    .transform(Number)
    .refine((value) => value >= options.min && value <= options.max, expected)
    .default(options.fallback);
}

/** A TCP port; 0 lets the system choose a free one. */
export function port(fallback: number) {
  return integer({ min: 0, max: 65535, fallback });
}

/** A TCP port that need not be given. */
export function optionalPort() {
  const expected = 'a whole number from 0 to 65535';
  return z
    .string()
    .regex(/^\d+$/, expected)
    .transform(Number)
    .refine((value) => value <= 65535, expected)
    .optional();
}

/** One of a few words; the first is the default. */
export function choice<const Words extends readonly [string, ...string[]]>(words: Words) {
  return z.enum(words, `one of ${words.join(', ')}`).default(words[0] as Words[number]);
}

/** A plain text; `fallback` when absent. */
export function text(fallback: string) {
  return z.string().default(fallback);
}

/** A name of letters, digits, `-` and `_`, as NATS wants for streams and consumers; `fallback` when absent. */
export function name(fallback: string) {
  return z
    .string()
    .regex(/^[A-Za-z0-9_-]{1,64}$/, 'a name of letters, digits, - and _')
    .default(fallback);
}

/** A URL with one of the protocols, e.g. `['mysql:']`; servers of a cluster may be separated by commas. */
export function url(protocols: readonly string[], example: string) {
  const expected = `a URL like ${example}`;
  const isGood = (value: string) => URL.canParse(value) && protocols.includes(new URL(value).protocol);
  return z.string(expected).refine((value) => value.split(',').every(isGood), expected);
}

/** Colon-separated folders, made absolute; at least one. */
export function folders() {
  const expected = 'one or more folders, separated by colons';
  return z
    .string(expected)
    .transform((value) =>
      value
        .split(':')
        .filter((folder) => folder !== '')
        .map((folder) => resolve(folder)),
    )
    .refine((list) => list.length > 0, expected);
}

/** A file, made absolute. */
export function file() {
  return z.string('a file').transform((value) => resolve(value));
}

/** A folder, made absolute. */
export function folder() {
  return z.string('a folder').transform((value) => resolve(value));
}

const LOG_LEVELS = ['info', 'fatal', 'error', 'warn', 'debug', 'trace', 'silent'] as const;

/** The keys of services that listen behind a balancer. */
export const listenerKeys = {
  /** How long a stopping service goes on to answer, not ready any more, so that balancers hear of it first. */
  DRAIN_MS: integer({ min: 0, max: 600_000, fallback: 0 }),
};

/** The keys that every service reads. */
export const commonKeys = {
  /** Loopback unless told otherwise: nobody should be exposed by a default. */
  HOST: text('127.0.0.1'),
  LOG_LEVEL: choice(LOG_LEVELS),
  LOG_FORMAT: choice(['auto', 'json', 'pretty']),
  /** How long a stopping service may finish what is in hand before it is cut off. */
  SHUTDOWN_TIMEOUT_MS: integer({ min: 100, max: 3_600_000, fallback: 25_000 }),
};

export const mysqlUrl = () => url(['mysql:'], 'mysql://user:password@host:3306/faceflow');
export const natsUrl = () => url(['nats:', 'tls:'], 'nats://host:4222');
