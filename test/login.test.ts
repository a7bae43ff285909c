import { createHash } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { type IncomingMessage, request, type ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import type { Browser, BrowserContext, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { chooseFreePort } from '../cli/free-port.ts';
import { openApiKeys } from '../lib/api-keys.ts';
import { type Database, openDatabase, type Row } from '../lib/database.ts';
import { inspectView } from './browser-checks.ts';
import { openTab } from './browser-services.ts';
import { type LocalServer, listenLocally, startOpenIdProvider } from './login-provider.ts';
import {
  createDatabase,
  createStreamName,
  findChromium,
  natsUrl,
  type RunningService,
  startService,
  type TestDatabase,
} from './servers.ts';
import { waitFor } from './wait-for.ts';

const installed = await findChromium();
const SECRET = 'the-secret-of-the-client-0123456789';

const accounts = {
  ada: { name: 'Ada Admin', email: 'Ada@Example.org', email_verified: true },
  rita: { name: 'Rita Reader', email: 'rita@example.org', email_verified: true, groups: ['staff', 'viewers'] },
  mallory: { name: 'Mallory', email: 'mallory@example.org', email_verified: true },
  // Says that she is Ada, which nobody has verified.
  eve: { name: 'Eve', email: 'ada@example.org', email_verified: false },
};

let folder: string;
let database: TestDatabase;
let db: Database;
const services: RunningService[] = [];
let receivers: RunningService[];

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'faceflow-login-'));
  database = await createDatabase();
  db = openDatabase(database.url);
});

afterAll(async () => {
  await Promise.all(services.map((service) => service.stop()));
  await db?.close();
  await database?.drop();
  await rm(folder, { recursive: true, force: true });
});

async function startReceiver(env: Record<string, string>): Promise<RunningService> {
  const shared = { MYSQL_URL: database.url, NATS_URL: natsUrl(), IMAGES_STREAM: createStreamName() };
  const receiver = await startService('receiver', { ...shared, IMAGE_ROOTS: folder, LOG_LEVEL: 'trace', ...env });
  services.push(receiver);
  return receiver;
}

