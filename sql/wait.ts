import { setTimeout as delay } from 'node:timers/promises';
import mysql from 'mysql2/promise';
import { tlsOptions } from '../lib/database.ts';
import { messageOf } from '../lib/errors.ts';
import type { KeptTls } from '../lib/tls-files.ts';
import { type Migration, readMigrations } from './migrate.ts';

interface WaitOptions {
  /** Where the numbered `.sql` files lie; by default beside this file. */
  readonly folder?: URL;
  /** Told what it waits for, whenever that is something else. */
  readonly log?: (message: string) => void;
  readonly tls?: KeptTls | null;
  readonly everyMs?: number;
}

/**
 * Waits until somebody else has brought the schema to what these files want, granted the services their rights, and let go
 * of the lock. A database that is ahead of these files is fine. Any account of a service will do.
 *
 * Nothing is an error here, neither a server that is away nor an account that is not there yet: it is logged, and tried again.
 */
export async function waitForMigrations(url: string, options: WaitOptions = {}): Promise<void> {
  const wanted = await readMigrations(options.folder);
  let told: string | undefined;
  for (;;) {
    const reason = await findReasonToWait(url, wanted, options.tls ?? null).catch(messageOf);
    if (reason === undefined) return;
    if (reason !== told) options.log?.(`waiting for the migrations: ${reason}`);
    told = reason;
    await delay(options.everyMs ?? 2_000);
  }
}

async function findReasonToWait(url: string, wanted: readonly Migration[], tls: KeptTls | null) {
  const connection = await mysql.createConnection({ uri: url, ...tlsOptions(url, tls) });
  try {
    const [rows] = await connection.query<mysql.RowDataPacket[]>('SELECT version FROM schema_migrations');
    const applied = new Set(rows.map(({ version }) => version as number));
    const missing = wanted.find(({ version }) => !applied.has(version));
    if (missing !== undefined) return `${missing.name} has not been applied`;
    const [locks] = await connection.query<mysql.RowDataPacket[]>(
      'SELECT holder FROM schema_lock WHERE holder IS NOT NULL AND expires_at > CURRENT_TIMESTAMP(3)',
    );
    return locks.length > 0 ? `${locks[0]?.holder} is not done` : undefined;
  } finally {
    await connection.end();
  }
}
