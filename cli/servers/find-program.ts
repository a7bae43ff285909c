import { accessSync, constants, statSync } from 'node:fs';
import { delimiter, isAbsolute, join } from 'node:path';

/** The absolute path of an executable file on the PATH, or null. */
export function findOnPath(name: string, path: string = process.env.PATH ?? ''): string | null {
  return findInFolders(name, path.split(delimiter).filter(isAbsolute));
}

/** The first of the folders in which `name` is an executable file, as a full path; or null. */
export function findInFolders(name: string, folders: readonly string[]): string | null {
  for (const folder of folders) {
    const file = join(folder, name);
    if (isExecutable(file)) return file;
  }
  return null;
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return statSync(file).isFile();
  } catch {
    return false;
  }
}
