import { randomUUID } from 'node:crypto';
import { appendFileSync, copyFileSync, existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { inject } from 'vitest';
import { SECRETS_FILE } from './find-leaks.ts';

declare module 'vitest' {
  interface ProvidedContext {
    /** Where the logs of all services of the run are kept until its end, when they are searched for secrets. */
    keptLogs: string;
  }
}

const SECRET_KEY = /SECRET|PASSWORD|TOKEN|PASSPHRASE/;
/** Shorter ones, such as `password`, are words as well. */
const SHORTEST_SECRET = 12;

/** Keeps what a service prints, line by line: also of one that is killed, with the test that started it. */
export function keepLog(name: string, env: Record<string, string>): (line: string) => void {
  const folder = inject('keptLogs');
  noteSecrets(folder, env);
  const file = join(folder, `${name}-${randomUUID()}.log`);
  return (line) => appendFileSync(file, `${line}\n`);
}

/** Keeps the logs of a launcher before its data folder is removed. */
export function keepLauncherLogs(dataFolder: string): void {
  const folder = inject('keptLogs');
  const accounts = join(dataFolder, 'servers.env');
  if (existsSync(accounts)) {
    const lines = readFileSync(accounts, 'utf8').matchAll(/^(\w+)=(.*)$/gm);
    noteSecrets(folder, Object.fromEntries([...lines].map(([, key, value]) => [key, value])));
  }
  const logs = join(dataFolder, 'logs');
  if (!existsSync(logs)) return;
  for (const file of readdirSync(logs))
    copyFileSync(join(logs, file), join(folder, `launcher-${randomUUID()}-${file}`));
}

function noteSecrets(folder: string, env: Record<string, string>): void {
  const found = Object.entries(env).flatMap(([key, value]) => {
    if (SECRET_KEY.test(key)) return key.endsWith('_FILE') ? [] : [value];
    if (!URL.canParse(value)) return [];
    const { username, password } = new URL(value);
    return [password || username];
  });
  const secrets = found.filter((secret) => secret.length >= SHORTEST_SECRET && !secret.includes('\n'));
  if (secrets.length > 0) appendFileSync(join(folder, SECRETS_FILE), `${[...new Set(secrets)].join('\n')}\n`);
}
