import type { Queryable, Row } from './database.ts';
import type { ImageFilter } from './image-filter.ts';
import { NEWEST_FIRST } from './image-streams.ts';
import type { Image } from './images.ts';
import { FIRST_ROUND, GROWTH, LARGEST_ROUND, type Plan, planSearch, ROUNDS_MS } from './list-images.ts';
import { rangeOfFolder } from './path-range.ts';
import { readImages } from './read-images.ts';

/** Where an image stands in the order of paths. */
export interface PathPlace {
  /** `images.path_start`. */
  readonly path: string;
  readonly id: number;
}

export interface PathQuery extends ImageFilter {
  /** Only images that come after it. */
  readonly past?: PathPlace;
  readonly limit: number;
}

export interface PathList {
  /** At most `limit`. */
  readonly images: readonly Image[];
  /** `past` of the next page; null on the last. */
  readonly next: PathPlace | null;
}

/** So many images that meet the rarest condition are put into the order of their paths here. */
const IMAGES_SORTED = 500;
/** What the path of a word's images costs to read, in rows. */
const DEAREST = 4 * IMAGES_SORTED;

/**
 * One page, by path: upper case before lower case, as bytes are. Where a condition is rare its images are put into order;
 * otherwise paths are read on from the last one and tested, and where that finds little the page ends early, as in
 * `listImages`.
 */
export async function listImagesByPath(db: Queryable, query: PathQuery): Promise<PathList> {
  const plan = await planSearch(db, query, NEWEST_FIRST);
  if (plan === null) return { images: [], next: null };
  const few = await findFew(plan);
  const { places, next } = few === null ? await scan(db, query, plan) : await sortFew(db, query, few);
  if (places.length === 0) return { images: [], next };
  const ids = places.map(({ id }) => id);
  const where = `WHERE i.id IN (${ids.map(() => '?').join(', ')}) ORDER BY i.path_start, i.id`;
  return { images: await readImages(db, where, ids), next };
}

interface Found {
  readonly places: readonly PathPlace[];
  readonly next: PathPlace | null;
}

/** The ids of all images that meet the conditions, where one condition is rare; null where none is. */
async function findFew({ streams, test, start, end }: Plan): Promise<readonly number[] | null> {
  if (test === null && streams.length === 0) return null;
  const stretches = await Promise.all(streams.map((stream) => stream(start, IMAGES_SORTED)));
  const [rarest] = stretches
    .filter((stretch) => stretch.end <= end && stretch.cost <= DEAREST)
    .sort((a, b) => a.cost - b.cost);
  if (rarest === undefined) return null;
  const ids = await rarest.ids();
  return test === null ? ids : test(ids);
}

async function sortFew(db: Queryable, { past, limit }: PathQuery, ids: readonly number[]): Promise<Found> {
  if (ids.length === 0) return { places: [], next: null };
  const { sql, values } = after(past);
  const [rows] = await db.query<Row[]>(
    `SELECT id, path_start AS path FROM images WHERE id IN (?) AND ${sql} ORDER BY path_start, id LIMIT ?`,
    [ids, ...values, limit + 1],
  );
  return cut(rows.map(placeOf), limit);
}

async function scan(db: Queryable, { past, limit, folder = '' }: PathQuery, plan: Plan): Promise<Found> {
  const range = rangeOfFolder(folder);
  const deadline = performance.now() + ROUNDS_MS;
  const found: PathPlace[] = [];
  let last = past;
  for (let size = plan.test === null ? limit + 1 : FIRST_ROUND; ; ) {
    const startedAt = performance.now();
    const { sql, values } = after(last);
    const [rows] = await db.query<Row[]>(
      `SELECT id, path_start AS path FROM images FORCE INDEX (images_path_start)
        WHERE path_start >= ? AND path_start < ? AND ${sql} ORDER BY path_start, id LIMIT ?`,
      [range.from, range.below, ...values, size],
    );
    const places = rows.map(placeOf);
    const passing = new Set(plan.test === null ? null : await plan.test(places.map(({ id }) => id)));
    found.push(...(plan.test === null ? places : places.filter(({ id }) => passing.has(id))));
    last = places.at(-1);
    if (found.length > limit) return cut(found, limit);
    if (last === undefined || places.length < size) return { places: found, next: null };
    const now = performance.now();
    if (now + (now - startedAt) > deadline) return { places: found, next: last };
    if (now + (now - startedAt) * GROWTH < deadline) size = Math.min(size * GROWTH, LARGEST_ROUND);
  }
}

/** One more than asked for tells whether there is another page. */
function cut(places: readonly PathPlace[], limit: number): Found {
  const page = places.slice(0, limit);
  const last = places.length > limit ? page.at(-1) : undefined;
  return { places: page, next: last ?? null };
}

const placeOf = (row: Row): PathPlace => ({ path: row.path, id: row.id });

function after(place: PathPlace | undefined): { sql: string; values: readonly (string | number)[] } {
  if (place === undefined) return { sql: '1 = 1', values: [] };
  const { path, id } = place;
  return { sql: 'path_start >= ? AND (path_start > ? OR id > ?)', values: [path, path, id] };
}
