import { readFileSync } from 'node:fs';
import ipaddr from 'ipaddr.js';
import { z } from 'zod';
import { ConfigError, choice, integer } from '../../lib/env.ts';
import { messageOf } from '../../lib/errors.ts';
import { type PersonRule, parsePersonRules } from './person-roles.ts';
import { isLoopback } from './same-site.ts';

const list = (text: string) =>
  text
    .split(',')
    .map((one) => one.trim())
    .filter((one) => one !== '');

const webUrl = (expected: string) =>
  z
    .string()
    .refine((value) => URL.canParse(value) && /^https?:$/.test(new URL(value).protocol), expected)
    .optional();

const hashes = 'the SHA-256 of a key as 64 hexadecimal digits; several are separated by commas';
const origins = 'origins such as https://app.example.org, separated by commas';
const proxies = 'addresses or networks such as 10.0.0.0/8, separated by commas';
const people =
  'email addresses, @domains, claim=value or *, separated by commas (ada@example.org, @example.org, groups=admins)';

const personRules = () =>
  z
    .string()
    .optional()
    .transform((value) => parsePersonRules(value ?? ''))
    .refine((rules): rules is PersonRule[] => rules !== null, people);

/** The keys that decide who may do what. */
export const accessKeys = {
  /** Who does not say who they are may do everything: by default on loopback only, while nothing else is set up. */
  ALLOW_ANONYMOUS: z.enum(['true', 'false'], 'true or false').optional(),
  /** SHA-256 (hex) of keys with the role admin. */
  ADMIN_KEY_HASH: z
    .string()
    .optional()
    .transform((value) => list(value ?? '').map((hash) => hash.toLowerCase()))
    .refine((all) => all.every((hash) => /^[0-9a-f]{64}$/.test(hash)), hashes),
  /** Where people open the page. */
  PUBLIC_URL: webUrl('the URL at which people open the page, such as https://faces.example.org'),
  OIDC_PROVIDER: choice(['oidc', 'github']),
  OIDC_ISSUER: webUrl('the URL of an OpenID provider, such as https://accounts.google.com'),
  OIDC_CLIENT_ID: z.string().optional(),
  OIDC_CLIENT_SECRET: z.string().optional(),
  OIDC_CLIENT_SECRET_FILE: z.string().optional(),
  OIDC_SCOPE: z.string().optional(),
  OIDC_ADMINS: personRules(),
  OIDC_READERS: personRules(),
  SESSION_HOURS: integer({ min: 1, max: 720, fallback: 12 }),
  /** Pages of these origins may call the API, with a key. */
  CORS_ORIGINS: z
    .string()
    .optional()
    .transform((value) => list(value ?? ''))
    .refine((all) => all.every(isOrigin), origins),
  /** Whose X-Forwarded-For is believed. */
  TRUSTED_PROXIES: z
    .string()
    .default('loopback')
    .transform(list)
    .refine((all) => all.every(isNetwork), proxies),
  /** Of one caller, at each receiver; 0: any number. */
  RATE_LIMIT_PER_MINUTE: integer({ min: 0, max: 10_000_000, fallback: 6_000 }),
};

export interface LoginSettings {
  readonly provider: 'oidc' | 'github';
  readonly issuer: URL;
  readonly clientId: string;
  readonly clientSecret: string | undefined;
  readonly scope: string;
  readonly redirectUri: string;
  readonly admins: readonly PersonRule[];
  readonly readers: readonly PersonRule[];
}

export interface AccessSettings {
  /** `local`: who asks from this machine need not say who they are; `everybody`: nobody need. */
  readonly anonymous: 'local' | 'everybody' | 'nobody';
  readonly publicUrl: URL | undefined;
  readonly adminKeyHashes: readonly string[];
  readonly login: LoginSettings | undefined;
  readonly sessionMs: number;
  readonly corsOrigins: readonly string[];
  readonly trustedProxies: readonly string[];
  readonly ratePerMinute: number;
}

