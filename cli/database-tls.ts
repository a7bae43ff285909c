import { createLog } from '../lib/log.ts';
import { type KeptTls, keepTls } from '../lib/tls-files.ts';
import type { LaunchSettings } from './launch-settings.ts';

/**
 * TLS to a database of somebody's own; a private one is on loopback. What is wrong with its files the services log.
 *
 * @param signal until when changes of the files are followed; by default they are read once
 */
export async function openDatabaseTls(
  { mysqlUrl, env }: Pick<LaunchSettings, 'mysqlUrl' | 'env'>,
  signal = AbortSignal.abort(),
): Promise<KeptTls | null> {
  if (mysqlUrl === undefined) return null;
  return await keepTls('MYSQL', env, { log: createLog('launcher', { level: 'silent', format: 'json' }), signal });
}
