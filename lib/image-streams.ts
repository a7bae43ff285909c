import type { Queryable, Row } from './database.ts';
import { BLOCK_SIZE, blockOf } from './index-paths.ts';
import { foldText, lookUpPrefix, startsWordOf } from './search-words.ts';

/** What a stream has between two ids. */
export interface Stretch {
  /** Every id of the stream from here to where the stretch begins is in it; 0: there are no older ones. */
  readonly end: number;
  /** Rows to be read for its ids. */
  readonly cost: number;
  /** Newest first. */
  ids(): Promise<readonly number[]>;
}

/**
 * Images that meet one condition, newest first, from an index: costs no more the deeper one reads.
 *
 * @param before only ids below
 * @param size about how many
 */
export type Stream = (before: number, size: number) => Promise<Stretch>;

/** More people than this are not followed one by one. */
const PEOPLE_FOLLOWED = 32;
/** Images of many people that are put into order here. */
const IMAGES_SORTED = 5_000;
/** A block is worth so many ids: most of its paths are read in vain. */
const IDS_PER_BLOCK = 16;

export function streamAll(db: Queryable): Stream {
  return (before, size) =>
    readStretch(db, 'SELECT id FROM images WHERE id < ? ORDER BY id DESC LIMIT ?', [before, size]);
}

export function streamStatus(db: Queryable, status: string): Stream {
  // MySQL would read the table from its end and hope to meet the status soon.
  const sql = `SELECT id FROM images FORCE INDEX (images_status)
                WHERE status = ? AND id < ? ORDER BY id DESC LIMIT ?`;
  return (before, size) => readStretch(db, sql, [status, before, size]);
}

/** Images in which one of the faces is the person; each once. */
export function streamPerson(db: Queryable, personId: number): Stream {
  return (before, size) =>
    readStretch(
      db,
      `SELECT DISTINCT image_id AS id FROM faces WHERE person_id = ? AND image_id < ? ORDER BY image_id DESC LIMIT ?`,
      [personId, before, size],
    );
}

/** Images in whose path each of the words starts a word. */
export function streamPaths(db: Queryable, words: readonly string[]): Stream {
  const [first = '', ...others] = words.map(lookUpPrefix);
  const joins = others.map((_, n) => `JOIN image_prefixes p${n} ON p${n}.prefix = ? AND p${n}.block = p.block`);
  const sql = `SELECT p.block AS id FROM image_prefixes p ${joins.join(' ')}
                WHERE p.prefix = ? AND p.block <= ? ORDER BY p.block DESC LIMIT ?`;
  return async (before, size) => {
    const wanted = Math.max(4, Math.ceil(size / IDS_PER_BLOCK));
    const blocks = await readIds(db, sql, [...others, first, blockOf(before - 1), wanted]);
    return {
      end: blocks.length < wanted ? 0 : (blocks.at(-1) ?? 0) * BLOCK_SIZE,
      cost: blocks.length * BLOCK_SIZE,
      ids: () => readBlocks(db, blocks, before, words),
    };
  };
}

async function readBlocks(db: Queryable, blocks: readonly number[], before: number, words: readonly string[]) {
  if (blocks.length === 0) return [];
  const ranges = blocks.map((block) => `id BETWEEN ${block * BLOCK_SIZE} AND ${(block + 1) * BLOCK_SIZE - 1}`);
  const [rows] = await db.query<Row[]>(
    `SELECT id, path FROM images WHERE id < ? AND (${ranges.join(' OR ')}) ORDER BY id DESC`,
    [before],
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
export async function streamWord(db: Queryable, word: string, people: readonly number[]): Promise<Stream | null> {
  const paths = streamPaths(db, [word]);
  if (people.length <= PEOPLE_FOLLOWED) return unite([paths, streamPeople(db, people)]);
  const [rows] = await db.query<Row[]>('SELECT image_id AS id FROM faces WHERE person_id IN (?) LIMIT ?', [
    people,
    IMAGES_SORTED,
  ]);
  if (rows.length === IMAGES_SORTED) return null;
  const ids = [...new Set(rows.map((row) => row.id as number))].sort((a, b) => b - a);
  return unite([
    paths,
    async (before) =>
      stretchOf(
        ids.filter((id) => id < before),
        0,
      ),
  ]);
}

function streamPeople(db: Queryable, people: readonly number[]): Stream {
  return unite(people.map((person) => streamPerson(db, person)));
}

/** As far as all of the streams have been read. */
function unite(streams: readonly Stream[]): Stream {
  return async (before, size) => {
    const stretches = await Promise.all(streams.map((stream) => stream(before, size)));
    const end = Math.max(...stretches.map((stretch) => stretch.end));
    return {
      end,
      cost: stretches.reduce((sum, stretch) => sum + stretch.cost, 0),
      async ids() {
        const ids = (await Promise.all(stretches.map((stretch) => stretch.ids()))).flat();
        return [...new Set(ids)].filter((id) => id >= end).sort((a, b) => b - a);
      },
    };
  };
}

async function readStretch(db: Queryable, sql: string, values: readonly (string | number)[]): Promise<Stretch> {
  const ids = await readIds(db, sql, values);
  return stretchOf(ids, ids.length < Number(values.at(-1)) ? 0 : (ids.at(-1) ?? 0));
}

function stretchOf(ids: readonly number[], end: number): Stretch {
  return { end, cost: ids.length, ids: async () => ids };
}

async function readIds(db: Queryable, sql: string, values: readonly (string | number)[]): Promise<number[]> {
  const [rows] = await db.query<Row[]>(sql, [...values]);
  return rows.map((row) => row.id);
}
