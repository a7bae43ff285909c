import { connect, createServer, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

export interface Balancer {
  readonly url: string;
  close(): Promise<void>;
}

const ASK_EVERY_MS = 50;

/**
 * Passes TCP connections on, in turn to those of the ports that answer `GET /readyz` with 200, as a load balancer of a
 * cluster does. It knows nothing of requests, and repeats none.
 */
export async function openBalancer(ports: readonly number[]): Promise<Balancer> {
  const ready = new Set<number>();
  const sockets = new Set<Socket>();
  const closing = new AbortController();
  let turn = 0;

  const keepAsking = async (port: number) => {
    while (!closing.signal.aborted) {
      const answer = await fetch(`http://127.0.0.1:${port}/readyz`).catch(() => null);
      await answer?.arrayBuffer().catch(() => undefined);
      if (answer?.status === 200) ready.add(port);
      else ready.delete(port);
      await sleep(ASK_EVERY_MS, undefined, { signal: closing.signal }).catch(() => undefined);
    }
  };
  const asking = ports.map(keepAsking);

  const track = (socket: Socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
  };
  const server = createServer({ allowHalfOpen: true }, (client) => {
    const places = [...ready];
    const upstream = connect({ port: places[turn++ % places.length] ?? 1, host: '127.0.0.1', allowHalfOpen: true });
    for (const [from, to] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      track(from);
      from.setNoDelay(true);
      from.on('error', () => to.resetAndDestroy());
      from.pipe(to);
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as { port: number }).port}`,
    async close() {
      closing.abort();
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
      await Promise.all(asking);
    },
  };
}
