import { spawn } from 'node:child_process';

export interface CommandOptions {
  cwd?: string;
  env?: NodeJS.ProcessEnv;
  /** Written to the command's standard input, which is closed otherwise. */
  input?: string;
  signal?: AbortSignal | undefined;
}

const OUTPUT_SHOWN = 2_000;

/**
 * Runs a program to its end and returns what it printed on standard output.
 * Throws an Error that carries the last lines of its output when it cannot be started or does not exit with 0.
 */
export async function runCommand(
  command: string,
  args: readonly string[],
  options: CommandOptions = {},
): Promise<string> {
  const { cwd, env, input, signal } = options;
  const child = spawn(command, args, { cwd, env, signal, stdio: ['pipe', 'pipe', 'pipe'] });
  let stdout = '';
  let both = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
    both += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    both += text;
  });
  // A command that ends before it has read its input closes the pipe: its exit code tells more than EPIPE would.
  child.stdin.on('error', () => {});
  child.stdin.end(input ?? '');
  const ending = await new Promise<string | null>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code, killer) =>
      resolve(code === 0 ? null : killer ? `was killed by ${killer}` : `exited with code ${code}`),
    );
  });
  if (ending !== null)
    throw new Error(`${command} ${ending}${both.trim() ? `:\n${both.trim().slice(-OUTPUT_SHOWN)}` : ''}`);
  return stdout;
}
