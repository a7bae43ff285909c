import { rmSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/**
 * One set-up at a time in a folder: whoever listens on the folder's socket, which ends with its process, however that
 * ends. Waits for its turn; returns what gives the lock back.
 *
 * @param {string} key tells folders apart: letters and digits
 * @returns {Promise<() => void>}
 */
export async function takeSetupLock(key) {
  const name = `faceflow-setup-${key.slice(0, 16)}`;
  // Linux has sockets without a file, which leave nothing behind.
  const path = process.platform === 'linux' ? `\0${name}` : join(tmpdir(), `${name}.sock`);
  for (let told = false; ; ) {
    const release = await listen(path);
    if (release) return release;
    if (!told) process.stdout.write('Another set-up of this folder is under way: waiting for it …\n');
    told = true;
    await untilGone(path);
  }
}

/** Null when somebody else listens there. */
function listen(path) {
  const waiting = new Set();
  const server = createServer((socket) => {
    waiting.add(socket);
    socket.on('error', () => {});
    socket.once('close', () => waiting.delete(socket));
  });
  const release = () => {
    server.close();
    for (const socket of waiting) socket.destroy();
  };
  return new Promise((resolve, reject) => {
    server.once('error', (error) => (error.code === 'EADDRINUSE' ? resolve(null) : reject(error)));
    server.listen(path, () => resolve(release));
  });
}

/** Waits until the one who listens there is gone; a socket file without anybody behind it is removed. */
function untilGone(path) {
  return new Promise((resolve) => {
    const socket = connect(path);
    socket.once('error', (error) => {
      if (error.code === 'ECONNREFUSED' && !path.startsWith('\0')) rmSync(path, { force: true });
    });
    socket.once('close', () => setTimeout(resolve, 50));
    socket.resume();
  });
}
