import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Database, openDatabase } from '../lib/database.ts';
import { messageOf, PermanentError } from '../lib/errors.ts';
import type { KeptTls } from '../lib/tls-files.ts';
import { migrate } from '../sql/migrate.ts';
import { chooseCacheFolder } from './cache-folder.ts';
import { lockDataFolder } from './data-folder-lock.ts';
import { openDatabaseTls } from './database-tls.ts';
import { LaunchError } from './launch-error.ts';
import { type LaunchSettings, loadLaunchSettings, readDotEnv } from './launch-settings.ts';
import { createProgress } from './progress.ts';
import { askDatabase, kindOfData, prepareDatabase } from './servers/database-server.ts';
import { findPrograms } from './servers/find-server-programs.ts';
import { supervise } from './supervise.ts';

const PROJECT = fileURLToPath(new URL(import.meta.url.endsWith('.ts') ? '..' : '../..', import.meta.url));

/** Where a database is. */
export interface DatabasePlace {
  readonly url: string;
  readonly tls: KeptTls | null;
  /** Private to a data folder: Faceflow alone uses it. */
  readonly isPrivate: boolean;
}

export interface DatabaseUse {
  /** Who uses it, for whoever finds the data folder in use: `faceflow keys`. */
  readonly by: string;
  /** The private one must not run: nobody else is to use it meanwhile. */
  readonly alone?: boolean;
  /** The schema of a private one that has to be started is left as it is. */
  readonly asItIs?: boolean;
  /** A private one is not made. */
  readonly existing?: boolean;
}

/**
 * Does something with the database that `npm start` would use here: that of MYSQL_URL, else the private one of DATA_DIR,
 * which, unless it runs, is started for as long as this takes, and made where there is none yet.
 *
 * @throws LaunchError that says what to do
 */
export async function withDatabase<Result>(work: (db: Database) => Promise<Result>): Promise<Result> {
  return withDatabasePlace({ by: 'faceflow keys' }, (place) => workOn(place, work));
}

/** The same, for work that opens connections of its own. */
export async function withDatabasePlace<Result>(
  use: DatabaseUse,
  work: (place: DatabasePlace, settings: LaunchSettings) => Promise<Result>,
): Promise<Result> {
  readDotEnv();
  const settings = await loadLaunchSettings(process.env);
  const { mysqlUrl, dataFolder } = settings;
  const running = mysqlUrl ?? (use.alone ? undefined : await findRunningDatabase(dataFolder));
  if (running === undefined) {
    if (use.existing && (await kindOfData(join(dataFolder, 'database'))) === null) {
      throw new LaunchError(`There is no database in ${dataFolder}: say where it is, by DATA_DIR or MYSQL_URL.`);
    }
    return withPrivateDatabase(dataFolder, use, (place) => work(place, settings));
  }
  const place = { url: running, tls: await openDatabaseTls(settings), isPrivate: mysqlUrl === undefined };
  return work(place, settings).catch((error: unknown) => {
    if (error instanceof PermanentError) throw error;
    const { code } = error as { code?: unknown };
    if (code === 'ER_NO_SUCH_TABLE') {
      throw new LaunchError('The database has not been set up yet: npm start does it, or node dist/sql/main.js');
    }
    // Of the network, of TLS, or of the server itself: the rest is a mistake of ours.
    if (typeof code !== 'string') throw error;
    throw new LaunchError(`The database cannot be used: ${messageOf(error)} (MYSQL_URL says which)`);
  });
}

async function workOn<Result>({ url, tls }: DatabasePlace, work: (db: Database) => Promise<Result>): Promise<Result> {
  const db = openDatabase(url, { connections: 1, tls });
  return work(db).finally(() => db.close());
}

/** Undefined: nothing runs on this data folder now. */
async function findRunningDatabase(dataFolder: string): Promise<string | undefined> {
  const text = await readFile(join(dataFolder, 'servers.env'), 'utf8').catch(() => '');
  const [, url] = /^MYSQL_URL='(.*)'$/m.exec(text) ?? [];
  if (url === undefined) return undefined;
  return askDatabase(url).then(
    () => url,
    () => undefined,
  );
}

async function withPrivateDatabase<Result>(
  dataFolder: string,
  use: DatabaseUse,
  work: (place: DatabasePlace) => Promise<Result>,
): Promise<Result> {
  const progress = createProgress(process.stderr);
  const databaseFolder = join(dataFolder, 'database');
  const lock = await lockDataFolder(dataFolder, use.by, (text) => progress.say(`… ${text}`));
  try {
    const server = await progress.step('Starting the database', async (report) => {
      const cacheFolder = chooseCacheFolder(process.env, PROJECT, dataFolder);
      const { database } = await findPrograms({
        needDatabase: true,
        needNats: false,
        databaseFolder,
        cacheFolder,
        report,
      });
      if (database === null) throw new Error('no database program');
      const { program, url } = await prepareDatabase(database.program, databaseFolder);
      const options = { onLine: () => {}, onEvent: () => {}, keepOpen: lock.keepOpen };
      return { url, supervised: await supervise(program, options) };
    });
    try {
      if (!use.asItIs) await migrate(server.url);
      return await work({ url: server.url, tls: null, isPrivate: true });
    } finally {
      await server.supervised.stop();
    }
  } finally {
    lock.release();
  }
}
