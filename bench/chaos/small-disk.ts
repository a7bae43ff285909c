import { closeSync, openSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { runCommand } from '../../cli/run-command.ts';
import { findOnPath } from '../../cli/servers/find-program.ts';

/**
 * The words that, before a command, run it where it may mount file systems that nobody else sees and that are gone with it:
 * a mount namespace of its own, for anybody but root in a user namespace of its own. Null where the system allows neither.
 */
export async function findOwnMounts(): Promise<string[] | null> {
  if (process.platform !== 'linux' || findOnPath('unshare') === null) return null;
  const asUser = process.getuid?.() === 0 ? [] : ['--user', '--map-root-user'];
  const words = ['unshare', ...asUser, '--mount', '--propagation', 'private'];
  try {
    await runCommand('unshare', [...words.slice(1), 'mount', '-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', '/tmp']);
    return words;
  } catch {
    return null;
  }
}

export interface SmallDisk {
  /** Writes until nothing more goes in, and whenever somebody frees a little. */
  fill(): void;
  free(): void;
  /** When nothing on it is open any more. */
  unmount(): Promise<void>;
}

const REFILL_MS = 100;
const PIECES = [1 << 20, 1 << 16, 1 << 12];

/** Mounts a file system in memory on a folder; only below `findOwnMounts`. */
export async function mountSmallDisk(folder: string, megabytes: number): Promise<SmallDisk> {
  await runCommand('mount', ['-t', 'tmpfs', '-o', `size=${megabytes}m,mode=0700`, 'tmpfs', folder]);
  const ballast = join(folder, 'ballast');
  let filling: AbortController | null = null;
  const keepFull = async (signal: AbortSignal) => {
    while (!signal.aborted) {
      writeUntilFull(ballast);
      await sleep(REFILL_MS, undefined, { signal }).catch(() => undefined);
    }
  };
  return {
    fill() {
      filling?.abort();
      filling = new AbortController();
      void keepFull(filling.signal);
    },
    free() {
      filling?.abort();
      rmSync(ballast, { force: true });
    },
    async unmount() {
      filling?.abort();
      await runCommand('umount', ['--lazy', folder]);
    },
  };
}

function writeUntilFull(path: string): void {
  const file = openSync(path, 'a');
  try {
    for (const bytes of PIECES) {
      const piece = Buffer.alloc(bytes);
      while (writes(file, piece));
    }
  } finally {
    closeSync(file);
  }
}

function writes(file: number, piece: Buffer): boolean {
  try {
    return writeSync(file, piece) === piece.length;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOSPC') return false;
    throw error;
  }
}