type AccessConfig = { readonly HOST: string } & Readonly<z.infer<z.ZodObject<typeof accessKeys>>>;

/** @throws ConfigError that lists what does not fit together */
export function toAccessSettings(config: AccessConfig): AccessSettings {
  const { publicUrl, login } = toLoginSettings(config);
  return {
    anonymous: whoMayBeAnonymous(config),
    publicUrl,
    adminKeyHashes: config.ADMIN_KEY_HASH,
    login,
    sessionMs: config.SESSION_HOURS * 3_600_000,
    corsOrigins: config.CORS_ORIGINS,
    trustedProxies: config.TRUSTED_PROXIES,
    ratePerMinute: config.RATE_LIMIT_PER_MINUTE,
  };
}

function whoMayBeAnonymous(config: AccessConfig): AccessSettings['anonymous'] {
  if (config.ALLOW_ANONYMOUS !== undefined) return config.ALLOW_ANONYMOUS === 'true' ? 'everybody' : 'nobody';
  const somethingIsSetUp = config.ADMIN_KEY_HASH.length > 0 || wantsLogin(config);
  return isLoopback(config.HOST) && !somethingIsSetUp ? 'local' : 'nobody';
}

function wantsLogin({ OIDC_ISSUER, OIDC_PROVIDER }: AccessConfig): boolean {
  return OIDC_ISSUER !== undefined || OIDC_PROVIDER !== 'oidc';
}

function toLoginSettings(config: AccessConfig) {
  const publicUrl = config.PUBLIC_URL === undefined ? undefined : new URL(config.PUBLIC_URL);
  if (!wantsLogin(config)) return { publicUrl, login: undefined };
  const provider = config.OIDC_PROVIDER;
  const issuer = new URL(config.OIDC_ISSUER ?? 'https://github.com');
  const problems: string[] = [];
  if (publicUrl === undefined) problems.push('PUBLIC_URL: logging in needs the URL at which people open the page');
  for (const url of [issuer, publicUrl]) {
    if (url?.protocol === 'http:' && !isLoopback(url.hostname))
      problems.push(`${url === issuer ? 'OIDC_ISSUER' : 'PUBLIC_URL'}: logging in needs https beyond this machine`);
  }
  if (config.OIDC_CLIENT_ID === undefined)
    problems.push('OIDC_CLIENT_ID: logging in needs it; the provider gave it to you');
  if (config.OIDC_ADMINS.length + config.OIDC_READERS.length === 0)
    problems.push('OIDC_ADMINS, OIDC_READERS: nobody who logs in could do anything; name somebody in one of them');
  const clientSecret = readClientSecret(config, problems);
  if (problems.length > 0) throw new ConfigError(problems);
  const login: LoginSettings = {
    ...{ provider, issuer, clientSecret },
    clientId: config.OIDC_CLIENT_ID ?? '',
    scope: config.OIDC_SCOPE ?? (provider === 'github' ? 'read:user user:email' : 'openid email profile'),
    redirectUri: new URL('/v1/login/callback', publicUrl).href,
    admins: config.OIDC_ADMINS,
    readers: config.OIDC_READERS,
  };
  return { publicUrl, login };
}

function readClientSecret(config: AccessConfig, problems: string[]): string | undefined {
  if (config.OIDC_CLIENT_SECRET_FILE === undefined) return config.OIDC_CLIENT_SECRET;
  try {
    return readFileSync(config.OIDC_CLIENT_SECRET_FILE, 'utf8').trim();
  } catch (error) {
    problems.push(`OIDC_CLIENT_SECRET_FILE: cannot be read: ${messageOf(error)}`);
    return undefined;
  }
}

function isOrigin(text: string): boolean {
  return URL.canParse(text) && new URL(text).origin === text;
}

function isNetwork(text: string): boolean {
  return text === 'loopback' || ipaddr.isValid(text) || ipaddr.isValidCIDR(text);
}
