import { existsSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join, sep } from 'node:path';
import { DESCRIPTOR_MODELS } from '../../lib/descriptor-models.ts';
import { forgetSnapshot } from '../../recognizer/open-gallery.ts';
import { print } from '../client/print.ts';
import { LaunchError } from '../launch-error.ts';
import type { LaunchSettings } from '../launch-settings.ts';
import { createProgress } from '../progress.ts';
import { type DatabasePlace, withDatabasePlace } from '../with-database.ts';
import type { Manifest } from './manifest.ts';
import { restoreBackup } from './restore-backup.ts';
import { writeBackup } from './write-backup.ts';

export interface BackupCommandOptions {
  readonly uploads: boolean;
  readonly json?: boolean;
}

export interface RestoreCommandOptions extends BackupCommandOptions {
  readonly replace?: boolean;
}

/** What has been interrupted. */
const INTERRUPTED = 130;

/** `faceflow backup FOLDER`. @returns the exit code */
export async function backup(
  folder: string,
  version: string,
  { uploads, json }: BackupCommandOptions,
): Promise<number> {
  return untilInterrupted(async (signal) => {
    const progress = createProgress(process.stderr);
    const manifest = await withDatabasePlace(
      { by: 'faceflow backup', asItIs: true, existing: true },
      (database, settings) =>
        writeBackup({ folder, database, photos: choosePhotos(settings, uploads), version, progress, signal }),
    );
    print(json, { folder, ...summarise(manifest) }, `${describe(manifest)} are in ${folder}`);
  });
}

/** `faceflow restore FOLDER`. @returns the exit code */
export async function restore(
  folder: string,
  { uploads, replace = false, json }: RestoreCommandOptions,
): Promise<number> {
  return untilInterrupted(async (signal) => {
    const progress = createProgress(process.stderr);
    const use = { by: 'faceflow restore', alone: true, asItIs: true };
    const manifest = await withDatabasePlace(use, async (database, settings) => {
      if (uploads) refuseMissingFolder(settings);
      return restoreBackup({
        ...{ folder, database, photos: choosePhotos(settings, uploads), replace, progress, signal },
        onBegin: () => forgetWhatWasDerived(database, settings),
      });
    });
    print(json, { folder, ...summarise(manifest) }, `${describe(manifest)} are restored. Start Faceflow again.`);
  });
}

function choosePhotos({ imageRoots: [first] }: LaunchSettings, uploads: boolean): string | null {
  return uploads && first !== undefined ? first : null;
}

/** What lies in the data folder is made; a folder elsewhere is somebody's own, and its absence most likely a slip. */
function refuseMissingFolder({ imageRoots: [first = ''], dataFolder }: LaunchSettings): void {
  if (first.startsWith(`${dataFolder}${sep}`) || existsSync(first)) return;
  throw new LaunchError(`IMAGE_ROOTS: there is no folder ${first} for the uploads (or: --no-uploads)`);
}

/**
 * Copies of the gallery follow the database by its revision, which may have come this far before with other people in it; and
 * what a private queue holds is of rows that are gone.
 */
async function forgetWhatWasDerived(
  { isPrivate }: DatabasePlace,
  { dataFolder, natsUrl, env }: LaunchSettings,
): Promise<void> {
  const snapshots = env.GALLERY_SNAPSHOT || (isPrivate ? join(dataFolder, 'gallery') : null);
  for (const { name } of DESCRIPTOR_MODELS) await forgetSnapshot(snapshots, name);
  if (isPrivate && natsUrl === undefined) await rm(join(dataFolder, 'nats'), { recursive: true, force: true });
}

/** What was begun is tidied away before this process ends. */
async function untilInterrupted(work: (signal: AbortSignal) => Promise<void>): Promise<number> {
  const stop = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stop.abort());
  try {
    await work(stop.signal);
    return 0;
  } catch (error) {
    if (!stop.signal.aborted) throw error;
    process.stderr.write(`\n${error instanceof LaunchError ? error.message : 'Stopped.'}\n`);
    return INTERRUPTED;
  }
}

function summarise({ createdAt, version, database, uploads }: Manifest) {
  return {
    createdAt,
    version,
    server: database.server,
    rows: Object.fromEntries(database.tables.map(({ name, rows }) => [name, rows])),
    leftOut: database.leftOut,
    uploads: uploads?.files ?? null,
    missingUploads: uploads?.missing ?? null,
  };
}

function describe({ database: { tables }, uploads }: Manifest): string {
  const rows = (name: string) => tables.find((table) => table.name === name)?.rows ?? 0;
  const photos = uploads === null ? 'no uploads' : `${uploads.files} uploads`;
  return `${rows('images')} images, ${rows('faces')} faces, ${rows('person')} people and ${photos}`;
}
