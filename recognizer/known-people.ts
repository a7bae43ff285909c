import { readdir, stat } from 'node:fs/promises';
import { join, parse } from 'node:path';

/** A photo in the folder KNOWN_PEOPLE. */
export interface KnownFile {
  /** Relative to the folder: `hannibal_1.jpg` or `raj/raj1.png`. */
  readonly imageName: string;
  readonly path: string;
  /** Whose photo it is if the database does not say otherwise. */
  readonly personName: string;
  readonly size: number;
  readonly mtimeMs: number;
}

const PICTURE = /\.(jpe?g|jpe|png|webp|avif|gif|tiff?|heic|heif)$/i;

/**
 * Lists the photos of a folder: flat files, whose names tell the person (`hannibal_1.jpg`), and one folder for each
 * person, whose name is theirs (`raj/raj1.png`). Hidden files and what is no picture by its extension are skipped.
 */
export async function listKnownFiles(folder: string): Promise<KnownFile[]> {
  const files: KnownFile[] = [];
  for (const name of await listVisible(folder)) {
    const entry = await look(join(folder, name));
    if (entry?.isDirectory()) files.push(...(await listPhotosOfPerson(folder, name)));
    else if (entry?.isFile() && PICTURE.test(name)) {
      files.push(knownFile(folder, name, personNameFromFile(name), entry));
    }
  }
  return files;
}

async function listPhotosOfPerson(folder: string, person: string): Promise<KnownFile[]> {
  const files: KnownFile[] = [];
  for (const name of await listVisible(join(folder, person))) {
    const imageName = `${person}/${name}`;
    const entry = PICTURE.test(name) ? await look(join(folder, imageName)) : null;
    if (entry?.isFile()) files.push(knownFile(folder, imageName, person, entry));
  }
  return files;
}

function knownFile(folder: string, imageName: string, personName: string, entry: { size: number; mtimeMs: number }) {
  // The database keeps whole milliseconds.
  return { imageName, path: join(folder, imageName), personName, size: entry.size, mtimeMs: Math.trunc(entry.mtimeMs) };
}

async function listVisible(folder: string): Promise<string[]> {
  const names = await readdir(folder);
  return names.filter((name) => !name.startsWith('.')).sort();
}

/** Follows links; null for what vanished in between or leads nowhere. */
async function look(path: string) {
  return stat(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT' || error.code === 'ELOOP') return null;
    throw error;
  });
}

/**
 * The name of the person in a flat file: without extension and trailing number, separators as spaces, words
 * capitalised: `gergely_01.jpg` → `Gergely`, `ada-lovelace.2.png` → `Ada Lovelace`.
 */
export function personNameFromFile(fileName: string): string {
  const stem = parse(fileName).name;
  const words = stem
    .replace(/[\s._-]*\(?\d+\)?$/, '')
    .split(/[\s._-]+/)
    .filter((word) => word !== '')
    .map((word) => word.replace(/^./u, (letter) => letter.toUpperCase()));
  // A file that is named by a number only is nobody's namesake: its whole name must do.
  return words.join(' ') || stem;
}
