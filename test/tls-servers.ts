import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { pino } from 'pino';
import { chooseFreePort } from '../cli/free-port.ts';
import { invoke } from '../cli/servers/database-program.ts';
import { prepareDatabase } from '../cli/servers/database-server.ts';
import { findPrograms } from '../cli/servers/find-server-programs.ts';
import { askNats } from '../cli/servers/nats-server.ts';
import { type Program, type Supervised, supervise } from '../cli/supervise.ts';
import { type Database, openDatabase } from '../lib/database.ts';
import { keepTls } from '../lib/tls-files.ts';
import { splitStatements } from '../sql/migrate.ts';
import { type Authority, createAuthority, writeTlsFiles } from './certificates.ts';
import { testCacheFolder } from './servers.ts';

const PROJECT = fileURLToPath(new URL('..', import.meta.url));
const run = promisify(execFile);

export type Account = 'migrate' | 'receiver' | 'processor' | 'recognizer';
const ACCOUNTS: readonly Account[] = ['migrate', 'receiver', 'processor', 'recognizer'];

type FileKey = `${'MYSQL' | 'NATS' | 'GRPC'}_TLS_${'CA' | 'CERT' | 'KEY'}_FILE`;
export type ServerSettings = Record<'MYSQL_URL' | 'NATS_URL' | FileKey, string>;

export interface TlsServers {
  readonly authority: Authority;
  /** What a service is told of the servers: its own accounts, its own certificate (`cert.pem` and so on in `folderOf`). */
  settings(account: Account): ServerSettings;
  folderOf(account: Account): string;
  /** As the owner of everything. */
  readonly db: Database;
  stop(): Promise<void>;
}

/** Starts with a digit, as every second one that a person makes with `openssl rand -hex` does. */
const passwordOf = (account: Account) => `1e5${account}`;

/**
 * A database and a NATS server that are reached by TLS with a client's certificate only, with the accounts and permissions
 * of deploy/, migrated and granted by the compiled `sql/main.js`.
 */
export async function startTlsServers(): Promise<TlsServers> {
  const folder = await mkdtemp(join(tmpdir(), 'faceflow-tls-servers-'));
  const authority = createAuthority('Faceflow test authority');
  const server = await writeTlsFiles(join(folder, 'server'), authority.cert, authority.issue(['localhost']));
  const folderOf = (account: Account) => join(folder, account);
  for (const account of ACCOUNTS) await writeTlsFiles(folderOf(account), authority.cert, authority.issue([account]));

  const started: Supervised[] = [];
  const start = async (program: Program) => {
    started.push(
      await supervise(program, { onLine: () => {}, onEvent: ({ text }) => console.warn(program.name, text) }),
    );
  };
  const programs = await findPrograms({
    ...{ needDatabase: true, needNats: true, databaseFolder: join(folder, 'database') },
    ...{ cacheFolder: testCacheFolder(), report: () => {} },
  });
  if (programs.database === null || programs.nats === null) throw new Error('a server program is missing');

  const prepared = await prepareDatabase(programs.database.program, join(folder, 'database'));
  const owner = new URL(prepared.url);
  owner.hostname = 'localhost';
  const stopWatching = new AbortController();
  const { ca: MYSQL_TLS_CA_FILE, cert: MYSQL_TLS_CERT_FILE, key: MYSQL_TLS_KEY_FILE } = server;
  const tls = await keepTls(
    'MYSQL',
    { MYSQL_TLS_CA_FILE, MYSQL_TLS_CERT_FILE, MYSQL_TLS_KEY_FILE },
    { log: pino({ level: 'silent' }), signal: stopWatching.signal },
  );
  const db = openDatabase(owner.href, { tls, connections: 2 });
  const args = [`--ssl-ca=${server.ca}`, `--ssl-cert=${server.cert}`, `--ssl-key=${server.key}`];
  await start({
    ...prepared.program,
    args: [
      ...prepared.program.args,
      ...args,
      '--require-secure-transport=ON',
      `--init-file=${await writeAccounts(folder)}`,
    ],
    ready: () => db.query('SELECT 1'),
  });

  const natsPort = await chooseFreePort();
  await start(await describeNats(invoke(programs.nats.place), join(folder, 'nats'), natsPort, server));

  const settings = (account: Account): ServerSettings => {
    const mysqlUrl = new URL(owner);
    mysqlUrl.username = `faceflow_${account}`;
    mysqlUrl.password = passwordOf(account);
    const files = ['MYSQL', 'NATS', 'GRPC'].flatMap((peer) =>
      ['ca', 'cert', 'key'].map((it) => [`${peer}_TLS_${it.toUpperCase()}_FILE`, join(folderOf(account), `${it}.pem`)]),
    );
    return {
      MYSQL_URL: mysqlUrl.href,
      NATS_URL: `nats://${account}:${passwordOf(account)}@localhost:${natsPort}`,
      ...(Object.fromEntries(files) as Record<FileKey, string>),
    };
  };
  // The recognizer is a server, too.
  await writeTlsFiles(folderOf('recognizer'), authority.cert, authority.issue(['localhost']));
  const env = { ...process.env, ...settings('migrate'), MYSQL_SERVICE_USERS: 'true' };
  await run(process.execPath, [join(PROJECT, 'dist/sql/main.js')], { env });

  return {
    ...{ authority, settings, folderOf, db },
    async stop() {
      await db.close();
      stopWatching.abort();
      for (const one of started.reverse()) await one.stop();
      await rm(folder, { recursive: true });
    },
  };
}

