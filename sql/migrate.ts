import { createHash, randomUUID } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import mysql from 'mysql2/promise';
import { tlsOptions } from '../lib/database.ts';
import { messageOf } from '../lib/errors.ts';
import type { KeptTls } from '../lib/tls-files.ts';

export interface Migration {
  readonly version: number;
  readonly name: string;
  readonly statements: readonly string[];
  /** SHA-256 of the file, hex: a migration that was applied must never be edited. */
  readonly checksum: string;
}

export interface MigrateOptions {
  /** Where the numbered `.sql` files lie; by default beside this file. */
  readonly folder?: URL;
  /** Runs after the migrations, before others are let in: who waits for them waits for this as well. */
  readonly whileLocked?: () => Promise<void>;
  /** Told of each step. */
  readonly log?: (message: string) => void;
  /** Null, or absent: without TLS. */
  readonly tls?: KeptTls | null;
  /** The name of the last one to apply; by default all are. */
  readonly upTo?: string;
  /** Also a database that is marked as unfinished. */
  readonly restoring?: boolean;
}

/** A table of this name: somebody began to restore a backup into this database, and has not finished. */
export const UNFINISHED_RESTORE = 'unfinished_restore';

/** A starter that has not renewed its lock for so long is dead. */
const LOCK_SECONDS = 60;
const RENEW_EVERY_MS = 15_000;
const WAIT_MS = 200;
const DEADLOCK = 1213;
/** Duplicate column, duplicate key name, and nothing there to drop. MySQL has no IF [NOT] EXISTS for columns and indexes. */
const DONE_BEFORE = new Set([1060, 1061, 1091]);

/**
 * Brings the schema up to date: applies each `NNNN_name.sql` that is not recorded yet, in order. Forward only, and
 * expand-then-contract, so that the version before keeps working meanwhile.
 *
 * Several starters at once are safe: a row is the lock (GET_LOCK is local to a Galera node). DDL commits by itself on
 * MySQL, so a migration that was cut off half-way is run again from its start: each statement must allow that
 * (`IF NOT EXISTS`, `INSERT IGNORE`; one change in each `ALTER TABLE`, which is skipped when it was made before).
 *
 * @param url `mysql://user:password@host:port/database`; the database exists
 * @returns the names of the migrations that were applied
 * @throws when an applied migration has been edited since, or a restore was cut off. A database that is ahead of these files is left as it is: the
 *   version before must be able to restart while the next one is rolled out.
 */
export async function migrate(url: string, options: MigrateOptions = {}): Promise<string[]> {
  const log = options.log ?? (() => {});
  const migrations = (await readMigrations(options.folder)).filter(
    ({ name }) => options.upTo === undefined || name <= options.upTo,
  );
  const open = () => connect(url, options.tls ?? null);
  const connection = await open();
  try {
    if (!options.restoring) await refuseUnfinishedRestore(connection);
    await createBookkeeping(connection);
    const lock = await takeLock(open, log);
    try {
      const pending = await findPending(connection, migrations);
      for (const migration of pending) await apply(connection, migration, lock, log);
      await options.whileLocked?.();
      return pending.map((migration) => migration.name);
    } finally {
      await lock.release();
    }
  } finally {
    await connection.end();
  }
}

async function refuseUnfinishedRestore(connection: mysql.Connection): Promise<void> {
  const [found] = await connection.query<mysql.RowDataPacket[]>(
    'SELECT 1 FROM information_schema.tables WHERE table_schema = DATABASE() AND table_name = ?',
    [UNFINISHED_RESTORE],
  );
  if (found.length === 0) return;
  throw new Error('A backup was being restored into this database, and that was cut off: run faceflow restore again.');
}

function connect(url: string, tls: KeptTls | null): Promise<mysql.Connection> {
  return mysql.createConnection({ uri: url, ...tlsOptions(url, tls), timezone: 'Z', charset: 'utf8mb4_unicode_ci' });
}

async function apply(connection: mysql.Connection, migration: Migration, lock: Lock, log: (message: string) => void) {
  for (const statement of migration.statements) {
    lock.assertHeld();
    try {
      await connection.query(statement);
    } catch (error) {
      if (!DONE_BEFORE.has((error as { errno?: number }).errno ?? 0)) throw error;
      log(`${migration.name}: was done before: ${messageOf(error)}`);
    }
  }
  await connection.query('INSERT INTO schema_migrations (version, name, checksum) VALUES (?, ?, ?)', [
    migration.version,
    migration.name,
    migration.checksum,
  ]);
  log(`applied ${migration.name}`);
}

