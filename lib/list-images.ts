import type { Queryable, Row } from './database.ts';
import { type Stream, streamAll, streamPaths, streamPerson, streamStatus, streamWord } from './image-streams.ts';
import type { Image, ImageStatus } from './images.ts';
import { readImages } from './read-images.ts';
import { foldText, parseSearch, startsWordOf } from './search-words.ts';

export interface ImageQuery {
  readonly status?: ImageStatus;
  /** Images in which one of the faces is this person. */
  readonly person?: number;
  /** Words, each the start of a word of the path or of the name of somebody in the image. */
  readonly text?: string;
  /** Only images with a smaller id. */
  readonly before?: number;
  readonly limit: number;
}

export interface ImageList {
  /** Newest first; at most `limit`. */
  readonly images: readonly Image[];
  /** `before` of the next page; null on the last. */
  readonly next: number | null;
}

/** A page starts no further round of reading that would probably end later than this, whatever it has found until then. */
const ROUNDS_MS = 15;
const FIRST_ROUND = 128;
const LARGEST_ROUND = 2_048;
const GROWTH = 4;
/** People whose name matches a typed word; with more of them than this nobody means one. */
const PEOPLE_FOUND = 1_000;
const NEWEST = Number.MAX_SAFE_INTEGER;

/**
 * One page, by id. Every condition is an index that can be read from the newest image on, so a page costs the same
 * however deep it lies. Of several conditions the one that reaches farthest down is read and its images are tested for the
 * others; where they hardly ever meet, the page ends early: fewer images than asked for, or none, and the way to go on.
 */
export async function listImages(db: Queryable, query: ImageQuery): Promise<ImageList> {
  const { ids, next } = await findImageIds(db, query);
  if (ids.length === 0) return { images: [], next };
  const places = ids.map(() => '?').join(', ');
  return { images: await readImages(db, `WHERE i.id IN (${places}) ORDER BY i.id DESC`, ids), next };
}

/** The ids of one page alone. */
export async function findImageIds(db: Queryable, query: ImageQuery): Promise<{ ids: number[]; next: number | null }> {
  const { limit } = query;
  const plan = await planSearch(db, query);
  const deadline = performance.now() + ROUNDS_MS;
  const found: number[] = [];
  let top = query.before ?? NEWEST;
  for (let size = plan.test === null ? limit + 1 : FIRST_ROUND; ; ) {
    const startedAt = performance.now();
    const { ids, end } = await readRound(plan, top, size);
    found.push(...ids);
    top = end;
    // One more than asked for tells whether there is another page.
    if (found.length > limit) return { ids: found.slice(0, limit), next: found[limit - 1] ?? null };
    if (top === 0) return { ids: found, next: null };
    const now = performance.now();
    if (now + (now - startedAt) > deadline) return { ids: found, next: top };
    if (now + (now - startedAt) * GROWTH < deadline) size = Math.min(size * GROWTH, LARGEST_ROUND);
  }
}

/** The images between `top` and the farthest that a stream reaches down with `size` ids. */
async function readRound(plan: Plan, top: number, size: number): Promise<{ ids: readonly number[]; end: number }> {
  const stretches = await Promise.all(plan.streams.map((stream) => stream(top, size)));
  const [farthest] = stretches.sort((a, b) => a.end - b.end || a.cost - b.cost);
  if (farthest === undefined) throw new Error('There is no stream to list images from.');
  const candidates = await farthest.ids();
  return { ids: plan.test === null ? candidates : await plan.test(candidates), end: farthest.end };
}

interface Plan {
  /** One for each condition that has an index. */
  readonly streams: readonly Stream[];
  /** Leaves those that meet every condition, in their order; null when the only stream is all there is to meet. */
  readonly test: ((ids: readonly number[]) => Promise<number[]>) | null;
}

