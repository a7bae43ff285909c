import { existsSync } from 'node:fs';
import { mkdir, open, rename, rm } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { readMigrations } from '../../sql/migrate.ts';
import { type DatabaseSnapshot, openSnapshot, type StoredRow } from '../../sql/read-snapshot.ts';
import { LaunchError } from '../launch-error.ts';
import type { Progress } from '../progress.ts';
import type { DatabasePlace } from '../with-database.ts';
import { type CheckedFile, isDiskError, syncFolder, writeLines } from './checked-files.ts';
import { formatManifest, MANIFEST, type Manifest, type TableBackup } from './manifest.ts';
import { collectNamedUploads, copyUpload, listUploads, type NamedUploads } from './uploads.ts';

export interface BackupOptions {
  /** What the backup will be; it must not be there yet. */
  readonly folder: string;
  readonly database: DatabasePlace;
  /** The first of IMAGE_ROOTS; null: without uploads. */
  readonly photos: string | null;
  readonly version: string;
  readonly progress: Progress;
  readonly signal: AbortSignal;
}

/** Whoever was logged in, and what ran, is not to come back with the data. */
const WITHOUT_ROWS = new Set(['sessions', 'processors', 'replicas']);
/** The database changed its form in the middle of the snapshot. */
const TABLE_DEFINITION_CHANGED = 1412;

/**
 * Backs up one moment of a database and the uploads that it names, while everything runs. The folder gets its name when all is
 * in it and on the disk; until then it is `….unfinished`, which goes when anything goes wrong.
 *
 * @throws LaunchError that says what to do
 */
export async function writeBackup(options: BackupOptions): Promise<Manifest> {
  const folder = resolve(options.folder);
  if (existsSync(folder)) throw new LaunchError(`${folder} is there already: a backup is a new folder each time.`);
  const unfinished = `${folder}.unfinished`;
  await makeFolder(unfinished);
  try {
    const manifest = await fill(unfinished, options);
    await rename(unfinished, folder);
    await syncFolder(dirname(folder));
    return manifest;
  } catch (error) {
    await rm(unfinished, { recursive: true, force: true }).catch(() => undefined);
    if (isDiskError(error)) throw new LaunchError(`The backup cannot be written: ${error.message}`, { cause: error });
    if ((error as { errno?: number }).errno !== TABLE_DEFINITION_CHANGED) throw error;
    throw new LaunchError('The schema of the database was brought up to date meanwhile: make the backup again.');
  }
}

async function makeFolder(unfinished: string): Promise<void> {
  try {
    await mkdir(dirname(unfinished), { recursive: true });
    await mkdir(unfinished, { mode: 0o700 });
  } catch (error) {
    if (existsSync(unfinished)) {
      throw new LaunchError(`${unfinished} is of a backup that is being written, or was cut off: then delete it.`);
    }
    throw isDiskError(error) ? new LaunchError(`The backup cannot be written: ${error.message}`) : error;
  }
}

async function fill(folder: string, options: BackupOptions): Promise<Manifest> {
  const { progress, signal, photos, database: place } = options;
  if (photos !== null) await refuseUnusableDatabase(place);
  // First, and without a snapshot being open: it may take hours, and what is deleted meanwhile is there all the same.
  const copied = new Map<string, CheckedFile>();
  const copy = async (path: string, report: (text: string) => void) => {
    signal.throwIfAborted();
    const file = await copyUpload(path, photos ?? '', folder);
    if (file !== null) copied.set(path, file);
    report(`${copied.size}`);
  };
  if (photos !== null) {
    await progress.step(
      'Copying uploads',
      async (report) => {
        for await (const path of listUploads(photos)) await copy(path, report);
      },
      () => `${copied.size} uploads copied`,
    );
  }
  const named = collectNamedUploads();
  const createdAt = new Date().toISOString();
  const database = await readDatabase(folder, named, options);
  const uploads = photos === null ? null : await settleUploads({ folder, photos, named, copied, copy, progress });
  const body = { version: options.version, createdAt, database, uploads };
  await writeManifest(folder, formatManifest(body));
  return { format: 1, ...body };
}

