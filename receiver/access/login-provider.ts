import * as oauth from 'openid-client';
import type { Identity } from '../../lib/sessions.ts';
import { claimsOfRules, VERIFIED_EMAIL } from './person-roles.ts';
import type { LoginSettings } from './settings.ts';

/** What must be remembered between the way to the provider and the way back, in the browser that went. */
export interface LoginAttempt {
  readonly state: string;
  readonly nonce: string;
  /** PKCE (RFC 7636). */
  readonly verifier: string;
  /** A path of the page. */
  readonly returnTo: string;
}

export interface LoginProvider {
  /** For people to read. */
  readonly name: string;
  /** Where to send the browser. @throws when the provider does not answer */
  begin(returnTo: string): Promise<{ url: URL; attempt: LoginAttempt }>;
  /** Who has come back, with the query that they brought. @throws when it is not what the attempt began, or refused */
  finish(query: URLSearchParams, attempt: LoginAttempt): Promise<Identity>;
}

type Claims = Readonly<Record<string, unknown>>;

const TIMEOUT_SECONDS = 10;

/** Nothing is asked before somebody logs in: a provider that is away keeps no receiver from starting. */
export function openLoginProvider(settings: LoginSettings): LoginProvider {
  const { provider, issuer, redirectUri, scope } = settings;
  let configured: Promise<oauth.Configuration> | undefined;
  const configure = async () => {
    configured ??= provider === 'github' ? Promise.resolve(configureGithub(settings)) : discover(settings);
    try {
      return await configured;
    } catch (error) {
      configured = undefined;
      throw error;
    }
  };
  return {
    name: provider === 'github' ? 'GitHub' : issuer.host,

    async begin(returnTo) {
      const attempt = {
        state: oauth.randomState(),
        nonce: oauth.randomNonce(),
        verifier: oauth.randomPKCECodeVerifier(),
        returnTo,
      };
      const url = oauth.buildAuthorizationUrl(await configure(), {
        redirect_uri: redirectUri,
        scope,
        state: attempt.state,
        code_challenge: await oauth.calculatePKCECodeChallenge(attempt.verifier),
        code_challenge_method: 'S256',
        ...(provider === 'oidc' ? { nonce: attempt.nonce } : {}),
      });
      return { url, attempt };
    },

    async finish(query, { state, nonce, verifier }) {
      const configuration = await configure();
      const tokens = await oauth.authorizationCodeGrant(configuration, new URL(`${redirectUri}?${query}`), {
        expectedState: state,
        pkceCodeVerifier: verifier,
        ...(provider === 'oidc' ? { expectedNonce: nonce, idTokenExpected: true } : {}),
      });
      const claims =
        provider === 'github'
          ? await askGithub(configuration, issuer, tokens.access_token)
          : await readClaims(configuration, tokens);
      return toIdentity(claims, settings);
    },
  };
}

async function discover(settings: LoginSettings): Promise<oauth.Configuration> {
  const { issuer, clientId, clientSecret } = settings;
  return oauth.discovery(issuer, clientId, undefined, authenticate(clientSecret), {
    timeout: TIMEOUT_SECONDS,
    execute: issuer.protocol === 'http:' ? [oauth.allowInsecureRequests] : [],
  });
}

/** GitHub, and GitHub Enterprise Server, speak OAuth 2 without OpenID Connect: nothing to discover, and no ID token. */
function configureGithub({ issuer, clientId, clientSecret }: LoginSettings): oauth.Configuration {
  const server = {
    issuer: issuer.origin,
    authorization_endpoint: new URL('/login/oauth/authorize', issuer).href,
    token_endpoint: new URL('/login/oauth/access_token', issuer).href,
  };
  const configuration = new oauth.Configuration(server, clientId, undefined, oauth.ClientSecretPost(clientSecret));
  configuration.timeout = TIMEOUT_SECONDS;
  if (issuer.protocol === 'http:') oauth.allowInsecureRequests(configuration);
  return configuration;
}

/** As the provider takes it; where it does not say, OpenID Connect Discovery means client_secret_basic. */
function authenticate(secret: string | undefined): oauth.ClientAuth {
  if (secret === undefined) return oauth.None();
  const [basic, post] = [oauth.ClientSecretBasic(secret), oauth.ClientSecretPost(secret)];
  return (server, ...rest) => {
    const methods = server.token_endpoint_auth_methods_supported ?? ['client_secret_basic'];
    return (methods.includes('client_secret_basic') ? basic : post)(server, ...rest);
  };
}

/** Some claims (groups, often the address) stand in the userinfo only. */
async function readClaims(
  configuration: oauth.Configuration,
  tokens: oauth.TokenEndpointResponse & oauth.TokenEndpointResponseHelpers,
): Promise<Claims> {
  const claims = tokens.claims();
  if (claims === undefined) throw new Error('The provider sent no ID token.');
  if (configuration.serverMetadata().userinfo_endpoint === undefined) return claims;
  return { ...(await oauth.fetchUserInfo(configuration, tokens.access_token, claims.sub)), ...claims };
}

/** GitHub's user, as claims; `login` can be given to somebody else one day, `sub` and a verified address cannot. */
async function askGithub(configuration: oauth.Configuration, issuer: URL, token: string): Promise<Claims> {
  const api = issuer.hostname === 'github.com' ? 'https://api.github.com' : `${issuer.origin}/api/v3`;
  const ask = async (path: string): Promise<unknown> => {
    const headers = new Headers({ accept: 'application/vnd.github+json', 'user-agent': 'faceflow' });
    const url = new URL(`${api}${path}`);
    const response = await oauth.fetchProtectedResource(configuration, token, url, 'GET', null, headers);
    if (!response.ok) throw new Error(`GitHub answers ${response.status} to ${path}.`);
    return response.json();
  };
  const user = (await ask('/user')) as { id: number; login: string; name: string | null };
  const emails = (await ask('/user/emails')) as { email: string; verified: boolean }[];
  return {
    sub: String(user.id),
    login: user.login,
    name: user.name ?? user.login,
    [VERIFIED_EMAIL]: emails.filter(({ verified }) => verified).map(({ email }) => email.toLowerCase()),
  };
}

function toIdentity(claims: Claims, { issuer, admins, readers }: LoginSettings): Identity {
  const verified =
    claims.email_verified === true && typeof claims.email === 'string' ? [claims.email.toLowerCase()] : [];
  const all: Claims = { [VERIFIED_EMAIL]: verified, ...claims };
  const kept = claimsOfRules([...admins, ...readers]).map((claim) => [claim, toTexts(all[claim])] as const);
  const name = [claims.name, claims.email, claims.preferred_username, claims.sub].find(
    (value) => typeof value === 'string' && value !== '',
  );
  return { issuer: issuer.href, subject: String(claims.sub), name: String(name), claims: Object.fromEntries(kept) };
}

function toTexts(value: unknown): string[] {
  return [value]
    .flat()
    .flatMap((one) => (one === undefined || one === null || typeof one === 'object' ? [] : [String(one)]));
}
