import type { Queryable, Row } from './database.ts';
import { BLOCK_SIZE, blockOf } from './index-paths.ts';
import { rangeOfFolder } from './path-range.ts';
import { foldText, lookUpPrefix, parseSearch, startsWordOf } from './search-words.ts';

/** In which order ids are read. */
export interface Way {
  /** Before the first id, and after the last. */
  readonly start: number;
  readonly end: number;
  /** In SQL: what comes later, and the order. */
  readonly later: '<' | '>';
  readonly order: 'DESC' | 'ASC';
  /** As `Array.sort` wants it: negative when `a` comes first. */
  compare(a: number, b: number): number;
}

export const NEWEST_FIRST: Way = {
  ...{ start: Number.MAX_SAFE_INTEGER, end: 0, later: '<', order: 'DESC' },
  compare: (a, b) => b - a,
};
export const OLDEST_FIRST: Way = {
  ...{ start: 0, end: Number.MAX_SAFE_INTEGER, later: '>', order: 'ASC' },
  compare: (a, b) => a - b,
};

/** What a stream has between two ids. */
export interface Stretch {
  /** Every id of the stream from where the stretch begins up to here is in it; the end of the way: there are no more. */
  readonly end: number;
  /** Rows to be read for its ids. */
  readonly cost: number;
  /** In the order of the way. */
  ids(): Promise<readonly number[]>;
}

/**
 * Images that meet one condition, newest or oldest first, from an index: costs no more the deeper one reads.
 *
 * @param past only ids that come later
 * @param size about how many
 */
export type Stream = (past: number, size: number) => Promise<Stretch>;

/** More people than this are not followed one by one. */
const PEOPLE_FOLLOWED = 32;
/** Images of many people or of a folder that are put into order here. */
const IMAGES_SORTED = 5_000;
/** The longest words of a folder's path by which its images are found. */
const WORDS_OF_FOLDER = 8;
/** A block is worth so many ids: most of its paths are read in vain. */
const IDS_PER_BLOCK = 16;

export function streamAll(db: Queryable, way: Way): Stream {
  const sql = `SELECT id FROM images WHERE id ${way.later} ? ORDER BY id ${way.order} LIMIT ?`;
  return (past, size) => readStretch(db, way, sql, [past, size]);
}

export function streamStatus(db: Queryable, way: Way, status: string): Stream {
  // MySQL would read the table from its end and hope to meet the status soon.
  const sql = `SELECT id FROM images FORCE INDEX (images_status)
                WHERE status = ? AND id ${way.later} ? ORDER BY id ${way.order} LIMIT ?`;
  return (past, size) => readStretch(db, way, sql, [status, past, size]);
}

/** Images in which one of the faces is the person; each once. */
export function streamPerson(db: Queryable, way: Way, personId: number): Stream {
  const sql = `SELECT DISTINCT image_id AS id FROM faces
                WHERE person_id = ? AND image_id ${way.later} ? ORDER BY image_id ${way.order} LIMIT ?`;
  return (past, size) => readStretch(db, way, sql, [personId, past, size]);
}

/** Images in whose path each of the words starts a word. */
export function streamPaths(db: Queryable, way: Way, words: readonly string[]): Stream {
  const [first = '', ...others] = words.map(lookUpPrefix);
  const joins = others.map((_, n) => `JOIN image_prefixes p${n} ON p${n}.prefix = ? AND p${n}.block = p.block`);
  const sql = `SELECT p.block AS id FROM image_prefixes p ${joins.join(' ')}
                WHERE p.prefix = ? AND p.block ${way.later}= ? ORDER BY p.block ${way.order} LIMIT ?`;
  return async (past, size) => {
    const wanted = Math.max(4, Math.ceil(size / IDS_PER_BLOCK));
    const next = way === NEWEST_FIRST ? past - 1 : past + 1;
    const blocks = await readIds(db, sql, [...others, first, blockOf(next), wanted]);
    return {
      end: blocks.length < wanted ? way.end : endOfBlock(blocks.at(-1) ?? 0, way),
      cost: blocks.length * BLOCK_SIZE,
      ids: () => readBlocks(db, way, { blocks, past, words }),
    };
  };
}