/** All that there are, in order. */
export async function readMigrations(folder = new URL('.', import.meta.url)): Promise<Migration[]> {
  const names = (await readdir(folder)).filter((name) => /^\d{4}_[a-z0-9_]+\.sql$/.test(name)).sort();
  return Promise.all(
    names.map(async (name) => {
      const text = await readFile(new URL(name, folder), 'utf8');
      return {
        version: Number(name.slice(0, 4)),
        name,
        statements: splitStatements(text),
        checksum: createHash('sha256').update(text).digest('hex'),
      };
    }),
  );
}

/** Splits a file at each `;` that ends a line; comment lines go. */
export function splitStatements(text: string): string[] {
  return text
    .replace(/^[ \t]*--.*\n?/gm, '')
    .split(/;[ \t]*$/m)
    .map((statement) => statement.trim())
    .filter((statement) => statement !== '');
}

async function createBookkeeping(connection: mysql.Connection): Promise<void> {
  await connection.query(
    `CREATE TABLE IF NOT EXISTS schema_migrations (
       version INT UNSIGNED NOT NULL PRIMARY KEY,
       name VARCHAR(255) NOT NULL,
       checksum CHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
       applied_at DATETIME(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3)
     ) DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_unicode_ci`,
  );
  await connection.query(
    `CREATE TABLE IF NOT EXISTS schema_lock (
       id TINYINT UNSIGNED NOT NULL PRIMARY KEY,
       holder VARCHAR(255) NULL,
       expires_at DATETIME(3) NULL
     ) DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_unicode_ci`,
  );
  await connection.query('INSERT IGNORE INTO schema_lock (id) VALUES (1)');
}

interface Lock {
  /** Throws when another starter may have taken over. */
  assertHeld(): void;
  release(): Promise<void>;
}

/** Waits for the lock row. It has its own connection, so that it can be renewed while a long statement runs. */
async function takeLock(open: () => Promise<mysql.Connection>, log: (message: string) => void): Promise<Lock> {
  const connection = await open();
  const holder = `${hostname()}/${process.pid}/${randomUUID()}`;
  for (let waits = 0; !(await tryLock(connection, holder)); waits++) {
    if (waits === 5) log('waiting for another starter that is migrating the schema');
    await new Promise((resolve) => setTimeout(resolve, WAIT_MS));
  }
  let lost: unknown;
  const renewal = setInterval(async () => {
    try {
      if (!(await tryLock(connection, holder))) lost = new Error('another starter has taken it');
    } catch (error) {
      lost = error;
    }
  }, RENEW_EVERY_MS);
  return {
    assertHeld() {
      if (lost !== undefined) throw new Error('The lock on the schema was lost.', { cause: lost });
    },
    async release() {
      clearInterval(renewal);
      await connection.query('UPDATE schema_lock SET holder = NULL, expires_at = NULL WHERE id = 1 AND holder = ?', [
        holder,
      ]);
      await connection.end();
    },
  };
}

async function tryLock(connection: mysql.Connection, holder: string): Promise<boolean> {
  try {
    const [result] = await connection.query<mysql.ResultSetHeader>(
      `UPDATE schema_lock
          SET holder = ?, expires_at = CURRENT_TIMESTAMP(3) + INTERVAL ? SECOND
        WHERE id = 1 AND (holder IS NULL OR holder = ? OR expires_at < CURRENT_TIMESTAMP(3))`,
      [holder, LOCK_SECONDS, holder],
    );
    return result.affectedRows === 1;
  } catch (error) {
    // Two Galera nodes let two starters update the row; the one that commits second is told so.
    if ((error as { errno?: number }).errno === DEADLOCK) return false;
    throw error;
  }
}

async function findPending(connection: mysql.Connection, migrations: readonly Migration[]): Promise<Migration[]> {
  const [rows] = await connection.query<mysql.RowDataPacket[]>('SELECT version, name, checksum FROM schema_migrations');
  const applied = new Map(rows.map((row) => [row.version as number, row]));
  for (const migration of migrations) {
    const before = applied.get(migration.version);
    if (before !== undefined && before.checksum !== migration.checksum) {
      throw new Error(`The migration ${migration.name} was edited after it had been applied: add a new one instead.`);
    }
  }
  return migrations.filter((migration) => !applied.has(migration.version));
}