describe.skipIf('skip' in installed)('with an OpenID provider, in a real browser', () => {
  let provider: LocalServer;
  let balancer: LocalServer;
  let browser: Browser;
  let context: BrowserContext;
  let page: Page;
  let address: string;

  beforeAll(async () => {
    const [issuerPort, pagePort] = [await chooseFreePort(), await chooseFreePort()];
    address = `http://127.0.0.1:${pagePort}`;
    provider = await startOpenIdProvider({
      ...{ port: issuerPort, clientSecret: SECRET, accounts },
      redirectUri: `${address}/v1/login/callback`,
    });
    const env = {
      PUBLIC_URL: address,
      OIDC_ISSUER: provider.url,
      OIDC_CLIENT_ID: 'faceflow',
      OIDC_CLIENT_SECRET: SECRET,
      OIDC_ADMINS: 'ada@example.org',
      OIDC_READERS: 'groups=viewers',
    };
    receivers = [await startReceiver(env), await startReceiver(env)];
    balancer = await balance(receivers.map(({ port }) => port));
    const frontend = { RECEIVER_URL: balancer.url, FRONTEND_PORT: String(pagePort) };
    services.push(await startService('frontend', frontend));
    ({ browser, context, page } = await openTab(installed));
  });

  afterAll(async () => {
    await browser?.close();
    await balancer?.stop();
    await provider?.stop();
  });

  /** Fills in the provider's own forms. */
  async function logInAs(name: string, tab = page): Promise<void> {
    await tab.getByRole('link', { name: /^Log in with/ }).click();
    await tab.locator('input[name=login]').fill(name);
    await tab.locator('input[name=password]').fill('whatever');
    await tab.locator('button[type=submit]').click();
    await tab.getByRole('button', { name: 'Continue' }).click();
  }

  /** The provider remembers who has logged in there, and the page who has here. */
  async function forgetEverybody(): Promise<void> {
    await context.clearCookies();
    await page.goto(address);
    await page.getByRole('heading', { name: 'Please log in' }).waitFor();
  }

  const sessionCookie = async () => (await context.cookies(address)).find(({ name }) => name === 'faceflow_session');
  const ask = (service: RunningService, path: string, cookie: string, init: RequestInit = {}) =>
    fetch(`http://127.0.0.1:${service.port}${path}`, { ...init, headers: { cookie, ...init.headers } });

  test('who is not known sees nothing but the way in; no photo, no name, no count', async () => {
    await page.goto(`${address}/?status=unknown`);
    await page.getByRole('heading', { name: 'Please log in' }).waitFor();
    expect(await page.locator('table').count()).toBe(0);
    expect(await page.getByRole('status').count()).toBe(0);
  });

  test('an admin logs in, comes back to where they were, and is named', async () => {
    await logInAs('ada');
    await page.getByText('Ada Admin').waitFor();
    expect(page.url()).toBe(`${address}/?status=unknown`);
    await page.getByRole('heading', { name: 'Nothing here' }).waitFor();
  });

  test('the cookie is out of the reach of scripts, and good at every receiver', async () => {
    const cookie = await sessionCookie();
    expect(cookie).toMatchObject({ httpOnly: true, sameSite: 'Lax', secure: false, path: '/' });
    expect(await page.evaluate('document.cookie')).toBe('');
    for (const receiver of receivers) {
      const answer = await ask(receiver, '/v1/session', `faceflow_session=${cookie?.value}`);
      expect(await answer.json()).toMatchObject({
        caller: { kind: 'user', id: `user:${provider.url}/#ada`, name: 'Ada Admin', roles: ['admin'] },
        login: { url: '/v1/login' },
      });
    }
    const [rows] = await db.query<Row[]>('SELECT * FROM sessions');
    expect(rows).toHaveLength(1);
    expect(JSON.stringify(rows)).not.toContain(cookie?.value);
    const others = (await context.cookies(address)).map(({ name }) => name).filter((name) => /^faceflow/.test(name));
    expect(others).toEqual(['faceflow_session']);
  });

  test('what changes something is believed from the own page only', async () => {
    const cookie = `faceflow_session=${(await sessionCookie())?.value}`;
    const body = JSON.stringify({ name: 'stolen', roles: ['admin'] });
    const [receiver] = receivers;
    if (receiver === undefined) throw new Error('no receiver');
    const bare = await ask(receiver, '/v1/keys', cookie, { method: 'POST', body });
    expect(bare.status).toBe(403);
    // Another port of the same host: to cookies the same site, so that they come along.
    const evil = await listenLocally((_, response) => {
      response.setHeader('content-type', 'text/html');
      response.end(
        `<form method=post enctype=text/plain action="${address}/v1/keys"><input name='{"x":"' value='"}'></form>`,
      );
    });
    onTestFinished(() => evil.stop());
    const tab = await context.newPage();
    await tab.goto(evil.url);
    const tries = ['no-cors', 'cors'].map((mode) => {
      const init = JSON.stringify({ method: 'POST', mode, credentials: 'include', body });
      return `fetch('${address}/v1/keys', ${init}).then((r) => r.type, (e) => 'refused')`;
    });
    for (const one of tries) expect(await tab.evaluate(one)).toMatch(/opaque|refused/);
    const withHeader = `fetch('${address}/v1/keys', { method: 'POST', credentials: 'include', headers: { 'x-faceflow-page': '1' } })`;
    expect(await tab.evaluate(`${withHeader}.then((r) => r.type, () => 'refused')`)).toBe('refused');
    const [posted] = await Promise.all([tab.waitForResponse(/v1\/keys/), tab.evaluate('document.forms[0].submit()')]);
    expect(posted.status()).toBe(403);
    await tab.close();
    expect((await openApiKeys(db).listKeys()).filter(({ name }) => name === 'stolen')).toEqual([]);
    const init = JSON.stringify({ method: 'POST', body, headers: { 'x-faceflow-page': '1' } });
    expect(await page.evaluate(`fetch('/v1/keys', ${init}).then((r) => r.status)`)).toBe(201);
  });

  test('logging out ends the session itself, not only the cookie', async () => {
    const cookie = `faceflow_session=${(await sessionCookie())?.value}`;
    await page.getByRole('button', { name: 'Log out' }).click();
    await page.getByRole('heading', { name: 'Please log in' }).waitFor();
    expect(await sessionCookie()).toBeUndefined();
    for (const receiver of receivers)
      await waitFor('the session to end', async () => (await ask(receiver, '/v1/stats', cookie)).status === 401);
    const [rows] = await db.query<Row[]>('SELECT * FROM sessions');
    expect(rows).toEqual([]);
  });

  test('a reader may look, and change nothing', async () => {
    await forgetEverybody();
    await logInAs('rita');
    await page.getByText('Rita Reader').waitFor();
    await page.getByRole('heading', { name: 'No photos yet' }).waitFor();
    const init = JSON.stringify({ method: 'POST', body: '{"name":"x"}', headers: { 'x-faceflow-page': '1' } });
    expect(await page.evaluate(`fetch('/v1/people', ${init}).then((r) => r.status)`)).toBe(403);
    expect(await page.evaluate(`fetch('/v1/keys').then((r) => r.status)`)).toBe(403);
  });

  test('whichever view is shown when a session ends, the way in takes its place, and leads back to it', async () => {
    await page.goto(`${address}/people?q=ada`);
    await page.getByRole('heading', { name: 'Nothing here' }).waitFor();
    await page.getByText('Rita Reader').waitFor();
    await inspectView(page, 'logged-in');
    await db.query('DELETE FROM sessions');
    await page.getByRole('heading', { name: 'Please log in' }).waitFor();
    expect(await page.getByText('Rita Reader').count()).toBe(0);
    expect(await page.getByRole('navigation').count()).toBe(0);
    await inspectView(page, 'log-in');
    await page.getByRole('button', { name: '简体中文' }).click();
    await page.getByRole('heading', { name: '请登录' }).waitFor();
    await page.getByRole('button', { name: 'English' }).click();
    const way = await page.getByRole('link', { name: /^Log in with/ }).getAttribute('href');
    expect(way).toBe(`/v1/login?${new URLSearchParams({ returnTo: '/people?q=ada' })}`);
  });

  test.each(['mallory', 'eve'])('%s, to whom nobody has given a role, is told so and kept out', async (name) => {
    await forgetEverybody();
    await logInAs(name);
    await page.getByRole('alert').filter({ hasText: 'nobody has given you access' }).waitFor();
    expect(await sessionCookie()).toBeUndefined();
  });

  test.each(['state', 'nonce', 'verifier'])('whoever comes back with another %s is not let in', async (part) => {
    await forgetEverybody();
    await page.getByRole('link', { name: /^Log in with/ }).click();
    await page.locator('input[name=login]').fill('ada');
    const cookie = (await context.cookies(address)).find((one) => one.name === 'faceflow_login');
    expect(cookie).toMatchObject({ httpOnly: true, sameSite: 'Lax' });
    const attempt = JSON.parse(Buffer.from(cookie?.value ?? '', 'base64url').toString());
    const other = { ...attempt, [part]: 'x'.repeat(43) };
    const value = Buffer.from(JSON.stringify(other)).toString('base64url');
    await context.addCookies([{ name: 'faceflow_login', value, url: address }]);
    await page.locator('input[name=password]').fill('whatever');
    await page.locator('button[type=submit]').click();
    await page.getByRole('button', { name: 'Continue' }).click();
    await page.getByRole('alert').filter({ hasText: 'did not work' }).waitFor();
    expect(await sessionCookie()).toBeUndefined();
  });

  test('the description of the API is shown, with nothing that its policy forbids', async () => {
    const tab = await context.newPage();
    onTestFinished(() => tab.close());
    const complaints: string[] = [];
    tab.on('console', (message) => message.type() === 'error' && complaints.push(message.text()));
    await tab.goto(`http://127.0.0.1:${receivers[0]?.port}/docs/`);
    await tab.getByText('Submit one photo').waitFor();
    expect(complaints).toEqual([]);
  });

  test('nobody is led to another site afterwards', async () => {
    for (const returnTo of [
      'https://evil.example/',
      '//evil.example',
      '/\\evil.example',
      'javascript:alert(1)',
      '/%0d%0aSet-Cookie:x',
    ]) {
      const answer = await fetch(`${address}/v1/login?${new URLSearchParams({ returnTo })}`, { redirect: 'manual' });
      const [, value = ''] = /faceflow_login=([^;]+)/.exec(answer.headers.get('set-cookie') ?? '') ?? [];
      const attempt = JSON.parse(Buffer.from(value, 'base64url').toString());
      expect(new URL(attempt.returnTo, address).origin).toBe(address);
      expect(attempt.returnTo).toMatch(/^\/(?![/\\])/);
    }
  });

  test('no secret, code, cookie or token is in any log', async () => {
    const log = services.map((service) => service.log()).join('\n');
    expect(log).toContain('logged in');
    expect(log).not.toContain(SECRET);
    expect(log).not.toMatch(/faceflow_(session|login)=|code=|code_verifier|eyJ[A-Za-z0-9_-]{10,}/);
  });
});

