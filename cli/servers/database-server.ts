import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { openDatabase } from '../../lib/database.ts';
import type { KeptTls } from '../../lib/tls-files.ts';
import { chooseFreePort } from '../free-port.ts';
import { LaunchError } from '../launch-error.ts';
import { runCommand } from '../run-command.ts';
import type { Program } from '../supervise.ts';
import type { DatabaseProgram } from './database-program.ts';

/** What a data folder keeps about its database server, in a file that only its owner may read. */
interface DatabaseAccount {
  kind: DatabaseProgram['kind'];
  version: string;
  password: string;
  port: number;
}

export interface PreparedServer {
  program: Program;
  url: string;
}

export const DATABASE_USER = 'faceflow';
export const DATABASE_NAME = 'faceflow';

/** Beside the data, for this server alone: one that starts deletes temporary tables in its folder, whoever's they are. */
const TEMPORARY = 'temporary';

/**
 * Makes `folder` hold a database server's data, once, and says how to run it: on a loopback port that stays the same as
 * long as it is free, with one account, `faceflow`, that owns the databases `faceflow` and `faceflow_…`. The data is
 * built beside and moved into place, so that an interrupted start leaves nothing half-made.
 * Throws a LaunchError when the folder's data belongs to the other kind of server.
 */
export async function prepareDatabase(program: DatabaseProgram, folder: string): Promise<PreparedServer> {
  await mkdir(join(folder, TEMPORARY), { recursive: true, mode: 0o700 });
  const data = join(folder, 'data');
  const accountFile = join(folder, 'account.json');
  if (!existsSync(data)) await createData(program, folder, accountFile);
  const account = JSON.parse(await readFile(accountFile, 'utf8')) as DatabaseAccount;
  if (account.kind !== program.kind) {
    throw new LaunchError(
      `The database in ${folder} was made by ${account.kind} ${account.version}, but what was found on this machine is ` +
        `${program.kind} ${program.version}. Put the former on the PATH, or choose another data folder with DATA_DIR.`,
    );
  }
  const port = await chooseFreePort(account.port);
  if (port !== account.port) await writePrivately(accountFile, { ...account, port });
  const url = `mysql://${DATABASE_USER}:${account.password}@127.0.0.1:${port}/${DATABASE_NAME}`;
  return { url, program: describeRun(program, data, port, url) };
}

/** Which kind of server the data of a folder belongs to; null when there is none yet. */
export async function kindOfData(folder: string): Promise<DatabaseProgram['kind'] | null> {
  if (!existsSync(join(folder, 'data'))) return null;
  return (JSON.parse(await readFile(join(folder, 'account.json'), 'utf8')) as DatabaseAccount).kind;
}

async function createData(program: DatabaseProgram, folder: string, accountFile: string): Promise<void> {
  const password = randomBytes(24).toString('base64url');
  const workshop = join(folder, 'data.unfinished');
  await rm(workshop, { recursive: true, force: true });
  await mkdir(workshop, { mode: 0o700 });
  if (program.kind === 'mariadb') await bootstrapMariadb(program, workshop, password);
  else await initializeMysql(program, workshop, password);
  const { kind, version } = program;
  await writePrivately(accountFile, { kind, version, password, port: await chooseFreePort() });
  await rename(workshop, join(folder, 'data'));
}

async function writePrivately(file: string, account: DatabaseAccount): Promise<void> {
  await writeFile(`${file}.new`, `${JSON.stringify(account, null, 2)}\n`, { mode: 0o600 });
  await rename(`${file}.new`, file);
}

/**
 * What `mariadb-install-db` does, without the client programs that it needs: the server's own SQL, one statement a line.
 * The files are named mysql_… until MariaDB 10.11 and mariadb_… from 11 on.
 */
