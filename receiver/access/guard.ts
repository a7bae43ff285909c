import cors from '@fastify/cors';
import helmet from '@fastify/helmet';
import rateLimit from '@fastify/rate-limit';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Caller } from '../caller.ts';
import { HttpError } from '../errors.ts';
import type { Cookies } from './cookies.ts';
import type { Callers, Credential } from './find-caller.ts';
import { type Access, accessOf, mayCall } from './route-roles.ts';
import { isCrossSite, isForeignName, isFromThisMachine } from './same-site.ts';
import type { AccessSettings } from './settings.ts';

export interface GuardOptions {
  readonly settings: AccessSettings;
  readonly callers: Callers;
  readonly cookies: Cookies;
}

/** Must come with what changes something for somebody known by a cookie: a page of another site cannot set it. */
export const CSRF_HEADER = 'x-faceflow-page';

const LOCAL: Caller = { kind: 'local', id: 'local', name: 'local', roles: ['admin'] };
/** At a route that is open to everybody. */
const NOBODY: Caller = { kind: 'local', id: 'local', name: 'nobody', roles: [] };
/** How often it is asked whether who listens to a stream still may, ms. */
const ASK_AGAIN_MS = 2_000;
const SAFE_METHODS = new Set(['GET', 'HEAD', 'OPTIONS']);
/** What a page of another origin may read of an answer beside its body. */
const EXPOSED_HEADERS = ['Allow', 'Idempotent-Replayed', 'Retry-After', 'X-Request-Id', 'X-Trace-Id'];
/** How long a browser need not ask again whether such a page may ask. */
const PREFLIGHT_SECONDS = 600;
const YEAR_SECONDS = 31_536_000;

declare module 'fastify' {
  interface FastifyContextConfig {
    /** The answer goes on for as long as the client likes: it ends when its caller may not ask any more. */
    staysOpen?: boolean;
    /** Exists only to say that the method is not possible. */
    wrongMethod?: boolean;
  }
}

/**
 * Stands before every route: the security headers, then how much a caller may ask, who it is, whether a page of another
 * site is behind it, and whether they may. Register before the routes.
 */
export async function guardRoutes(app: FastifyInstance, options: GuardOptions): Promise<void> {
  const { settings } = options;
  await app.register(helmet, describeHeaders(settings));
  if (settings.corsOrigins.length > 0) {
    // Without credentials: such pages come with a key, never with the cookie of whoever looks at them.
    const methods = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE'];
    const options = {
      origin: [...settings.corsOrigins],
      methods,
      exposedHeaders: EXPOSED_HEADERS,
      maxAge: PREFLIGHT_SECONDS,
    };
    await app.register(cors, options);
  }
  await app.register(rateLimit, { global: false });
  const limit = createLimit(app, options);
  const trusted = new Set([...settings.corsOrigins, ...(settings.publicUrl ? [settings.publicUrl.origin] : [])]);

  app.addHook('onRequest', async (request, reply) => {
    request.caller = NOBODY;
    const { routeOptions, method, url } = request;
    await limit(request);
    // There is nothing there, or nothing that could be done: the answer says so to everybody.
    if (routeOptions.url === undefined || routeOptions.config.wrongMethod) return;
    const access = accessOf(method, routeOptions.url);
    const credential = readCredential(request, options);
    // Health must be told while the database is away, and what is the same for everybody asks for nobody.
    if (access === 'open' && !url.startsWith('/v1/')) return;
    request.caller = await findCaller(request, credential, options);
    if (request.caller.kind !== 'key') assertOwnPage(request, trusted, settings);
    assertMayCall(request.caller, access, settings);
    if (routeOptions.config.staysOpen && credential !== undefined) endWhenRevoked(reply, credential, access, options);
  });
}

/** The key of the header; the cookie only where there is none. @throws HttpError `key_invalid` */
function readCredential(request: FastifyRequest, { cookies, settings }: GuardOptions): Credential | undefined {
  const { authorization } = request.headers;
  if (authorization !== undefined) {
    const [, secret] = /^Bearer +(\S+)$/i.exec(authorization) ?? [];
    if (secret === undefined) throw keyInvalid();
    return { kind: 'key', secret };
  }
  const secret = settings.login === undefined ? undefined : cookies.readSession(request);
  return secret === undefined ? undefined : { kind: 'session', secret };
}

function keyInvalid(): HttpError {
  return new HttpError(401, 'key_invalid', 'This key is not known, has expired, or was revoked.');
}

