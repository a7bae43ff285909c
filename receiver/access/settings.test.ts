import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { FastifyReply } from 'fastify';
import { expect, onTestFinished, test } from 'vitest';
import { commonKeys, readEnv } from '../../lib/env.ts';
import { describeCookies } from './cookies.ts';
import { accessKeys, toAccessSettings } from './settings.ts';

const load = (env: Record<string, string>) => toAccessSettings(readEnv(env, { ...commonKeys, ...accessKeys }));
const login = {
  ...{ PUBLIC_URL: 'https://faces.example.org', OIDC_ISSUER: 'https://idp.example.org', OIDC_CLIENT_ID: 'faceflow' },
  OIDC_ADMINS: 'ada@example.org',
};

test.each([
  [{}, 'local'],
  [{ HOST: 'localhost' }, 'local'],
  [{ HOST: '::1' }, 'local'],
  [{ HOST: '0.0.0.0' }, 'nobody'],
  [{ HOST: '::' }, 'nobody'],
  [{ HOST: '192.168.1.2' }, 'nobody'],
  [{ HOST: 'faceflow' }, 'nobody'],
  [{ ADMIN_KEY_HASH: 'a'.repeat(64) }, 'nobody'],
  [login, 'nobody'],
  [{ ALLOW_ANONYMOUS: 'false' }, 'nobody'],
  [{ ALLOW_ANONYMOUS: 'true' }, 'everybody'],
  [{ ALLOW_ANONYMOUS: 'true', HOST: '0.0.0.0' }, 'everybody'],
])('with %j %s may come without saying who they are', (env, expected) => {
  expect(load(env as Record<string, string>).anonymous).toBe(expected);
});

test('logging in: where it leads back to, and what is asked for', () => {
  expect(load(login).login).toMatchObject({
    redirectUri: 'https://faces.example.org/v1/login/callback',
    scope: 'openid email profile',
    clientSecret: undefined,
  });
  const { OIDC_ISSUER: _, ...withoutIssuer } = login;
  const github = load({ ...withoutIssuer, OIDC_PROVIDER: 'github' }).login;
  expect(github).toMatchObject({ issuer: new URL('https://github.com'), scope: 'read:user user:email' });
});

test('the secret may lie in a file', () => {
  const folder = mkdtempSync(join(tmpdir(), 'faceflow-secret-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  writeFileSync(join(folder, 'secret'), 'hush\n');
  expect(load({ ...login, OIDC_CLIENT_SECRET_FILE: join(folder, 'secret') }).login?.clientSecret).toBe('hush');
  expect(() => load({ ...login, OIDC_CLIENT_SECRET_FILE: join(folder, 'none') })).toThrow(/OIDC_CLIENT_SECRET_FILE/);
});

test.each([
  [{ OIDC_ADMINS: '' }, /nobody who logs in could do anything/],
  [{ OIDC_CLIENT_ID: '' }, /OIDC_CLIENT_ID/],
  [{ PUBLIC_URL: '' }, /PUBLIC_URL/],
  [{ PUBLIC_URL: 'http://faces.example.org' }, /PUBLIC_URL.*https/],
  [{ OIDC_ISSUER: 'http://idp.example.org' }, /OIDC_ISSUER.*https/],
  [{ OIDC_READERS: 'ada' }, /OIDC_READERS: expected email addresses/],
  [{ CORS_ORIGINS: '*' }, /CORS_ORIGINS/],
  [{ CORS_ORIGINS: 'https://app.example.org/' }, /CORS_ORIGINS/],
  [{ TRUSTED_PROXIES: '10.0.0.0/40' }, /TRUSTED_PROXIES/],
  [{ ALLOW_ANONYMOUS: 'yes' }, /ALLOW_ANONYMOUS: expected true or false/],
])('%j is refused', (env, problem) => {
  expect(() => load({ ...login, ...env } as Record<string, string>)).toThrow(problem);
});

test('a key in place of its hash is refused, and not repeated', () => {
  const key = `ff_${'k'.repeat(43)}`;
  expect(() => load({ ADMIN_KEY_HASH: key })).toThrow(/ADMIN_KEY_HASH: expected the SHA-256 [^k]*key[^k]*$/);
});

test('cookies: out of the reach of scripts and other sites, and bound to https where there is', () => {
  const setWith = (publicUrl: string | undefined) => {
    const set: unknown[] = [];
    const reply = { setCookie: (...given: unknown[]) => set.push(given) } as unknown as FastifyReply;
    describeCookies({ publicUrl: publicUrl ? new URL(publicUrl) : undefined, sessionMs: 3_600_000 }).setSession(
      reply,
      't',
    );
    return set;
  };
  const options = { path: '/', httpOnly: true, sameSite: 'lax', maxAge: 3600 };
  expect(setWith('https://faces.example.org')).toEqual([
    ['__Host-faceflow_session', 't', { ...options, secure: true }],
  ]);
  expect(setWith('http://127.0.0.1:8081')).toEqual([['faceflow_session', 't', { ...options, secure: false }]]);
});
