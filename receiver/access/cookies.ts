import type { CookieSerializeOptions } from '@fastify/cookie';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { AccessSettings } from './settings.ts';

const LOGIN_SECONDS = 600;

export interface Cookies {
  readSession(request: FastifyRequest): string | undefined;
  setSession(reply: FastifyReply, token: string): void;
  clearSession(reply: FastifyReply): void;
  readLogin(request: FastifyRequest): string | undefined;
  setLogin(reply: FastifyReply, value: string): void;
  clearLogin(reply: FastifyReply): void;
}

/**
 * The two cookies: who has logged in, and who is just about to. No script can read them, and no other site's page can send
 * them. With https they are `__Host-` cookies, which no neighbouring host can set (RFC 6265bis, 4.1.3).
 */
export function describeCookies({ publicUrl, sessionMs }: Pick<AccessSettings, 'publicUrl' | 'sessionMs'>): Cookies {
  const secure = publicUrl?.protocol === 'https:';
  const nameOf = (name: string) => `${secure ? '__Host-' : ''}faceflow_${name}`;
  const options: CookieSerializeOptions = { path: '/', httpOnly: true, sameSite: 'lax', secure };
  const [session, login] = [nameOf('session'), nameOf('login')];
  return {
    readSession: ({ cookies }) => cookies[session],
    setSession: (reply, token) => reply.setCookie(session, token, { ...options, maxAge: Math.round(sessionMs / 1000) }),
    clearSession: (reply) => reply.clearCookie(session, options),
    readLogin: ({ cookies }) => cookies[login],
    setLogin: (reply, value) => reply.setCookie(login, value, { ...options, maxAge: LOGIN_SECONDS }),
    clearLogin: (reply) => reply.clearCookie(login, options),
  };
}