/** Of everybody who is known, by who they are; of everybody else by address: guessing at keys counts there. */
function createLimit(app: FastifyInstance, options: GuardOptions) {
  const { settings, callers } = options;
  const check = app.createRateLimit({
    max: settings.ratePerMinute,
    timeWindow: 60_000,
    keyGenerator: (request) => {
      const credential = readCredential(request as FastifyRequest, options);
      return (credential && callers.remember(credential)?.id) ?? `from ${request.ip}`;
    },
  });
  return async (request: FastifyRequest): Promise<void> => {
    if (settings.ratePerMinute === 0) return;
    // Whoever sits at this machine can do worse than ask often.
    if (settings.anonymous === 'local' && isFromThisMachine(request.socket.remoteAddress, request.headers)) return;
    const result = await check(request);
    if (result.isAllowed || !result.isExceeded) return;
    const message = `More than ${settings.ratePerMinute} requests in a minute. Wait, and send many photos in one request.`;
    const retryAfterSeconds = Math.max(1, result.ttlInSeconds);
    throw new HttpError(429, 'rate_limited', message, { retryAfterSeconds, retryable: true });
  };
}

async function findCaller(
  request: FastifyRequest,
  credential: Credential | undefined,
  { settings, callers }: GuardOptions,
): Promise<Caller> {
  const found = credential && (callers.remember(credential) ?? (await callers.find(credential)));
  if (found) return found;
  // A key that is not good is a mistake that must be noticed; a cookie only gets old.
  if (credential?.kind === 'key') throw keyInvalid();
  const local = () => isFromThisMachine(request.socket.remoteAddress, request.headers);
  const anonymous = settings.anonymous === 'everybody' || (settings.anonymous === 'local' && local());
  return anonymous ? LOCAL : NOBODY;
}

/** @throws HttpError when a browser has sent this because of some other site's page */
function assertOwnPage(request: FastifyRequest, trusted: ReadonlySet<string>, settings: AccessSettings): void {
  const { caller, headers, method } = request;
  if (isCrossSite(method, headers, trusted)) {
    throw new HttpError(403, 'cross_site', 'This was sent by a page of another site. Call with an API key instead.');
  }
  if (caller.kind === 'local' && caller.roles.length > 0 && isForeignName(headers, settings.publicUrl?.host)) {
    const message =
      'This name is not known to be this server. Set PUBLIC_URL to where the page is opened, or use an IP address.';
    throw new HttpError(403, 'host_not_allowed', message);
  }
  if (caller.kind === 'user' && !SAFE_METHODS.has(method) && headers[CSRF_HEADER] === undefined) {
    throw new HttpError(403, 'cross_site', `Requests that change something need the header ${CSRF_HEADER}.`);
  }
}

function assertMayCall(caller: Caller, access: Access, { login }: AccessSettings): void {
  if (mayCall(access, caller.roles)) return;
  if (caller.roles.length === 0) {
    const ways = `Authorization: Bearer ff_… (see faceflow keys)${login === undefined ? '' : ', or log in'}`;
    throw new HttpError(401, 'not_authenticated', `Say who you are: ${ways}.`);
  }
  const needed = access === 'open' || access.includes('admin') ? 'admin' : [...access, 'admin'].join(' or ');
  throw new HttpError(403, 'not_allowed', `${caller.name} may not do this: it needs the role ${needed}.`);
}

function endWhenRevoked(reply: FastifyReply, credential: Credential, access: Access, { callers }: GuardOptions): void {
  const asking = setInterval(async () => {
    // While the database cannot be asked, what was allowed goes on.
    const caller = callers.remember(credential) ?? (await callers.find(credential).catch(() => undefined));
    if (caller === null || (caller !== undefined && !mayCall(access, caller.roles))) reply.raw.destroy();
  }, ASK_AGAIN_MS);
  reply.raw.once('close', () => clearInterval(asking));
}

/** What the receiver hands out is data: whatever it turns out to be, opened by itself it may not do anything. */
function describeHeaders({ publicUrl }: AccessSettings) {
  return {
    contentSecurityPolicy: {
      useDefaults: false,
      directives: {
        defaultSrc: ["'none'"],
        imgSrc: ["'self'"],
        styleSrc: ["'unsafe-inline'"],
        frameAncestors: ["'none'"],
        sandbox: [],
      },
    },
    frameguard: { action: 'deny' as const },
    referrerPolicy: { policy: 'no-referrer' as const },
    strictTransportSecurity:
      publicUrl?.protocol === 'https:' ? { maxAge: YEAR_SECONDS, includeSubDomains: false } : false,
  };
}