async function planSearch(db: Queryable, { status, person, text = '' }: ImageQuery): Promise<Plan> {
  const words = parseSearch(text);
  const people = await Promise.all(words.map((word) => findPeople(db, word)));
  const named = words.map((word, n) => ({ word, people: people[n] ?? [] })).filter((one) => one.people.length > 0);
  const pathOnly = words.filter((_, n) => people[n]?.length === 0);
  const wordStreams = await Promise.all(
    named.map((one) => (one.people.length > PEOPLE_FOUND ? null : streamWord(db, one.word, one.people))),
  );
  const streams = [
    ...(status === undefined ? [] : [streamStatus(db, status)]),
    ...(person === undefined ? [] : [streamPerson(db, person)]),
    ...(pathOnly.length === 0 ? [] : [streamPaths(db, pathOnly)]),
    ...wordStreams.filter((stream) => stream !== null),
  ];
  const conditions = [status, person].filter((one) => one !== undefined).length + words.length;
  if (conditions === 0) return { streams: [streamAll(db)], test: null };
  if (conditions === 1 && streams.length === 1 && words.length === 0) return { streams, test: null };
  return {
    streams: streams.length === 0 ? [streamAll(db)] : streams,
    test: (ids) => testImages(db, ids, { status, person, words, byName: named.length > 0 }),
  };
}

/** People with a word in their name that starts with `word`; one more than PEOPLE_FOUND when they are more. */
async function findPeople(db: Queryable, word: string): Promise<number[]> {
  const columns = ['name_words', 'name_from_second', 'name_from_third', 'name_last'];
  const [rows] = await db.query<Row[]>(
    columns.map((column) => `(SELECT id FROM person WHERE ${column} LIKE ? LIMIT ${PEOPLE_FOUND + 1})`).join(' UNION '),
    columns.map(() => `${word}%`),
  );
  return rows.map((row) => row.id);
}

interface Conditions {
  readonly status: ImageStatus | undefined;
  readonly person: number | undefined;
  readonly words: readonly string[];
  /** Whether some of the words are in somebody's name. */
  readonly byName: boolean;
}

async function testImages(db: Queryable, ids: readonly number[], conditions: Conditions): Promise<number[]> {
  if (ids.length === 0) return [];
  const { status, person, words, byName } = conditions;
  const [rows] = await db.query<Row[]>(
    `SELECT i.id, ${words.length > 0 ? 'i.path' : 'NULL'} AS path FROM images i WHERE i.id IN (?)
       ${status === undefined ? '' : 'AND i.status = ?'}
       ${person === undefined ? '' : 'AND (SELECT 1 FROM faces f WHERE f.person_id = ? AND f.image_id = i.id LIMIT 1) = 1'}
      ORDER BY i.id DESC`,
    [ids, ...(status === undefined ? [] : [status]), ...(person === undefined ? [] : [person])],
  );
  if (words.length === 0) return rows.map((row) => row.id);
  const tests = words.map(startsWordOf);
  const matches = (text: string) => tests.every((test) => test(text));
  const paths = rows.map((row) => ({ id: row.id as number, text: foldText(row.path) }));
  const unsure = byName ? paths.filter(({ text }) => !matches(text)).map(({ id }) => id) : [];
  const names = await readNames(db, unsure);
  return paths.filter(({ id, text }) => matches(`${text} ${names.get(id) ?? ''}`)).map(({ id }) => id);
}

/** The names of the people in each image, folded, one after the other. */
async function readNames(db: Queryable, ids: readonly number[]): Promise<Map<number, string>> {
  const names = new Map<number, string>();
  if (ids.length === 0) return names;
  const [rows] = await db.query<Row[]>(
    'SELECT f.image_id, p.name FROM faces f JOIN person p ON p.id = f.person_id WHERE f.image_id IN (?)',
    [ids],
  );
  for (const { image_id, name } of rows) names.set(image_id, `${names.get(image_id) ?? ''} ${foldText(name)}`);
  return names;
}
