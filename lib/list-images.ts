import type { Queryable, Row } from './database.ts';
import { FIRST_MOMENT, type ImageFilter, LAST_MOMENT, PEOPLE_FOUND, readWords, testImages } from './image-filter.ts';
import {
  NEWEST_FIRST,
  OLDEST_FIRST,
  type Stream,
  streamAll,
  streamFolder,
  streamPaths,
  streamPerson,
  streamStatus,
  streamWord,
  type Way,
} from './image-streams.ts';
import type { Image } from './images.ts';
import { readImages } from './read-images.ts';

export interface ImageQuery extends ImageFilter {
  /** By id, that is as they were posted; newest first unless told otherwise. */
  readonly order?: 'newest' | 'oldest';
  /** Only images that come after this id in the order. */
  readonly past?: number;
  readonly limit: number;
}

export interface ImageList {
  /** At most `limit`. */
  readonly images: readonly Image[];
  /** `past` of the next page; null on the last. */
  readonly next: number | null;
}

/** A page starts no further round of reading that would probably end later than this, whatever it has found until then. */
export const ROUNDS_MS = 15;
export const FIRST_ROUND = 128;
export const LARGEST_ROUND = 2_048;
export const GROWTH = 4;
/** Ids are given out in the order of time, but for some that were given out at once, or by several servers. */
const OUT_OF_ORDER = 1_000;

/**
 * One page, by id. Every condition is an index that can be read in the order of ids, so a page costs the same
 * however deep it lies. Of several conditions the one that reaches farthest is read and its images are tested for the
 * others; where they hardly ever meet, the page ends early: fewer images than asked for, or none, and the way to go on.
 */
export async function listImages(db: Queryable, query: ImageQuery): Promise<ImageList> {
  const { ids, next } = await findImageIds(db, query);
  if (ids.length === 0) return { images: [], next };
  const places = ids.map(() => '?').join(', ');
  const { order } = wayOf(query);
  return { images: await readImages(db, `WHERE i.id IN (${places}) ORDER BY i.id ${order}`, ids), next };
}

/** The ids of one page alone. */
export async function findImageIds(db: Queryable, query: ImageQuery): Promise<{ ids: number[]; next: number | null }> {
  const { limit } = query;
  const way = wayOf(query);
  const plan = await planSearch(db, query, way);
  if (plan === null) return { ids: [], next: null };
  const deadline = performance.now() + ROUNDS_MS;
  const found: number[] = [];
  let past = [query.past ?? way.start, plan.start].sort(way.compare)[1] ?? plan.start;
  for (let size = plan.test === null ? limit + 1 : FIRST_ROUND; ; ) {
    const startedAt = performance.now();
    const { ids, end } = await readRound(plan, way, past, size);
    found.push(...ids);
    past = end;
    // One more than asked for tells whether there is another page.
    if (found.length > limit) return { ids: found.slice(0, limit), next: found[limit - 1] ?? null };
    if (way.compare(plan.end, past) <= 0) return { ids: found, next: null };
    const now = performance.now();
    if (now + (now - startedAt) > deadline) return { ids: found, next: past };
    if (now + (now - startedAt) * GROWTH < deadline) size = Math.min(size * GROWTH, LARGEST_ROUND);
  }
}

function wayOf({ order }: ImageQuery): Way {
  return order === 'oldest' ? OLDEST_FIRST : NEWEST_FIRST;
}

/** The images between `past` and the farthest that a stream reaches with `size` ids. */
async function readRound(
  plan: Plan,
  way: Way,
  past: number,
  size: number,
): Promise<{ ids: readonly number[]; end: number }> {
  const stretches = await Promise.all(plan.streams.map((stream) => stream(past, size)));
  const [farthest] = stretches.sort((a, b) => way.compare(b.end, a.end) || a.cost - b.cost);
  if (farthest === undefined) throw new Error('There is no stream to list images from.');
  const candidates = await farthest.ids();
  return { ids: plan.test === null ? candidates : await plan.test(candidates), end: farthest.end };
}

export interface Plan {
  /** One for each condition that has an index. */
  readonly streams: readonly Stream[];
  /** Leaves those that meet every condition, in their order; null when the only stream is all there is to meet. */
  readonly test: ((ids: readonly number[]) => Promise<number[]>) | null;
  /** Before the first and after the last id that can meet the conditions. */
  readonly start: number;
  readonly end: number;
}

/** Null: nothing meets the conditions. */
export async function planSearch(db: Queryable, filter: ImageFilter, way: Way): Promise<Plan | null> {
  const { status, person, text, folder, from, to } = filter;
  const bounds = from === undefined && to === undefined ? way : await findBounds(db, filter, way);
  if (bounds === null) return null;
  const words = await readWords(db, text);
  const pathOnly = words.filter(({ people }) => people.length === 0).map(({ word }) => word);
  const named = words.filter(({ people }) => people.length > 0 && people.length <= PEOPLE_FOUND);
  const some = await Promise.all([
    ...named.map(({ word, people }) => streamWord(db, way, word, people)),
    ...(folder === undefined ? [] : [streamFolder(db, way, folder)]),
  ]);
  const streams = [
    ...(status === undefined ? [] : [streamStatus(db, way, status)]),
    ...(person === undefined ? [] : [streamPerson(db, way, person)]),
    ...(pathOnly.length === 0 ? [] : [streamPaths(db, way, pathOnly)]),
    ...some.filter((stream) => stream !== null),
  ];
  const conditions = [status, person, folder, from, to, ...words].filter((one) => one !== undefined).length;
  const { start, end } = bounds;
  if (conditions === 0) return { streams: [streamAll(db, way)], test: null, start, end };
  const isExact = conditions === 1 && (status !== undefined || person !== undefined);
  return {
    streams: streams.length === 0 ? [streamAll(db, way)] : streams,
    test: isExact ? null : (ids) => testImages(db, ids, filter, words),
    start,
    end,
  };
}

/** Between which ids those images lie that were posted in a time; null: there are none. */
async function findBounds(
  db: Queryable,
  { from = FIRST_MOMENT, to = LAST_MOMENT }: ImageFilter,
  way: Way,
): Promise<{ start: number; end: number } | null> {
  const [rows] = await db.query<Row[]>(
    `SELECT (SELECT MIN(id) FROM (SELECT id FROM images FORCE INDEX (images_created)
                                   WHERE created_at >= ? ORDER BY created_at, id LIMIT ?) first) AS lowest,
            (SELECT MAX(id) FROM (SELECT id FROM images FORCE INDEX (images_created)
                                   WHERE created_at < ? ORDER BY created_at DESC, id DESC LIMIT ?) last) AS highest`,
    [from, OUT_OF_ORDER, to, OUT_OF_ORDER],
  );
  const lowest: number | null = rows[0]?.lowest ?? null;
  const highest: number | null = rows[0]?.highest ?? null;
  if (lowest === null || highest === null || lowest > highest) return null;
  return way === NEWEST_FIRST ? { start: highest + 1, end: lowest } : { start: lowest - 1, end: highest };
}