/** What deploy/mysql/create-accounts.sh makes, one statement a line, as an init file wants it. */
async function writeAccounts(folder: string): Promise<string> {
  const passwords = Object.fromEntries(
    ACCOUNTS.map((account) => [`MYSQL_${account.toUpperCase()}_PASSWORD`, passwordOf(account)]),
  );
  const script = join(PROJECT, 'deploy/mysql/create-accounts.sh');
  const env = { PATH: process.env.PATH, ...passwords, MYSQL_TLS: 'true', MYSQL_CLIENT: 'cat' };
  const { stdout } = await run('sh', [script], { env });
  const file = join(folder, 'accounts.sql');
  const lines = splitStatements(stdout).map((statement) => `${statement.replaceAll('\n', ' ')};\n`);
  await writeFile(file, lines.join(''), { mode: 0o600 });
  return file;
}

/** NATS as deploy/nats/tls.conf has it, at other places. */
async function describeNats(
  { command, prefix, env }: ReturnType<typeof invoke>,
  folder: string,
  port: number,
  files: { ca: string; cert: string; key: string },
): Promise<Program> {
  await mkdir(folder);
  const places: [string, string][] = [
    ['"0.0.0.0:4222"', `"127.0.0.1:${port}"`],
    ['8222', String(await chooseFreePort())],
    ['"/data"', JSON.stringify(join(folder, 'data'))],
    ['/tls/ca.crt', files.ca],
    ['/tls/tls.crt', files.cert],
    ['/tls/tls.key', files.key],
  ];
  for (const name of ['nats.conf', 'services.conf', 'tls.conf']) {
    const text = await readFile(join(PROJECT, 'deploy/nats', name), 'utf8');
    const here = places.reduce((moved, [from, to]) => moved.replace(from, to), text);
    await writeFile(join(folder, name), here);
  }
  const passwords = {
    NATS_RECEIVER_QUOTED: JSON.stringify(passwordOf('receiver')),
    NATS_PROCESSOR_QUOTED: JSON.stringify(passwordOf('processor')),
  };
  return {
    name: 'NATS',
    command,
    args: [...prefix, '-c', join(folder, 'tls.conf')],
    env: { ...process.env, ...env, ...passwords },
    cwd: folder,
    ready: () => askNats(port),
    readyWithinMs: 60_000,
    stopSignal: 'SIGINT',
    stopWithinMs: 10_000,
  };
}
