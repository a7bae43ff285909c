import { readdir, readFile } from 'node:fs/promises';
import mysql from 'mysql2/promise';
import { tlsOptions } from '../lib/database.ts';
import type { KeptTls } from '../lib/tls-files.ts';
import { splitStatements } from './migrate.ts';

/**
 * Grants each service's account what it needs, and no more (users/*.sql). After every migration: new tables have no
 * grants. Granting twice is harmless.
 *
 * @param url of an account that may grant; the accounts exist (deploy/mysql/create-accounts.sh)
 * @returns the names of the files that were applied
 */
export async function grantServices(url: string, options: { tls?: KeptTls | null } = {}): Promise<string[]> {
  const folder = new URL('users/', import.meta.url);
  const names = (await readdir(folder)).filter((name) => name.endsWith('.sql')).sort();
  const connection = await mysql.createConnection({ uri: url, ...tlsOptions(url, options.tls ?? null) });
  try {
    for (const name of names) {
      for (const statement of splitStatements(await readFile(new URL(name, folder), 'utf8'))) {
        await connection.query(statement);
      }
    }
    return names;
  } finally {
    await connection.end();
  }
}
