import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Provider } from 'oidc-provider';

export interface LocalServer {
  readonly url: string;
  stop(): Promise<void>;
}

export async function listenLocally(listener: RequestListener, port = 0): Promise<LocalServer> {
  const server: Server = createServer(listener);
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

/** What the provider says of whoever logs in under a name; any password will do. */
export type Accounts = Readonly<Record<string, Readonly<Record<string, unknown>>>>;

/**
 * A real OpenID provider (certified, https://github.com/panva/node-oidc-provider) with its own forms to log in. It insists
 * on PKCE and on the client's secret.
 */
export async function startOpenIdProvider(options: {
  readonly port: number;
  readonly redirectUri: string;
  readonly clientSecret: string;
  readonly accounts: Accounts;
}): Promise<LocalServer> {
  const issuer = `http://127.0.0.1:${options.port}`;
  const provider = new Provider(issuer, {
    clients: [{ client_id: 'faceflow', client_secret: options.clientSecret, redirect_uris: [options.redirectUri] }],
    pkce: { required: () => true },
    claims: { openid: ['sub'], email: ['email', 'email_verified'], profile: ['name', 'groups'] },
    cookies: { keys: ['only for this test'] },
    findAccount: (_context, id) => {
      const claims = options.accounts[id];
      return claims && { accountId: id, claims: () => ({ sub: id, ...claims }) };
    },
  });
  const answer = provider.callback();
  return listenLocally((request, response) => void answer(request, response), options.port);
}
