import { afterAll, inject, test } from 'vitest';
import { startMysqlServer } from './servers.ts';

export interface NamedServer {
  readonly name: string;
  /** For `createDatabase({ server })`. */
  readonly url: () => string;
}

/**
 * The database server of the run, and a real MySQL where one can be had (a test that is skipped says where not), for
 * `describe.each`: plain SQL must mean the same on both. The MySQL is stopped after the file's last test.
 */
export async function startBothServers(nameOfFirst: string): Promise<readonly NamedServer[]> {
  const first = { name: nameOfFirst, url: () => inject('mysqlUrl') };
  const mysql = await startMysqlServer();
  if ('skip' in mysql) {
    test.skip(`on MySQL: ${mysql.skip}`);
    return [first];
  }
  afterAll(() => mysql.stop());
  return [first, { name: `MySQL ${mysql.version}`, url: () => mysql.url }];
}
