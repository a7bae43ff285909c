import type { Queryable, Row } from './database.ts';
import type { ImageStatus } from './images.ts';
import { foldText, parseSearch, startsWordOf } from './search-words.ts';

/** Which images: all conditions together. What is left out does not matter. */
export interface ImageFilter {
  readonly status?: ImageStatus;
  /** Images in which one of the faces is this person. */
  readonly person?: number;
  /** Words, each the start of a word of the path or of the name of somebody in the image. */
  readonly text?: string;
  /** How the path starts, up to a slash: everything in a folder and its subfolders. */
  readonly folder?: string;
  /** Posted at this moment or later. */
  readonly from?: Date;
  /** Posted before this moment. */
  readonly to?: Date;
}

/** Before anybody posted an image, and after. */
export const FIRST_MOMENT = new Date('1000-01-01T00:00:00Z');
export const LAST_MOMENT = new Date('9999-12-31T00:00:00Z');

/** People whose name matches a typed word; with more of them than this nobody means one. */
export const PEOPLE_FOUND = 1_000;

/** What was typed, with the people that each word may mean. */
export interface TypedWord {
  readonly word: string;
  /** One more than PEOPLE_FOUND when they are more. */
  readonly people: readonly number[];
}

export function readWords(db: Queryable, text = ''): Promise<TypedWord[]> {
  return Promise.all(parseSearch(text).map(async (word) => ({ word, people: await findPeople(db, word) })));
}

/** People with a word in their name that starts with `word`. */
async function findPeople(db: Queryable, word: string): Promise<number[]> {
  const columns = ['name_words', 'name_from_second', 'name_from_third', 'name_last'];
  const [rows] = await db.query<Row[]>(
    columns.map((column) => `(SELECT id FROM person WHERE ${column} LIKE ? LIMIT ${PEOPLE_FOUND + 1})`).join(' UNION '),
    columns.map(() => `${word}%`),
  );
  return rows.map((row) => row.id);
}

/** Those of the images that meet every condition, in their order. */
export async function testImages(
  db: Queryable,
  ids: readonly number[],
  { status, person, folder, from, to }: ImageFilter,
  words: readonly TypedWord[],
): Promise<number[]> {
  if (ids.length === 0) return [];
  const given: [sql: string, ...values: unknown[]][] = [
    ...(status === undefined ? [] : [['i.status = ?', status] as [string, unknown]]),
    ...(person === undefined ? [] : [[SHOWS_PERSON, person] as [string, unknown]]),
    ...(folder === undefined ? [] : [['LEFT(i.path, CHAR_LENGTH(?)) = ?', folder, folder] as [string, ...unknown[]]]),
    ...(from === undefined ? [] : [['i.created_at >= ?', from] as [string, unknown]]),
    ...(to === undefined ? [] : [['i.created_at < ?', to] as [string, unknown]]),
  ];
  const [rows] = await db.query<Row[]>(
    `SELECT i.id, ${words.length > 0 ? 'i.path' : 'NULL'} AS path FROM images i
      WHERE ${['i.id IN (?)', ...given.map(([sql]) => sql)].join(' AND ')}`,
    [ids, ...given.flatMap(([, ...values]) => values)],
  );
  const paths = new Map(rows.map((row) => [row.id as number, foldText(row.path ?? '')]));
  const passing = words.length === 0 ? paths : await findByWords(db, paths, words);
  return ids.filter((id) => passing.has(id));
}

const SHOWS_PERSON = '(SELECT 1 FROM faces f WHERE f.person_id = ? AND f.image_id = i.id LIMIT 1) = 1';

/** @param paths folded, by the image's id */
async function findByWords(
  db: Queryable,
  paths: ReadonlyMap<number, string>,
  words: readonly TypedWord[],
): Promise<Set<number>> {
  const tests = words.map(({ word }) => startsWordOf(word));
  const matches = (text: string) => tests.every((test) => test(text));
  const byName = words.some(({ people }) => people.length > 0);
  const unsure = byName ? [...paths.keys()].filter((id) => !matches(paths.get(id) ?? '')) : [];
  const names = await readNames(db, unsure);
  return new Set([...paths.keys()].filter((id) => matches(`${paths.get(id)} ${names.get(id) ?? ''}`)));
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
