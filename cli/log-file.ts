import { createWriteStream, existsSync, renameSync, statSync, type WriteStream } from 'node:fs';

const LARGEST_BYTES = 5_000_000;

export interface LogFile {
  write(line: string): void;
  close(): Promise<void>;
}

/** Appends lines to a file. At 5 MB it is moved to `….1`, replacing what was there, and begun anew: 10 MB at the most. */
export function openLogFile(path: string, largestBytes = LARGEST_BYTES): LogFile {
  let bytes = sizeOf(path);
  let stream = open(path);
  return {
    write(line) {
      if (bytes > largestBytes) {
        stream.end();
        moveAside(path);
        stream = open(path);
        bytes = 0;
      }
      bytes += Buffer.byteLength(line) + 1;
      stream.write(`${line}\n`);
    },
    close: () => new Promise((resolve) => stream.end(() => resolve())),
  };
}

/** Somebody may have tidied the file away meanwhile. */
function moveAside(path: string): void {
  if (existsSync(path)) renameSync(path, `${path}.1`);
}

/** A full disk must not end the launcher: what cannot be written is lost, and the databases will say so louder. */
function open(path: string): WriteStream {
  return createWriteStream(path, { flags: 'a' }).on('error', () => {});
}

function sizeOf(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0;
}
