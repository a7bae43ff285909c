import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { isUpload } from '../../receiver/name-upload.ts';
import type { TableShape } from '../../sql/known-tables.ts';
import type { StoredRow } from '../../sql/read-snapshot.ts';
import { type CheckedFile, copyChecked } from './checked-files.ts';

/** Uploads that the rows of a database name: by their path, or, as references do, by their content. */
export interface NamedUploads {
  see(table: TableShape, row: StoredRow): void;
  has(path: string): boolean;
  /** Paths, relative to the folder of photos. */
  readonly paths: ReadonlySet<string>;
}

export function collectNamedUploads(): NamedUploads {
  const paths = new Set<string>();
  const hashes = new Set<string>();
  return {
    paths,
    see({ name, columns }, row) {
      const value = (column: string) => row[columns.findIndex((one) => one.name === column)];
      // What has ended needs its photo no more.
      if (name === 'enrolments' && value('status') !== 'pending') return;
      const path = value('path');
      if (typeof path === 'string' && isUpload(path)) paths.add(path);
      const [, hash] =
        name === 'person_images' ? (/^photo\/([0-9a-f]{64})#/.exec(String(value('image_name'))) ?? []) : [];
      if (hash !== undefined) hashes.add(hash);
    },
    has: (path) => paths.has(path) || hashes.has(hashOf(path) ?? ''),
  };
}

/** What an upload is named by: the SHA-256 of its content. */
function hashOf(path: string): string | undefined {
  return /[0-9a-f]{64}/.exec(path)?.[0];
}

/** The uploads below a folder of photos, as rows name them; none where there is no such folder. */
export async function* listUploads(root: string): AsyncGenerator<string> {
  for (const folder of await listFolder(join(root, 'uploads'))) {
    for (const name of await listFolder(join(root, 'uploads', folder))) {
      const path = `uploads/${folder}/${name}`;
      if (isUpload(path)) yield path;
      else
        for (const inside of await listFolder(join(root, path)))
          if (isUpload(`${path}/${inside}`)) yield `${path}/${inside}`;
    }
  }
}

async function listFolder(folder: string): Promise<string[]> {
  return readdir(folder).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return [];
    throw error;
  });
}

/** @returns null when it is not there, or was deleted while it was copied */
export async function copyUpload(path: string, from: string, to: string): Promise<CheckedFile | null> {
  try {
    return await copyChecked(join(from, path), join(to, path));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    await rm(join(to, path), { force: true });
    return null;
  }
}
