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
import { loadLaunchSettings, readDotEnv } from './launch-settings.ts';
import { createProgress } from './progress.ts';
import { askDatabase, prepareDatabase } from './servers/database-server.ts';
import { findPrograms } from './servers/find-server-programs.ts';
import { supervise } from './supervise.ts';

const PROJECT = fileURLToPath(new URL(import.meta.url.endsWith('.ts') ? '..' : '../..', import.meta.url));

/**
 * Does something with the database that `npm start` would use here: that of MYSQL_URL, else the private one of DATA_DIR,
 * which, unless it runs, is started for as long as this takes, and made where there is none yet.
 *
 * @throws LaunchError that says what to do
 */
export async function withDatabase<Result>(work: (db: Database) => Promise<Result>): Promise<Result> {
  readDotEnv();
  const settings = await loadLaunchSettings(process.env);
  const { mysqlUrl, dataFolder } = settings;
  const running = mysqlUrl ?? (await findRunningDatabase(dataFolder));
  if (running === undefined) return withPrivateDatabase(dataFolder, work);
  return workOn(running, work, await openDatabaseTls(settings)).catch((error: unknown) => {
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

async function workOn<Result>(
  url: string,
  work: (db: Database) => Promise<Result>,
  tls: KeptTls | null = null,
): Promise<Result> {
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
  work: (db: Database) => Promise<Result>,
): Promise<Result> {
  const progress = createProgress(process.stderr);
  const databaseFolder = join(dataFolder, 'database');
  const lock = await lockDataFolder(dataFolder, 'faceflow keys', (text) => progress.say(`… ${text}`));
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
    return await migrate(server.url)
      .then(() => workOn(server.url, work))
      .finally(() => server.supervised.stop());
  } finally {
    lock.release();
  }
}
