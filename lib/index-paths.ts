import type { Database, Queryable, Row } from './database.ts';
import { prefixesOf } from './search-words.ts';

/** Image ids a block, as sql/0007 says: few enough to look at each path, many enough that neighbours share rows. */
export const BLOCK_SIZE = 64;

/** Rows a statement: at most 45 bytes each. */
const ROWS_PER_STATEMENT = 5_000;
/** Images whose rows are looked for before they are inserted. */
const FEW = 32;
/** Images a transaction of `indexWaitingPaths`. */
const BATCH = 1_000;

export function blockOf(id: number): number {
  return Math.floor(id / BLOCK_SIZE);
}

/** Makes paths findable; belongs into the transaction that sets `path_indexed`. Doing so twice is harmless. */
export async function indexPaths(
  connection: Queryable,
  images: readonly { readonly id: number; readonly path: string }[],
): Promise<void> {
  const wanted = new Map<string, [string, number]>();
  for (const { id, path } of images) {
    const block = blockOf(id);
    for (const prefix of prefixesOf(path)) wanted.set(`${block} ${prefix}`, [prefix, block]);
  }
  if (wanted.size === 0) return;
  // Inserting a row that is there locks it. Single images, many at once, would wait for each other; many images at once mostly
  // bring rows of their own, and to look for them costs as much as to insert them.
  if (images.length <= FEW) for (const key of await findKnown(connection, [...wanted.values()])) wanted.delete(key);
  // All writers in one order, so that they wait for each other but never in a circle.
  const rows = [...wanted.values()].sort(([a, n], [b, m]) => (a < b ? -1 : a > b ? 1 : n - m));
  for (let start = 0; start < rows.length; start += ROWS_PER_STATEMENT) {
    await connection.query('INSERT IGNORE INTO image_prefixes (prefix, block) VALUES ?', [
      rows.slice(start, start + ROWS_PER_STATEMENT),
    ]);
  }
}

/** Keys of the rows that are there already. */
async function findKnown(connection: Queryable, wanted: readonly (readonly [string, number])[]): Promise<string[]> {
  const byBlock = new Map<number, string[]>();
  for (const [prefix, block] of wanted) {
    const own = byBlock.get(block);
    if (own === undefined) byBlock.set(block, [prefix]);
    else own.push(prefix);
  }
  const known: string[] = [];
  for (const [block, prefixes] of byBlock) {
    const [rows] = await connection.query<Row[]>(
      'SELECT prefix FROM image_prefixes WHERE block = ? AND prefix IN (?)',
      [block, prefixes],
    );
    for (const row of rows) known.push(`${block} ${row.prefix}`);
  }
  return known;
}

/**
 * Makes paths findable that a version before this index has added, newest first, a bounded number at a time. Several
 * receivers may do so at once.
 *
 * @returns how many; 0 when there is nothing left to do, which costs one look into an index
 */
export async function indexWaitingPaths(db: Database): Promise<number> {
  const [images] = await db.query<Row[]>(
    'SELECT id, path FROM images WHERE path_indexed = 0 ORDER BY id DESC LIMIT ?',
    [BATCH],
  );
  if (images.length === 0) return 0;
  await db.transact(async (connection) => {
    await indexPaths(connection, images as { id: number; path: string }[]);
    await connection.query('UPDATE images SET path_indexed = 1 WHERE id IN (?)', [images.map((image) => image.id)]);
  });
  return images.length;
}
