import { EventEmitter, once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

/**
 * refused: nobody listens, and what was connected is reset; hung: connections are made and nothing passes; slow: every
 * piece takes its time; cut: a connection is reset in the middle of a message.
 */
export const LINK_FAULTS = ['refused', 'hung', 'slow', 'cut'] as const;
export type LinkFault = (typeof LINK_FAULTS)[number];

export interface Place {
  readonly host: string;
  readonly port: number;
}

export interface TcpProxy {
  /** On 127.0.0.1; stays the same. */
  readonly port: number;
  /** From now on the link fails in this way; null: it works again. What hung goes on where it was. */
  fail(how: LinkFault | null): Promise<void>;
  close(): Promise<void>;
}

const SLOW_MS = 150;
const SLOW_PIECE_BYTES = 4_096;
/** A connection that is to be cut is so after so many bytes at most. */
const CUT_WITHIN_BYTES = 3_000;

/**
 * Passes TCP connections on, in turn to each of the places where something listens, until told to do worse.
 *
 * @param random 0..1, for where messages are cut
 */
export async function openTcpProxy(upstream: readonly Place[], random: () => number): Promise<TcpProxy> {
  const sockets = new Set<Socket>();
  let failure: LinkFault | null = null;
  const changes = new EventEmitter().setMaxListeners(0);
  let turn = 0;
  let port = 0;

  /** One direction of one connection. */
  function pump(from: Socket, to: Socket): void {
    const reset = () => {
      from.resetAndDestroy();
      to.resetAndDestroy();
    };
    let left = Number.POSITIVE_INFINITY;
    const pass = async (chunk: Buffer): Promise<void> => {
      while (failure === 'hung') await once(changes, 'change');
      left = failure === 'cut' ? Math.min(left, Math.floor(random() * CUT_WITHIN_BYTES)) : Number.POSITIVE_INFINITY;
      if (chunk.length > left) {
        to.write(chunk.subarray(0, left));
        reset();
        return;
      }
      left -= chunk.length;
      await (failure === 'slow' ? writeSlowly(to, chunk) : write(to, chunk));
    };
    let passing: Promise<void> = Promise.resolve();
    from.on('data', (chunk: Buffer) => {
      from.pause();
      passing = pass(chunk).then(() => void from.resume());
    });
    from.on('end', () => void passing.then(() => to.end()));
    from.on('error', reset);
    from.on('close', () => void passing.then(() => to.destroySoon()));
  }

  async function writeSlowly(to: Socket, chunk: Buffer): Promise<void> {
    for (let start = 0; start < chunk.length; start += SLOW_PIECE_BYTES) {
      await sleep(SLOW_MS * (0.5 + random()));
      await write(to, chunk.subarray(start, start + SLOW_PIECE_BYTES));
    }
  }

  async function accept(client: Socket): Promise<void> {
    track(client);
    const server = await connectToOne();
    if (server === null || client.destroyed) {
      server?.destroy();
      client.resetAndDestroy();
      return;
    }
    track(server);
    pump(client, server);
    pump(server, client);
    client.resume();
  }

  function track(socket: Socket): void {
    sockets.add(socket);
    socket.setNoDelay(true);
    // Told by pump, once there is one.
    socket.on('error', () => {});
    socket.once('close', () => sockets.delete(socket));
  }

  async function connectToOne(): Promise<Socket | null> {
    for (let tries = 0; tries < upstream.length; tries++) {
      const place = upstream[turn++ % upstream.length] as Place;
      const socket = connect({ ...place, allowHalfOpen: true });
      const made = await new Promise<boolean>((resolve) => {
        socket.once('connect', () => resolve(true));
        socket.once('error', () => resolve(false));
      });
      if (made) return socket;
    }
    return null;
  }

  let listener: Server | null = null;
  async function listen(): Promise<void> {
    listener = createServer({ allowHalfOpen: true, pauseOnConnect: true }, (socket) => void accept(socket));
    const opening = listener;
    await new Promise<void>((resolve, reject) => {
      opening.once('error', reject);
      opening.listen(port, '127.0.0.1', resolve);
    });
    port = (opening.address() as { port: number }).port;
  }
  async function shut(): Promise<void> {
    const closing = listener;
    listener = null;
    const closed = new Promise<void>((resolve) => (closing === null ? resolve() : closing.close(() => resolve())));
    for (const socket of sockets) socket.resetAndDestroy();
    await closed;
  }
  function become(how: LinkFault | null): void {
    failure = how;
    changes.emit('change');
  }

  await listen();
  return {
    port,
    async fail(how) {
      become(how);
      if (how === 'refused') await shut();
      else if (listener === null) await listen();
    },
    async close() {
      become(null);
      await shut();
    },
  };
}

/** Resolves when the other side can take more, or is gone. */
function write(to: Socket, chunk: Buffer): Promise<void> | void {
  if (to.destroyed || to.write(chunk)) return;
  return new Promise((resolve) => {
    to.once('drain', resolve);
    to.once('close', resolve);
  });
}
