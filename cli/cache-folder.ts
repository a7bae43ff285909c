import { accessSync, constants, mkdirSync } from 'node:fs';
import { join } from 'node:path';

/**
 * Where downloaded server programs are kept for the next time: the user's cache folder, or, where that cannot be written
 * to (a user without a home), the project's own, or the data folder.
 */
export function chooseCacheFolder(env: NodeJS.ProcessEnv, projectFolder: string, dataFolder: string): string {
  const candidates = [
    ...(env.XDG_CACHE_HOME ? [join(env.XDG_CACHE_HOME, 'faceflow')] : []),
    ...(env.HOME ? [join(env.HOME, '.cache', 'faceflow')] : []),
    join(projectFolder, 'node_modules', '.cache', 'faceflow'),
  ];
  return candidates.find(isWritable) ?? join(dataFolder, 'cache');
}

function isWritable(folder: string): boolean {
  try {
    mkdirSync(folder, { recursive: true });
    accessSync(folder, constants.W_OK);
    return true;
  } catch {
    return false;
  }
}
