import { existsSync } from 'node:fs';
import { mkdir, rename, rm } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { openDatabase } from '../../lib/database.ts';
import { messageOf } from '../../lib/errors.ts';
import { listReplicas } from '../../lib/replicas.ts';
import { openLoader, type RowLoader } from '../../sql/load-rows.ts';
import { migrate, readMigrations } from '../../sql/migrate.ts';
import type { StoredRow } from '../../sql/read-snapshot.ts';
import { LaunchError } from '../launch-error.ts';
import type { Progress } from '../progress.ts';
import type { DatabasePlace } from '../with-database.ts';
import { checkFile, copyChecked, isDiskError, readLines } from './checked-files.ts';
import { type Manifest, readManifest, type TableBackup } from './manifest.ts';

export interface RestoreOptions {
  /** The backup. */
  readonly folder: string;
  readonly database: DatabasePlace;
  /** The first of IMAGE_ROOTS; null: without uploads. */
  readonly photos: string | null;
  /** What is in the database may go. */
  readonly replace: boolean;
  readonly progress: Progress;
  readonly signal: AbortSignal;
  /** Called when nothing can be found wrong with the backup or the database any more, before anything changes. */
  readonly onBegin: () => Promise<void>;
}

interface Upload {
  readonly path: string;
  readonly bytes: number;
  readonly sha256: string;
}

/**
 * Puts a backup into a database, with the schema that it had, and brings that up to date afterwards. Everything is checked
 * before anything changes; the database is unusable until all is in it.
 *
 * @throws LaunchError that says what to do
 */
export async function restoreBackup(options: RestoreOptions): Promise<Manifest> {
  const folder = resolve(options.folder);
  const { progress, photos } = options;
  const manifest = await readManifest(folder);
  await refuseNewerSchema(manifest);
  // Checking all files may take hours: what is wrong with the database is said before, and looked for again after it.
  await (await openEmptyDatabase(options)).close();
  const uploads = photos === null || manifest.uploads === null ? [] : await listUploadsOf(folder, manifest.uploads);
  await progress.step(
    'Checking the backup',
    (report) => checkBackup(folder, manifest, uploads, { ...options, report }),
    () => `${manifest.database.tables.length + uploads.length} files of the backup are as they were written`,
  );
  const loader = await openEmptyDatabase(options);
  try {
    await options.onBegin();
    if (photos !== null && uploads.length > 0) {
      await restoreUploads(folder, photos, uploads, options).catch((error: unknown) => {
        throw isDiskError(error) ? new LaunchError(`The uploads cannot be restored: ${error.message}`) : error;
      });
    }
    await restoreDatabase(folder, manifest, loader, options).catch((error: unknown) => {
      const reason = options.signal.aborted ? 'Stopped' : describeFailure(error);
      const message = `${reason}. Nothing can be started on this database until the restore has been run again.`;
      throw new LaunchError(message, { cause: error });
    });
  } finally {
    await loader.close();
  }
  return manifest;
}

/** Full to whoever writes rows: there is no room for them (1114), or for temporary files (1021). */
const DISK_FULL = new Set([1114, 1021]);

function describeFailure(error: unknown): string {
  const full = DISK_FULL.has((error as { errno?: number }).errno ?? 0);
  return full ? `The disk of the database is full (${messageOf(error)})` : messageOf(error);
}

async function refuseNewerSchema({ database: { migrations } }: Manifest): Promise<void> {
  const known = new Map((await readMigrations()).map(({ name, checksum }) => [name, checksum]));
  const unknown = migrations.filter(({ name, checksum }) => known.get(name) !== checksum);
  if (unknown.length === 0) return;
  throw new LaunchError(
    `The backup is of another version of Faceflow, whose schema this one does not know (${unknown.map(({ name }) => name).join(', ')}): restore it with that, or a newer one.`,
  );
}

async function listUploadsOf(folder: string, { files, list }: NonNullable<Manifest['uploads']>): Promise<Upload[]> {
  await compare(folder, list.file, list);
  const uploads: Upload[] = [];
  for await (const line of readLines(join(folder, list.file))) {
    const [path, bytes, sha256] = JSON.parse(line) as [string, number, string];
    uploads.push({ path, bytes, sha256 });
  }
  if (uploads.length !== files) throw damaged(list.file);
  return uploads;
}

