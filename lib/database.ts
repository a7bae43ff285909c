import { isIP } from 'node:net';
import mysql from 'mysql2/promise';
import { ConfigError, mysqlUrl } from './env.ts';
import { type KeptTls, tlsKeys } from './tls-files.ts';
import { traceStatement, traceTransaction } from './trace-statements.ts';

/** The environment keys of every service that cannot be without the database. */
export const databaseKeys = { MYSQL_URL: mysqlUrl(), ...tlsKeys('MYSQL') };

/** What statements run on: the pool, or the one connection of a transaction. */
export type Queryable = Pick<mysql.Pool, 'query'>;

export interface Database extends Queryable {
  /**
   * Runs `work` in a transaction and commits it; rolls back when it throws. A deadlock or a Galera certification
   * conflict (1213) and a lock wait that took too long (1205) undo everything and run `work` again, a few times: it
   * must have no effects outside the database.
   *
   * @param options.silenceSeconds after so long without a word from here the server undoes it, and lets go of its locks
   */
  transact<Result>(work: (connection: Queryable) => Promise<Result>, options?: TransactionOptions): Promise<Result>;
  /**
   * Runs one statement that changes data. It commits by itself, which takes one round trip where `transact` takes three,
   * and runs again under the same conditions.
   */
  write(sql: string, values: unknown[]): Promise<WriteResult>;
  /** Throws when no statement that reads or writes data would succeed now. */
  ping(): Promise<void>;
  close(): Promise<void>;
}

export interface TransactionOptions {
  readonly silenceSeconds?: number;
}

export type Row = mysql.RowDataPacket;
export type WriteResult = mysql.ResultSetHeader;

const DEADLOCK = 1213;
const LOCK_WAIT_TIMEOUT = 1205;
const MAX_TRANSACTION_TRIES = 8;

/**
 * Opens a pool of connections to MySQL 8+ or MariaDB 10.6+; nothing is connected before the first statement. Times are
 * UTC, big integers are numbers (ids stay far below 2^53).
 *
 * @param url `mysql://user:password@host:port/database`
 * @param options.tls Null, or absent: without TLS. Otherwise the server must show a certificate of its authority, in the
 *   name of the URL's host; each new connection uses the newest files
 * @throws ConfigError when there is TLS, and the URL names no host but an address
 */
export function openDatabase(url: string, options: { connections?: number; tls?: KeptTls | null } = {}): Database {
  const pool = mysql.createPool({
    uri: url,
    ...tlsOptions(url, options.tls ?? null),
    connectionLimit: options.connections ?? 10,
    timezone: 'Z',
    charset: 'utf8mb4_unicode_ci',
    connectTimeout: 5_000,
    enableKeepAlive: true,
  });
  // The connection queues this before the first statement of its user.
  pool.pool.on('connection', (connection) =>
    connection.query("SET time_zone = '+00:00'", (error) => {
      if (error) connection.destroy();
    }),
  );

  const query = (sql: string, values?: unknown[]) => traceStatement([sql, values], () => pool.query(sql, values));

  return {
    query: query as Queryable['query'],

    transact: (work, options = {}) =>
      traceTransaction(work, (traced) => retryConflicts(() => transactOnce(pool, traced, options))),

    async write(sql, values) {
      const run = () => retryConflicts(() => pool.query<WriteResult>(sql, values));
      const [result] = await traceStatement([sql, values], run);
      return result;
    },

    async ping() {
      // A Galera node without quorum still answers SELECT 1. A server that is no part of a cluster says OFF to both.
      const [variables] = await pool.query<Row[]>("SHOW GLOBAL VARIABLES LIKE 'wsrep_on'");
      if (variables[0]?.Value === 'ON') {
        const [rows] = await pool.query<Row[]>("SHOW GLOBAL STATUS LIKE 'wsrep_ready'");
        if (rows[0]?.Value !== 'ON') throw new Error('The database cluster has no quorum.');
      }
      await pool.query('SELECT 1 FROM images LIMIT 1');
    },

    close: () => pool.end(),
  };
}

/** Whom a connection trusts before the files could be read. */
const NOBODY: string[] = [];

/** For mysql2's connections. It reads the properties of `ssl` at every new one. */
export function tlsOptions(url: string, tls: KeptTls | null): { ssl?: mysql.SslOptions } {
  if (tls === null) return {};
  // mysql2 would compare the certificate with "localhost", whatever the address.
  if (isIP(new URL(url).hostname.replace(/^\[|\]$/g, '')) !== 0) {
    throw new ConfigError(['MYSQL_URL: expected the name of a host, not an address, as MYSQL_TLS_CA_FILE is set']);
  }
  return {
    ssl: {
      verifyIdentity: true,
      minVersion: 'TLSv1.2',
      get ca() {
        return tls.current()?.ca ?? NOBODY;
      },
      get cert() {
        return tls.current()?.cert;
      },
      get key() {
        return tls.current()?.key;
      },
    } as mysql.SslOptions,
  };
}

async function retryConflicts<Result>(run: () => Promise<Result>): Promise<Result> {
  for (let tries = 1; ; tries++) {
    try {
      return await run();
    } catch (error) {
      const { errno } = error as { errno?: number };
      if ((errno !== DEADLOCK && errno !== LOCK_WAIT_TIMEOUT) || tries === MAX_TRANSACTION_TRIES) throw error;
      await new Promise((resolve) => setTimeout(resolve, Math.random() * 10 * 2 ** tries));
    }
  }
}

async function transactOnce<Result>(
  pool: mysql.Pool,
  work: (connection: Queryable) => Promise<Result>,
  { silenceSeconds }: TransactionOptions,
): Promise<Result> {
  const connection = await pool.getConnection();
  // As it was: nobody else's connection may be closed so soon. Not before the end, or its last moment could be silent for ever.
  const restore = async () => {
    if (silenceSeconds !== undefined) await connection.query('SET SESSION wait_timeout = DEFAULT');
  };
  // A connection that cannot even roll back must not go back into the pool.
  const release = () =>
    restore().then(
      () => connection.release(),
      () => connection.destroy(),
    );
  try {
    if (silenceSeconds !== undefined) await connection.query('SET SESSION wait_timeout = ?', [silenceSeconds]);
    await connection.beginTransaction();
    const result = await work(connection);
    await connection.commit();
    await release();
    return result;
  } catch (error) {
    await connection.rollback().then(release, () => connection.destroy());
    throw error;
  }
}

/** A descriptor as it is stored: 32-bit floats, little-endian. */
export function descriptorToBytes(descriptor: Float32Array | readonly number[]): Buffer {
  const bytes = Buffer.alloc(descriptor.length * 4);
  descriptor.forEach((value, index) => {
    bytes.writeFloatLE(value, index * 4);
  });
  return bytes;
}

/** The inverse of `descriptorToBytes`. */
export function descriptorFromBytes(bytes: Buffer): Float32Array {
  const descriptor = new Float32Array(bytes.length / 4);
  for (let i = 0; i < descriptor.length; i++) descriptor[i] = bytes.readFloatLE(i * 4);
  return descriptor;
}
