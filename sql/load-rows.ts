import mysql from 'mysql2/promise';
import { tlsOptions } from '../lib/database.ts';
import type { KeptTls } from '../lib/tls-files.ts';
import { listKnownTables, listTables, type TableShape } from './known-tables.ts';
import { UNFINISHED_RESTORE } from './migrate.ts';
import type { StoredRow } from './read-snapshot.ts';

/** A database that is being filled; until `finish` nothing starts on it. */
export interface RowLoader {
  /** Whether nobody would miss what is there: no rows, or the beginning of a restore that was cut off. */
  isEmpty(): Promise<boolean>;
  /** Removes Faceflow's tables, and marks the database as unfinished: `migrate` refuses it from now on. */
  begin(): Promise<void>;
  /** Fills a table that has just been made. @returns how many rows it has then */
  load(table: TableShape, rows: AsyncIterable<StoredRow>, options: LoadOptions): Promise<number>;
  /** What was accepted is published again, to whatever queue there is now. Afterwards the database is whole. */
  finish(): Promise<void>;
  close(): Promise<void>;
}

export interface LoadOptions {
  /** What the next row's id is to be, at least. */
  readonly nextId: string | null;
  /** Told of how many more rows are in the database. */
  readonly onRows: (count: number) => void;
}

/** A statement; the smallest usual max_allowed_packet is 4 MiB, and bytes double when they are written as text. */
const BYTES_PER_STATEMENT = 1_000_000;
const ROWS_PER_STATEMENT = 1_000;
/** Rows that a system makes for itself before anybody has asked anything of it. */
const MADE_AT_START = new Set(['gallery', 'image_minutes', 'jobs', 'processors', 'replicas']);

/** @param url of an account that may make and drop tables */
export async function openLoader(url: string, options: { tls?: KeptTls | null } = {}): Promise<RowLoader> {
  const connection = await mysql.createConnection({
    uri: url,
    ...tlsOptions(url, options.tls ?? null),
    charset: 'utf8mb4_unicode_ci',
    connectTimeout: 5_000,
  });
  // Tables refer to each other in circles; what is loaded was consistent where it was read.
  for (const setting of ['FOREIGN_KEY_CHECKS = 0', 'UNIQUE_CHECKS = 0'])
    await connection.query(`SET SESSION ${setting}`);
  await connection.query("SET SESSION sql_mode = 'STRICT_ALL_TABLES,NO_AUTO_VALUE_ON_ZERO'");
  return {
    isEmpty: () => isEmpty(connection),

    async begin() {
      // First: whatever cuts this off, what is left is known not to be whole.
      await connection.query(`CREATE TABLE IF NOT EXISTS ${UNFINISHED_RESTORE} (id TINYINT NOT NULL PRIMARY KEY)`);
      const known = new Set([...(await listKnownTables()), 'schema_migrations', 'schema_lock']);
      for (const name of await listTables(connection)) {
        if (known.has(name)) await connection.query('DROP TABLE ??', [name]);
      }
    },

    load: (table, rows, loading) => load(connection, table, rows, loading),

    async finish() {
      for (const table of ['images', 'enrolments']) {
        await connection.query("UPDATE ?? SET enqueued_at = NULL WHERE status = 'pending'", [table]);
      }
      await connection.query(`DROP TABLE ${UNFINISHED_RESTORE}`);
    },

    close: () => connection.end(),
  };
}

async function isEmpty(connection: mysql.Connection): Promise<boolean> {
  const found = await listTables(connection);
  if (found.includes(UNFINISHED_RESTORE)) return true;
  const known = (await listKnownTables()).filter((name) => found.includes(name) && !MADE_AT_START.has(name));
  for (const name of known) {
    const [rows] = await connection.query<mysql.RowDataPacket[]>('SELECT 1 FROM ?? LIMIT 1', [name]);
    if (rows.length > 0) return false;
  }
  return true;
}

async function load(
  connection: mysql.Connection,
  { name, columns }: TableShape,
  rows: AsyncIterable<StoredRow>,
  { nextId, onRows }: LoadOptions,
): Promise<number> {
  // Migrations put a row or two into some tables.
  await connection.query('DELETE FROM ??', [name]);
  const names = columns.map((column) => column.name);
  let batch: StoredRow[] = [];
  let bytes = 0;
  const insert = async () => {
    if (batch.length === 0) return;
    // Each statement by itself: a cluster refuses transactions that are too large.
    await connection.query('INSERT INTO ?? (??) VALUES ?', [name, names, batch]);
    onRows(batch.length);
    batch = [];
    bytes = 0;
  };
  for await (const row of rows) {
    batch.push(row);
    for (const value of row) bytes += value?.length ?? 0;
    if (bytes >= BYTES_PER_STATEMENT || batch.length >= ROWS_PER_STATEMENT) await insert();
  }
  await insert();
  // An id of a row that was deleted must not be given again: the audit still tells of it.
  if (nextId !== null) await connection.query(`ALTER TABLE ?? AUTO_INCREMENT = ${BigInt(nextId)}`, [name]);
  const [[counted]] = await connection.query<mysql.RowDataPacket[]>('SELECT COUNT(*) AS count FROM ??', [name]);
  return Number(counted?.count);
}