async function checkBackup(
  folder: string,
  { database }: Manifest,
  uploads: readonly Upload[],
  { signal, report }: { signal: AbortSignal; report: (text: string) => void },
): Promise<void> {
  const files = [...database.tables.map((table) => ({ ...table, path: table.file })), ...uploads];
  for (const [index, { path, ...expected }] of files.entries()) {
    signal.throwIfAborted();
    await compare(folder, path, expected);
    report(`${index + 1} of ${files.length}`);
  }
}

async function compare(folder: string, file: string, expected: { bytes: number; sha256: string }): Promise<void> {
  const found = await checkFile(join(folder, file)).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return null;
    throw error;
  });
  if (found?.sha256 !== expected.sha256 || found.bytes !== expected.bytes) throw damaged(file);
}

function damaged(file: string): LaunchError {
  return new LaunchError(
    `The backup is damaged: ${file} is missing, or is not as it was written. Nothing was changed.`,
  );
}

/** A database that nobody works with, and whose data, if there is any, may go. */
async function openEmptyDatabase({ database, replace }: RestoreOptions): Promise<RowLoader> {
  await refuseRunning(database);
  const loader = await openLoader(database.url, { tls: database.tls });
  try {
    if (replace || (await loader.isEmpty())) return loader;
    throw new LaunchError('There is data in the database already. To have it replaced by the backup: --replace');
  } catch (error) {
    await loader.close();
    throw error;
  }
}

/** Whoever works meanwhile would write into tables that come and go, and believe afterwards what was read before. */
async function refuseRunning({ url, tls }: DatabasePlace): Promise<void> {
  const db = openDatabase(url, { connections: 1, tls });
  const running = await listReplicas(db)
    .catch((error: { code?: string }) => {
      if (error.code === 'ER_NO_SUCH_TABLE') return null;
      throw error;
    })
    .finally(() => db.close());
  if (running === null || running.length === 0) return;
  throw new LaunchError(
    'Faceflow runs on this database: stop all its services first (one that was killed counts for another half minute).',
  );
}

async function restoreUploads(
  folder: string,
  photos: string,
  uploads: readonly Upload[],
  { progress, signal }: RestoreOptions,
): Promise<void> {
  await progress.step(
    'Copying uploads',
    async (report) => {
      for (const [index, { path, sha256 }] of uploads.entries()) {
        signal.throwIfAborted();
        report(`${index + 1} of ${uploads.length}`);
        const target = join(photos, path);
        if (existsSync(target) && (await checkFile(target)).sha256 === sha256) continue;
        await mkdir(dirname(target), { recursive: true });
        const partial = join(photos, 'uploads', `.${sha256}.part`);
        await rm(partial, { force: true });
        // As the receiver writes them: recognizers may run as somebody else.
        await copyChecked(join(folder, path), partial, 0o666);
        await rename(partial, target);
      }
    },
    () => `${uploads.length} uploads are in ${photos}`,
  );
}

async function restoreDatabase(
  folder: string,
  { database }: Manifest,
  loader: RowLoader,
  { database: { url, tls }, progress, signal }: RestoreOptions,
): Promise<void> {
  const all = database.tables.reduce((sum, { rows }) => sum + rows, 0);
  await progress.step(
    'Filling the database',
    async (report) => {
      await loader.begin();
      const { name } = database.migrations.at(-1) as Manifest['database']['migrations'][number];
      await migrate(url, { tls, upTo: name, restoring: true });
      let done = 0;
      const onRows = (count: number) => {
        signal.throwIfAborted();
        done += count;
        report(`${done} of ${all} rows`);
      };
      for (const table of database.tables) {
        const rows = await loader.load(table, parseRows(folder, table), { nextId: table.nextId, onRows });
        if (rows !== table.rows) throw new Error(`${table.name} has ${rows} rows, and the backup ${table.rows}.`);
      }
      await migrate(url, { tls, restoring: true });
      await loader.finish();
    },
    () => `${all} rows are in the database, and its schema is up to date`,
  );
}

async function* parseRows(folder: string, { file, columns }: TableBackup): AsyncGenerator<StoredRow> {
  for await (const line of readLines(join(folder, file))) {
    const row = JSON.parse(line) as (string | null)[];
    yield row.map((value, index) => (value !== null && columns[index]?.binary ? Buffer.from(value, 'base64') : value));
  }
}