async function bootstrapMariadb(program: DatabaseProgram, data: string, password: string): Promise<void> {
  const names = ['system_tables', 'performance_tables', 'system_tables_data'];
  const files = names.map((name) =>
    ['mariadb', 'mysql']
      .map((brand) => join(program.shareFolder, `${brand}_${name}.sql`))
      .find((file) => existsSync(file)),
  );
  const scripts = await Promise.all(
    files.map((file, index) => {
      if (!file) throw new LaunchError(`MariaDB's ${names[index]}.sql is missing from ${program.shareFolder}`);
      return readFile(file, 'utf8');
    }),
  );
  const sql = [
    'create database mysql;',
    'use mysql;',
    'SET @auth_root_socket=NULL;',
    ...scripts,
    // Whoever could connect without our password: root and, with some builds, a nameless user.
    "DELETE FROM global_priv WHERE User <> 'mariadb.sys';",
    "DELETE FROM db WHERE User <> 'mariadb.sys';",
    'FLUSH PRIVILEGES;',
    ...accountStatements(password),
  ];
  await runServer(
    program,
    ['--bootstrap', ...folders(program, data), '--skip-log-bin', '--innodb-buffer-pool-size=64M'],
    `${sql.join('\n')}\n`,
  );
}

async function initializeMysql(program: DatabaseProgram, data: string, password: string): Promise<void> {
  const initFile = join(data, '..', 'accounts.sql');
  const lockRoot = "ALTER USER 'root'@'localhost' ACCOUNT LOCK;";
  await writeFile(initFile, `${[...accountStatements(password), lockRoot].join('\n')}\n`, { mode: 0o600 });
  try {
    const args = ['--initialize-insecure', `--init-file=${initFile}`, '--secure-file-priv=', ...folders(program, data)];
    await runServer(program, args, '');
  } finally {
    await rm(initFile, { force: true });
  }
}

function accountStatements(password: string): string[] {
  return [
    `CREATE DATABASE ${DATABASE_NAME} CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci;`,
    ...['127.0.0.1', 'localhost'].flatMap((host) => [
      `CREATE USER '${DATABASE_USER}'@'${host}' IDENTIFIED BY '${password}';`,
      `GRANT ALL ON ${DATABASE_NAME}.* TO '${DATABASE_USER}'@'${host}';`,
      `GRANT ALL ON \`${DATABASE_NAME}\\_%\`.* TO '${DATABASE_USER}'@'${host}';`,
    ]),
  ];
}

async function runServer(program: DatabaseProgram, args: readonly string[], input: string): Promise<void> {
  const all = [...program.prefix, '--no-defaults', ...args, ...asRoot()];
  await runCommand(program.command, all, { env: { ...process.env, ...program.env }, input });
}

function folders(program: DatabaseProgram, data: string): string[] {
  return [
    `--datadir=${data}`,
    `--tmpdir=${join(data, '..', TEMPORARY)}`,
    `--basedir=${program.baseFolder}`,
    `--lc-messages-dir=${program.shareFolder}`,
  ];
}

/** The server refuses to run as root unless it is told to. */
function asRoot(): string[] {
  return process.getuid?.() === 0 ? ['--user=root'] : [];
}

function describeRun(program: DatabaseProgram, data: string, port: number, url: string): Program {
  const brand =
    program.kind === 'mariadb'
      ? ['--skip-log-bin']
      : ['--disable-log-bin', '--mysqlx=OFF', '--secure-file-priv=', '--innodb-redo-log-capacity=100M'];
  return {
    name: program.kind === 'mariadb' ? 'MariaDB' : 'MySQL',
    command: program.command,
    args: [
      ...program.prefix,
      '--no-defaults',
      ...folders(program, data),
      // Relative, so in the data folder: a socket's path may have about 100 bytes, a data folder's more.
      '--socket=server.sock',
      '--pid-file=server.pid',
      '--bind-address=127.0.0.1',
      `--port=${port}`,
      '--skip-name-resolve',
      '--innodb-buffer-pool-size=64M',
      '--performance-schema=OFF',
      ...brand,
      ...asRoot(),
    ],
    env: { ...process.env, ...program.env },
    cwd: data,
    ready: () => askDatabase(url),
    readyWithinMs: 60_000,
    // MariaDB ignores SIGINT.
    stopSignal: 'SIGTERM',
    stopWithinMs: 20_000,
  };
}

/** Throws unless a database answers at the URL. */
export async function askDatabase(url: string, tls: KeptTls | null = null): Promise<void> {
  const database = openDatabase(url, { connections: 1, tls });
  try {
    await database.query('SELECT 1');
  } finally {
    await database.close();
  }
}
