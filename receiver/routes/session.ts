import type { FastifyRequest } from 'fastify';
import { z } from 'zod';
import { KEY_ROLES } from '../../lib/api-keys.ts';
import { messageOf } from '../../lib/errors.ts';
import type { LoginAttempt, LoginProvider } from '../access/login-provider.ts';
import type { AccessControl } from '../access/open-access.ts';
import { rolesOfPerson } from '../access/person-roles.ts';
import type { App } from '../app.ts';
import { errorReplySchema, HttpError } from '../errors.ts';

const attemptSchema = z.object({
  state: z.string().min(20),
  nonce: z.string().min(20),
  verifier: z.string().min(20),
  returnTo: z.string(),
});

export const sessionSchema = z.object({
  caller: z
    .object({
      kind: z.enum(['local', 'key', 'user']),
      id: z.string(),
      name: z.string(),
      roles: z.array(z.enum(KEY_ROLES)),
    })
    .nullable()
    .describe('Null: nobody is known by this request.'),
  login: z.object({ provider: z.string(), url: z.string() }).nullable().describe('Null: nobody can log in here.'),
});

/** What the page says when logging in has not worked. */
type LoginTrouble = 'refused' | 'failed' | 'unavailable';

/** Logging in and out in a browser, with OpenID Connect or OAuth 2, through the page's own origin. */
export function addSessionRoutes(app: App, { access }: { access: AccessControl }): void {
  addSessionRoute(app, access);
  addLoginRoutes(app, access);
  addLogoutRoute(app, access);
}

function addSessionRoute(app: App, { provider }: AccessControl): void {
  app.get(
    '/v1/session',
    {
      schema: {
        summary: 'Who am I?',
        tags: ['access'],
        response: { 200: sessionSchema, '4xx': errorReplySchema },
      },
    },
    async ({ caller: { kind, id, name, roles } }) => {
      return {
        caller: roles.length === 0 ? null : { kind, id, name, roles: [...roles] },
        login: provider === undefined ? null : { provider: provider.name, url: '/v1/login' },
      };
    },
  );
}

function addLoginRoutes(app: App, access: AccessControl): void {
  const { provider, cookies } = access;
  app.get(
    '/v1/login',
    {
      schema: {
        summary: 'Log in: leads a browser to the provider, and from there back to the page',
        tags: ['access'],
        querystring: z.object({ returnTo: z.string().max(500).optional().describe('A path of the page.') }),
        response: { 302: z.null(), '4xx': errorReplySchema },
      },
    },
    async (request, reply) => {
      const { url, attempt } = await needed(provider)
        .begin(ownPath(request.query.returnTo))
        .catch((error: unknown) => {
          request.log.warn({ reason: messageOf(error) }, 'the login provider does not answer');
          return { url: troublePage('unavailable'), attempt: undefined };
        });
      if (attempt) cookies.setLogin(reply, Buffer.from(JSON.stringify(attempt)).toString('base64url'));
      return reply.header('cache-control', 'no-store').redirect(String(url));
    },
  );

  app.get(
    '/v1/login/callback',
    {
      schema: {
        summary: 'Where the provider leads back to',
        tags: ['access'],
        response: { 302: z.null(), '4xx': errorReplySchema },
      },
    },
    async (request, reply) => {
      const query = new URL(request.url, 'http://receiver').searchParams;
      cookies.clearLogin(reply);
      const attempt = readAttempt(cookies.readLogin(request));
      const result = await finishLogin(request, query, attempt, access);
      if (typeof result === 'object') cookies.setSession(reply, result.token);
      const to = typeof result === 'object' ? ownPath(attempt?.returnTo) : troublePage(result);
      return reply.header('cache-control', 'no-store').redirect(to);
    },
  );
}

async function finishLogin(
  request: FastifyRequest,
  query: URLSearchParams,
  attempt: LoginAttempt | undefined,
  { provider, sessions, settings, cookies }: AccessControl,
): Promise<{ token: string } | LoginTrouble> {
  const { login, sessionMs } = settings;
  if (attempt === undefined || login === undefined) return 'failed';
  try {
    const identity = await needed(provider).finish(query, attempt);
    const caller = `user:${identity.issuer}#${identity.subject}`;
    const roles = rolesOfPerson(identity, login);
    request.log.info({ caller, roles }, roles.length > 0 ? 'logged in' : 'has no role, and was not logged in');
    if (roles.length === 0) return 'refused';
    const before = cookies.readSession(request);
    if (before !== undefined) await sessions.removeSession(before);
    return { token: await sessions.addSession(identity, sessionMs) };
  } catch (error) {
    // Without the error itself: its cause may hold a code or a token.
    request.log.warn({ reason: messageOf(error), code: (error as { code?: unknown }).code }, 'a login failed');
    return 'failed';
  }
}

function addLogoutRoute(app: App, { cookies, sessions, callers }: AccessControl): void {
  app.post(
    '/v1/logout',
    { schema: { summary: 'Log out', tags: ['access'], response: { 204: z.null(), '4xx': errorReplySchema } } },
    async (request, reply) => {
      const secret = cookies.readSession(request);
      if (secret !== undefined) {
        await sessions.removeSession(secret);
        callers.forget({ kind: 'session', secret });
        request.log.info({ caller: request.caller.id }, 'logged out');
      }
      cookies.clearSession(reply);
      return reply.status(204).send(null);
    },
  );
}

function needed(provider: LoginProvider | undefined): LoginProvider {
  if (provider === undefined)
    throw new HttpError(404, 'login_not_set_up', 'Nobody can log in here: OIDC_ISSUER is not set.');
  return provider;
}

function readAttempt(cookie: string | undefined): LoginAttempt | undefined {
  try {
    return attemptSchema.parse(JSON.parse(Buffer.from(cookie ?? '', 'base64url').toString()));
  } catch {
    return undefined;
  }
}

/** A path of the page, whatever was asked for: nobody is led to another site. */
function ownPath(path: string | undefined): string {
  const base = 'http://page';
  if (path === undefined || !URL.canParse(path, base)) return '/';
  const { origin, pathname, search, hash } = new URL(path, base);
  return origin === base ? `/${`${pathname}${search}${hash}`.replace(/^[/\\]+/, '')}` : '/';
}

function troublePage(trouble: LoginTrouble): string {
  return `/?login=${trouble}`;
}