describe('with GitHub, which speaks OAuth 2 only', () => {
  test('somebody with a verified address logs in; one that is not verified counts for nothing', async () => {
    const github = await startGithubLike();
    onTestFinished(() => github.stop());
    const env = {
      ...{ OIDC_PROVIDER: 'github', OIDC_ISSUER: github.url, PUBLIC_URL: 'http://127.0.0.1:8081' },
      ...{ OIDC_CLIENT_ID: 'faceflow', OIDC_CLIENT_SECRET: SECRET },
    };
    const logIn = async (rules: Record<string, string>) => {
      const receiver = await startReceiver({ ...env, ...rules });
      const own = `http://127.0.0.1:${receiver.port}`;
      const begun = await fetch(`${own}/v1/login`, { redirect: 'manual' });
      const there = await fetch(begun.headers.get('location') ?? '', { redirect: 'manual' });
      const back = new URL(there.headers.get('location') ?? '');
      const cookie = begun.headers.get('set-cookie')?.split(';')[0] ?? '';
      const done = await fetch(`${own}${back.pathname}${back.search}`, { redirect: 'manual', headers: { cookie } });
      const [session] = /faceflow_session=[^;]+/.exec(done.headers.get('set-cookie') ?? '') ?? [];
      const asked = await fetch(`${own}/v1/session`, { headers: { cookie: session ?? '' } });
      return { to: done.headers.get('location'), caller: ((await asked.json()) as { caller: unknown }).caller };
    };
    const [octo, unverified] = await Promise.all([
      logIn({ OIDC_ADMINS: 'octo@example.org' }),
      logIn({ OIDC_ADMINS: 'unverified@example.org', OIDC_READERS: 'login=somebody-else' }),
    ]);
    expect(octo).toEqual({
      to: '/',
      caller: { kind: 'user', id: `user:${github.url}/#583231`, name: 'The Octocat', roles: ['admin'] },
    });
    expect(unverified).toEqual({ to: '/?login=refused', caller: null });
  });

  test('while the provider is away people are told, and the receiver goes on', async () => {
    const receiver = await startReceiver({
      OIDC_ISSUER: `http://127.0.0.1:${await chooseFreePort()}`,
      ...{ OIDC_CLIENT_ID: 'faceflow', OIDC_ADMINS: '*', PUBLIC_URL: 'http://127.0.0.1:8081' },
    });
    const answer = await fetch(`http://127.0.0.1:${receiver.port}/v1/login`, { redirect: 'manual' });
    expect(answer.status).toBe(302);
    expect(answer.headers.get('location')).toBe('/?login=unavailable');
    const stray = await fetch(`http://127.0.0.1:${receiver.port}/v1/login/callback?code=x&state=y`, {
      redirect: 'manual',
    });
    expect(stray.headers.get('location')).toBe('/?login=failed');
    expect((await fetch(`http://127.0.0.1:${receiver.port}/v1/stats`)).status).toBe(401);
  });
});

