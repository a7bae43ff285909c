import type { Queryable, Row } from './database.ts';
import { rangeOfFolder } from './path-range.ts';

export interface Folders {
  /** In the order of paths, each up to its slash. */
  readonly folders: readonly string[];
  /** Whether these are all. */
  readonly complete: boolean;
}

const PATHS_A_ROUND = 256;
const ROUNDS_MS = 30;

/**
 * The folders whose path starts with `start`, one level below its last slash: what somebody who types a path can go on with.
 * A folder is found by its first image and stepped over at once, so that many images cost nothing; files beside the folders
 * are read one after the other, and where they are very many the answer is not complete.
 */
export async function listFolders(
  db: Queryable,
  { start, limit }: { readonly start: string; readonly limit: number },
): Promise<Folders> {
  const { below } = rangeOfFolder(start);
  const deadline = performance.now() + ROUNDS_MS;
  const folders: string[] = [];
  for (let from = start; performance.now() < deadline; ) {
    const [rows] = await db.query<Row[]>(
      `SELECT path_start AS path FROM images FORCE INDEX (images_path_start)
        WHERE path_start >= ? AND path_start < ? ORDER BY path_start, id LIMIT ?`,
      [from, below, PATHS_A_ROUND],
    );
    const paths = rows.map((row) => row.path as string);
    for (const path of paths) {
      const folder = folderOf(path, start.length);
      if (folder !== null && folder !== folders.at(-1)) folders.push(folder);
    }
    if (folders.length > limit) return { folders: folders.slice(0, limit), complete: false };
    const last = paths.at(-1);
    if (last === undefined || paths.length < PATHS_A_ROUND) return { folders, complete: true };
    const folder = folderOf(last, start.length);
    // A stretch of equal beginnings longer than a round would be read for ever.
    if (folder === null && last === from) break;
    from = folder === null ? last : rangeOfFolder(folder).below;
  }
  return { folders, complete: false };
}

/** `https://host/`, not `https:/`, is the folder of a URL. */
const SCHEME = /^[a-z][a-z0-9]*:\/\//i;

function folderOf(path: string, from: number): string | null {
  const scheme = SCHEME.exec(path)?.[0].length ?? 0;
  const slash = path.indexOf('/', Math.max(from, scheme));
  return slash < 0 ? null : path.slice(0, slash + 1);
}
