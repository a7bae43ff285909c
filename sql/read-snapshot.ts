import type { Readable } from 'node:stream';
import mysql from 'mysql2';
import type { Connection, RowDataPacket } from 'mysql2/promise';
import { tlsOptions } from '../lib/database.ts';
import type { KeptTls } from '../lib/tls-files.ts';
import { describeTable, listKnownTables, listTables, type TableShape } from './known-tables.ts';

/** A row, in the order of its table's columns: text as the server prints it, which reads back as the same value. */
export type StoredRow = readonly (string | Buffer | null)[];

/** One moment of a database. It is read table by table, each once; meanwhile everybody may go on writing. */
export interface DatabaseSnapshot {
  /** Such as `10.11.6-MariaDB`. */
  readonly server: string;
  readonly migrations: readonly { readonly name: string; readonly checksum: string }[];
  /** Of Faceflow's, those that are there. */
  readonly tables: readonly TableShape[];
  /** Tables that are somebody else's. */
  readonly foreign: readonly string[];
  readRows(table: TableShape): AsyncIterable<StoredRow>;
  /** The id that the next row would get, as the server prints it; null where ids are not counted. At least that of the moment. */
  readNextId(table: string): Promise<string | null>;
  close(): void;
}

/** Read in one go by the stream, rows. */
const READ_AHEAD = 500;
const OWN = new Set(['schema_migrations', 'schema_lock']);

/**
 * What `mysqldump --single-transaction` does: a transaction that sees the database as it was when it began. Nobody waits for
 * it; only a migration in the middle of it makes it fail, with errno 1412.
 */
export async function openSnapshot(url: string, options: { tls?: KeptTls | null } = {}): Promise<DatabaseSnapshot> {
  const stream = mysql.createConnection({
    uri: url,
    ...tlsOptions(url, options.tls ?? null),
    charset: 'utf8mb4_unicode_ci',
    connectTimeout: 5_000,
  });
  // Whoever waits for an answer is told; a connection that breaks while nobody does is noticed by the next statement.
  stream.on('error', () => {});
  const connection = stream.promise();
  try {
    await connection.query('SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ');
    await connection.query('START TRANSACTION WITH CONSISTENT SNAPSHOT');
    return await describeSnapshot(connection, stream);
  } catch (error) {
    stream.destroy();
    throw error;
  }
}

async function describeSnapshot(connection: Connection, stream: mysql.Connection): Promise<DatabaseSnapshot> {
  const [[version]] = await connection.query<RowDataPacket[]>('SELECT VERSION() AS version');
  const found = await listTables(connection);
  const known = (await listKnownTables()).filter((name) => found.includes(name));
  const [migrations] = await connection.query<RowDataPacket[]>(
    'SELECT name, checksum FROM schema_migrations ORDER BY version',
  );
  const tables: TableShape[] = [];
  for (const name of known) tables.push(await describeTable(connection, name));
  return {
    server: String(version?.version),
    migrations: migrations.map(({ name, checksum }) => ({ name: String(name), checksum: String(checksum) })),
    tables,
    foreign: found.filter((name) => !OWN.has(name) && !known.includes(name)),
    readRows: (table) => readRows(connection, stream, table),
    async readNextId(table) {
      const [[row]] = await connection.query<RowDataPacket[]>('SHOW CREATE TABLE ??', [table]);
      return /\bAUTO_INCREMENT=(\d+)/.exec(String(row?.['Create Table']))?.[1] ?? null;
    },
    // A goodbye would wait for rows that nobody reads any more.
    close: () => stream.destroy(),
  };
}

async function* readRows(
  connection: Connection,
  stream: mysql.Connection,
  { name, columns, key }: TableShape,
): AsyncGenerator<StoredRow> {
  // So that a table that has been read can be altered again.
  await connection.query('SAVEPOINT table_read');
  const order = key.length === 0 ? '' : ' ORDER BY ??';
  const binary = columns.map((column) => column.binary);
  const rows: Readable = stream
    .query({
      sql: mysql.format(`SELECT ?? FROM ??${order}`, [columns.map((column) => column.name), name, [...key]]),
      rowsAsArray: true,
      // As bytes: mysql2 would take MySQL's JSON for binary.
      typeCast: (field) => field.buffer(),
    })
    .stream({ highWaterMark: READ_AHEAD });
  for await (const row of rows as AsyncIterable<(Buffer | null)[]>) {
    yield row.map((value, index) => (value === null || binary[index] ? value : value.toString('utf8')));
  }
  await connection.query('ROLLBACK TO SAVEPOINT table_read');
}