async function readDatabase(
  folder: string,
  named: NamedUploads,
  { database, progress, signal }: BackupOptions,
): Promise<Manifest['database']> {
  const snapshot = await openSnapshot(database.url, { tls: database.tls });
  try {
    await refuseUnknownSchema(snapshot);
    await mkdir(join(folder, 'database'), { mode: 0o700 });
    const tables: TableBackup[] = [];
    await progress.step(
      'Reading the database',
      async (report) => {
        for (const table of snapshot.tables) {
          let rows = 0;
          const lines = async function* () {
            if (WITHOUT_ROWS.has(table.name)) return;
            for await (const row of snapshot.readRows(table)) {
              signal.throwIfAborted();
              named.see(table, row);
              if (++rows % 1000 === 0) report(`${table.name}, ${rows} rows`);
              yield formatRow(row);
            }
          };
          const file = `database/${table.name}.jsonl.gz`;
          const written = await writeLines(join(folder, file), lines());
          tables.push({
            ...table,
            columns: [...table.columns],
            key: [...table.key],
            rows,
            nextId: await snapshot.readNextId(table.name),
            file,
            ...written,
          });
        }
      },
      () => `${tables.reduce((sum, { rows }) => sum + rows, 0)} rows of ${tables.length} tables read`,
    );
    const { server, migrations, foreign } = snapshot;
    return { server, migrations: [...migrations], tables, leftOut: [...foreign] };
  } finally {
    snapshot.close();
  }
}

/** Text as it is, bytes as base64: the table's columns say which is which. */
function formatRow(row: StoredRow): string {
  return JSON.stringify(row.map((value) => (Buffer.isBuffer(value) ? value.toString('base64') : value)));
}

/** Before hours of copying, not after them. */
async function refuseUnusableDatabase({ url, tls }: DatabasePlace): Promise<void> {
  const snapshot = await openSnapshot(url, { tls });
  await refuseUnknownSchema(snapshot).finally(() => snapshot.close());
}

/** What a newer version added would be left out, silently. */
async function refuseUnknownSchema({ migrations }: DatabaseSnapshot): Promise<void> {
  const known = new Set((await readMigrations()).map(({ name }) => name));
  const unknown = migrations.filter(({ name }) => !known.has(name));
  if (unknown.length === 0) return;
  throw new LaunchError(
    `The database was brought up to date by a newer version of Faceflow (${unknown.map(({ name }) => name).join(', ')}): back it up with that.`,
  );
}

/** Copies what came between the first look and the snapshot, and removes what the snapshot does not name: somebody was erased. */
async function settleUploads({
  folder,
  photos,
  named,
  copied,
  copy,
  progress,
}: {
  folder: string;
  photos: string;
  named: NamedUploads;
  copied: Map<string, CheckedFile>;
  copy: (path: string, report: (text: string) => void) => Promise<void>;
  progress: Progress;
}): Promise<NonNullable<Manifest['uploads']>> {
  for (const path of named.paths) if (!copied.has(path)) await copy(path, () => {});
  for (const path of [...copied.keys()].filter((one) => !named.has(one))) {
    await rm(join(folder, path));
    copied.delete(path);
  }
  const missing = [...named.paths].filter((path) => !copied.has(path)).length;
  if (missing > 0 && copied.size === 0) {
    throw new LaunchError(
      `The database names ${missing} uploads, and none is below ${photos}: give IMAGE_ROOTS as the receiver has it, or --no-uploads.`,
    );
  }
  if (missing > 0)
    progress.say(`! ${missing} uploads that the database names are not below ${photos}: deleted meanwhile, or lost`);
  const lines = [...copied].map(([path, { bytes, sha256 }]) => JSON.stringify([path, bytes, sha256]));
  const list = 'uploads.jsonl.gz';
  return { files: copied.size, missing, list: { file: list, ...(await writeLines(join(folder, list), lines)) } };
}

async function writeManifest(folder: string, text: string): Promise<void> {
  const handle = await open(join(folder, MANIFEST), 'wx', 0o600);
  try {
    await handle.writeFile(text);
    await handle.sync();
  } finally {
    await handle.close();
  }
  await syncFolder(folder);
}
