import { type AddressInfo, createServer } from 'node:net';

/** A loopback TCP port that nobody listens on now: the wanted one if it is free, otherwise any. */
export async function chooseFreePort(wanted?: number): Promise<number> {
  if (wanted !== undefined && wanted !== 0 && (await isPortFree(wanted))) return wanted;
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