/** Each request goes to the next receiver. */
function balance(ports: readonly number[]): Promise<LocalServer> {
  let turn = 0;
  return listenLocally((incoming, outgoing) => {
    const { url = '/', method = 'GET', headers } = incoming;
    const port = ports[turn++ % ports.length];
    const passed = request({ host: '127.0.0.1', port, path: url, method, headers }, (answer) => {
      outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(outgoing);
    });
    passed.on('error', () => outgoing.destroy());
    incoming.pipe(passed);
  });
}

/** As GitHub Enterprise Server answers (https://docs.github.com/apps/oauth-apps): no discovery, no ID token. */
function startGithubLike(): Promise<LocalServer> {
  const challenges = new Map<string, string>();
  const json = (response: ServerResponse, body: unknown) => {
    response.setHeader('content-type', 'application/json; charset=utf-8').end(JSON.stringify(body));
  };
  const authorize = (query: URLSearchParams, response: ServerResponse) => {
    const code = `code-${challenges.size}`;
    challenges.set(code, query.get('code_challenge') ?? '');
    const back = new URL(query.get('redirect_uri') ?? '');
    back.search = String(new URLSearchParams({ code, state: query.get('state') ?? '' }));
    response.writeHead(302, { location: back.href }).end();
  };
  const exchange = async (incoming: IncomingMessage, response: ServerResponse) => {
    const form = new URLSearchParams(await text(incoming));
    const proof = createHash('sha256')
      .update(form.get('code_verifier') ?? '')
      .digest('base64url');
    const good = proof === challenges.get(form.get('code') ?? '') && form.get('client_secret') === SECRET;
    // GitHub answers errors with 200.
    const granted = { access_token: 'gho_x', scope: 'read:user', token_type: 'bearer' };
    json(response, good ? granted : { error: 'bad_verification_code' });
  };
  const things: Record<string, unknown> = {
    '/api/v3/user': { id: 583_231, login: 'octocat', name: 'The Octocat', email: null },
    '/api/v3/user/emails': [
      { email: 'Octo@example.org', verified: true, primary: true },
      { email: 'unverified@example.org', verified: false, primary: false },
    ],
  };
  return listenLocally(async (incoming, response) => {
    const { pathname, searchParams } = new URL(incoming.url ?? '/', 'http://github');
    if (pathname === '/login/oauth/authorize') authorize(searchParams, response);
    else if (pathname === '/login/oauth/access_token') await exchange(incoming, response);
    else if (incoming.headers.authorization?.toLowerCase() === 'bearer gho_x') json(response, things[pathname]);
    else response.writeHead(401).end();
  });
}
