import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { runCommand } from '../run-command.ts';

/** A MySQL or MariaDB server program that runs on this machine. */
export interface DatabaseProgram {
  kind: 'mariadb' | 'mysql';
  /** What is executed, and what comes before the server's own arguments: a foreign loader with the server's path. */
  command: string;
  prefix: readonly string[];
  /** What it needs in its environment to find its libraries. */
  env: NodeJS.ProcessEnv;
  /** `--basedir` and `--lc-messages-dir`. */
  baseFolder: string;
  shareFolder: string;
  version: string;
}

export interface ProgramPlace {
  file: string;
  ldLibraryPath?: string;
  /** See UnpackedPackages. */
  loader?: string | null;
}

/** Starts the program with `--version` to see that it runs here, and finds its share folder. Throws when it does not. */
export async function describeDatabaseProgram(place: ProgramPlace): Promise<DatabaseProgram> {
  const invocation = invoke(place);
  const version = await runCommand(invocation.command, [...invocation.prefix, '--no-defaults', '--version'], {
    env: { ...process.env, ...invocation.env },
  });
  const kind = version.includes('MariaDB') ? 'mariadb' : 'mysql';
  const baseFolder = join(dirname(place.file), '..');
  return {
    kind,
    ...invocation,
    baseFolder,
    shareFolder: findShareFolder(baseFolder),
    version: /Ver (\S+)/.exec(version)?.[1] ?? 'unknown',
  };
}

/** How a program of unpacked packages is started; see UnpackedPackages. */
export function invoke({
  file,
  ldLibraryPath,
  loader,
}: ProgramPlace): Pick<DatabaseProgram, 'command' | 'prefix' | 'env'> {
  if (loader) return { command: loader, prefix: ['--library-path', ldLibraryPath ?? '', file], env: {} };
  return { command: file, prefix: [], env: ldLibraryPath ? { LD_LIBRARY_PATH: ldLibraryPath } : {} };
}

function findShareFolder(baseFolder: string): string {
  const folders = ['share/mysql', 'share/mariadb', 'share'].map((name) => join(baseFolder, name));
  const found = folders.find((folder) => existsSync(join(folder, 'english', 'errmsg.sys')));
  if (!found) throw new Error(`no error messages (english/errmsg.sys) in ${folders.join(', ')}`);
  return found;
}