/** The last id of a block that is read. */
function endOfBlock(block: number, way: Way): number {
  return way === NEWEST_FIRST ? block * BLOCK_SIZE : (block + 1) * BLOCK_SIZE - 1;
}

async function readBlocks(
  db: Queryable,
  way: Way,
  { blocks, past, words }: { blocks: readonly number[]; past: number; words: readonly string[] },
): Promise<number[]> {
  if (blocks.length === 0) return [];
  const ranges = blocks.map((block) => `id BETWEEN ${block * BLOCK_SIZE} AND ${(block + 1) * BLOCK_SIZE - 1}`);
  const [rows] = await db.query<Row[]>(
    `SELECT id, path FROM images WHERE id ${way.later} ? AND (${ranges.join(' OR ')}) ORDER BY id ${way.order}`,
    [past],
  );
  const tests = words.map(startsWordOf);
  return rows.filter((row) => matchesAll(tests, foldText(row.path))).map((row) => row.id as number);
}

const matchesAll = (tests: readonly ((folded: string) => boolean)[], folded: string) =>
  tests.every((test) => test(folded));

/**
 * Images in whose path the word starts a word, or in which one of the faces is one of these people. Null when the people
 * are too many to be followed.
 */
export async function streamWord(
  db: Queryable,
  way: Way,
  word: string,
  people: readonly number[],
): Promise<Stream | null> {
  const paths = streamPaths(db, way, [word]);
  if (people.length <= PEOPLE_FOLLOWED) {
    return unite(way, [paths, ...people.map((person) => streamPerson(db, way, person))]);
  }
  const sql = 'SELECT image_id AS id FROM faces WHERE person_id IN (?) LIMIT ?';
  const few = await streamFew(db, way, sql, [people]);
  return few === null ? null : unite(way, [paths, few]);
}

/** Images in a folder and its subfolders. Null: there are many, and its name has no words to find them by. */
export async function streamFolder(db: Queryable, way: Way, folder: string): Promise<Stream | null> {
  const { from, below } = rangeOfFolder(folder);
  const sql = `SELECT id FROM images FORCE INDEX (images_path_start) WHERE path_start >= ? AND path_start < ? LIMIT ?`;
  const few = await streamFew(db, way, sql, [from, below]);
  if (few !== null) return few;
  const words = parseSearch(folder).sort((a, b) => b.length - a.length);
  return words.length === 0 ? null : streamPaths(db, way, words.slice(0, WORDS_OF_FOLDER));
}

/** What `sql` finds, put into order here; null when that is too much for it. */
async function streamFew(db: Queryable, way: Way, sql: string, values: readonly unknown[]): Promise<Stream | null> {
  const [rows] = await db.query<Row[]>(sql, [...values, IMAGES_SORTED]);
  if (rows.length === IMAGES_SORTED) return null;
  const ids = [...new Set(rows.map((row) => row.id as number))].sort(way.compare);
  return async (past) =>
    stretchOf(
      ids.filter((id) => way.compare(past, id) < 0),
      way.end,
    );
}

/** As far as all of the streams have been read. */
function unite(way: Way, streams: readonly Stream[]): Stream {
  return async (past, size) => {
    const stretches = await Promise.all(streams.map((stream) => stream(past, size)));
    const [end = way.end] = stretches.map((stretch) => stretch.end).sort(way.compare);
    return {
      end,
      cost: stretches.reduce((sum, stretch) => sum + stretch.cost, 0),
      async ids() {
        const ids = (await Promise.all(stretches.map((stretch) => stretch.ids()))).flat();
        return [...new Set(ids)].filter((id) => way.compare(id, end) <= 0).sort(way.compare);
      },
    };
  };
}

async function readStretch(
  db: Queryable,
  way: Way,
  sql: string,
  values: readonly (string | number)[],
): Promise<Stretch> {
  const ids = await readIds(db, sql, values);
  return stretchOf(ids, ids.length < Number(values.at(-1)) ? way.end : (ids.at(-1) ?? way.end));
}

function stretchOf(ids: readonly number[], end: number): Stretch {
  return { end, cost: ids.length, ids: async () => ids };
}

async function readIds(db: Queryable, sql: string, values: readonly (string | number)[]): Promise<number[]> {
  const [rows] = await db.query<Row[]>(sql, [...values]);
  return rows.map((row) => row.id);
}
