import { randomInt } from 'node:crypto';
import { type AddressInfo, createServer } from 'node:net';

/** Below what Linux, macOS and Windows give to outgoing connections, so that none of those takes a port that was free just now. */
const RANGE = { from: 20_000, to: 30_000 };

/** Of RANGE; a port is handed out once a process, though nobody listens on it yet. */
const handedOut = new Set<number>();

/** A loopback TCP port that nobody listens on now: the wanted one if it is free, otherwise any. */
export async function chooseFreePort(wanted?: number): Promise<number> {
  if (wanted !== undefined && wanted !== 0 && (await isPortFree(wanted))) return wanted;
  for (let attempt = 0; attempt < 100; attempt++) {
    const port = randomInt(RANGE.from, RANGE.to);
    if (handedOut.has(port)) continue;
    handedOut.add(port);
    if (await isPortFree(port)) return port;
  }
  return await tryToListen(0, '127.0.0.1');
}
/** Whether a server could listen on the port now. */
export async function isPortFree(port: number, host = '127.0.0.1'): Promise<boolean> {
  try {
    await tryToListen(port, host);
    return true;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EADDRINUSE' || code === 'EACCES') return false;
    throw error;
  }
}

function tryToListen(port: number, host: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(port, host, () => {
      const { port: bound } = server.address() as AddressInfo;
      server.close(() => resolve(bound));
    });
  });
}
