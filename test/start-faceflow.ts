import { type ChildProcess, spawn } from 'node:child_process';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';

export interface Ran {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Starts the compiled `faceflow` command. It runs elsewhere: a .env of whoever runs the tests is not theirs. */
export function startFaceflow(
  args: readonly string[],
  env: Record<string, string>,
): ChildProcess & { ended: Promise<Ran> } {
  const { PATH = '', HOME = '' } = process.env;
  const cli = join(import.meta.dirname, '../dist/cli/main.js');
  const child = spawn(process.execPath, [cli, ...args], { cwd: tmpdir(), env: { PATH, HOME, ...env } });
  const ended = Promise.all([
    text(child.stdout),
    text(child.stderr),
    new Promise<number | null>((resolve) => child.on('close', resolve)),
  ]).then(([stdout, stderr, code]) => ({ stdout, stderr, code }));
  return Object.assign(child, { ended });
}
