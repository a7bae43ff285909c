import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';

export interface TakenMessage {
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

export interface WebhookTarget {
  /** `127.0.0.1:port` */
  readonly host: string;
  /** Everything that came, whatever was answered. */
  readonly messages: TakenMessage[];
  /** Those of one path. */
  to(path: string): TakenMessage[];
  /** What a path answers from now on. */
  behave(path: string, behaviour: Behaviour): void;
  close(): Promise<void>;
}

/** @param nth how many came to this path before */
export type Behaviour = (response: ServerResponse, nth: number, request: IncomingMessage) => void;

const TAKE: Behaviour = (response) => response.writeHead(204).end();

/** A server that webhooks are sent to; each path answers as it is told, by default 204. */
export async function startWebhookTarget(behaviours: Record<string, Behaviour> = {}): Promise<WebhookTarget> {
  const messages: TakenMessage[] = [];
  const told = new Map(Object.entries(behaviours));
  const to = (path: string) => messages.filter((message) => message.path === path);
  const server = createServer(async (request, response) => {
    const path = request.url ?? '';
    const nth = to(path).length;
    const body = await text(request).catch(() => '');
    messages.push({ path, headers: request.headers, body });
    (told.get(path) ?? TAKE)(response, nth, request);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    ...{ host: `127.0.0.1:${port}`, messages, to },
    behave: (path, behaviour) => void told.set(path, behaviour),
    close: () =>
      new Promise((resolve) => {
        server.closeAllConnections();
        server.close(() => resolve());
      }),
  };
}
