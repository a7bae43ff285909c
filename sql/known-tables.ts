import { readdir, readFile } from 'node:fs/promises';
import type mysql from 'mysql2/promise';

/** What the rows of a table look like; generated columns are none of it. */
export interface TableShape {
  readonly name: string;
  readonly columns: readonly { readonly name: string; readonly binary: boolean }[];
  /** Of the primary key, in order. */
  readonly key: readonly string[];
}

/** The tables that migrations make, oldest first. */
export async function listKnownTables(folder = new URL('.', import.meta.url)): Promise<string[]> {
  const names = (await readdir(folder)).filter((name) => /^\d{4}_[a-z0-9_]+\.sql$/.test(name)).sort();
  const texts = await Promise.all(names.map((name) => readFile(new URL(name, folder), 'utf8')));
  return texts.flatMap((text) =>
    [...text.matchAll(/^CREATE TABLE IF NOT EXISTS (\w+)/gm)].map(([, name]) => name ?? ''),
  );
}

/** All tables of the connection's database. */
export async function listTables(connection: mysql.Connection): Promise<string[]> {
  const [rows] = await connection.query<mysql.RowDataPacket[]>(
    `SELECT table_name AS name FROM information_schema.tables
      WHERE table_schema = DATABASE() AND table_type = 'BASE TABLE' ORDER BY table_name`,
  );
  return rows.map((row) => String(row.name));
}

export async function describeTable(connection: mysql.Connection, name: string): Promise<TableShape> {
  const [rows] = await connection.query<mysql.RowDataPacket[]>(
    `SELECT column_name AS name, data_type AS type, column_key AS indexed, extra AS extra
       FROM information_schema.columns
      WHERE table_schema = DATABASE() AND table_name = ? ORDER BY ordinal_position`,
    [name],
  );
  // MySQL says DEFAULT_GENERATED of a column that merely has a default.
  const stored = rows.filter((row) => !/\b(STORED|PERSISTENT|VIRTUAL) GENERATED\b/i.test(String(row.extra)));
  const [keys] = await connection.query<mysql.RowDataPacket[]>(
    `SELECT column_name AS name FROM information_schema.key_column_usage
      WHERE table_schema = DATABASE() AND table_name = ? AND constraint_name = 'PRIMARY' ORDER BY ordinal_position`,
    [name],
  );
  return {
    name,
    columns: stored.map((row) => ({
      name: String(row.name),
      binary: /binary|blob/i.test(String(row.type)),
    })),
    key: keys.map((key) => String(key.name)),
  };
}
