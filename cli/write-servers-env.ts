import { rename, writeFile } from 'node:fs/promises';

/**
 * Writes variables as lines that a shell can read (`set -a; . FILE; set +a`), for whoever starts a service by hand. Only
 * the owner may read it: the URLs hold passwords.
 */
export async function writeServersEnv(file: string, variables: Record<string, string>): Promise<void> {
  const lines = Object.entries(variables).map(([key, value]) => `${key}='${value.replaceAll("'", "'\\''")}'\n`);
  await writeFile(`${file}.new`, lines.join(''), { mode: 0o600 });
  await rename(`${file}.new`, file);
}
