import { type Database, openDatabase } from '../lib/database.ts';
import { openImages } from '../lib/images.ts';
import { type Figures, median, plain } from './figures.ts';

const TURNS = 15;
const PATHS = 1_000;
const SINGLES = 200;

/** What the index of words costs whoever adds photos: against the same statements without it, turn by turn. */
export async function measureAdding(url: string, db: Database, say: (line: string) => void): Promise<Figures> {
  const images = openImages(db);
  const plainly = { bulk: [] as number[], digests: [] as number[] };
  const indexed = { bulk: [] as number[], digests: [] as number[] };
  for (let turn = 0; turn < TURNS; turn++) {
    const album = (way: string) =>
      Array.from({ length: PATHS }, (_, n) => `2026/summer-${way}-${turn}/IMG_${n + 10_000}.jpg`);
    const uploads = async (way: string) => {
      const [rows] = await db.query<never[]>('SELECT SHA2(CONCAT(?, n), 256) AS digest FROM numbers WHERE n < ?', [
        `${way}${turn}`,
        PATHS,
      ]);
      return (rows as { digest: string }[]).map(({ digest }) => `uploads/${digest}.jpg`);
    };
    plainly.bulk.push(await timeOnce(() => addPlainly(db, album('plain'))));
    indexed.bulk.push(await timeOnce(() => images.addImages(album('indexed'))));
    const digests = [await uploads('plain'), await uploads('indexed')] as const;
    plainly.digests.push(await timeOnce(() => addPlainly(db, digests[0])));
    indexed.digests.push(await timeOnce(() => images.addImages(digests[1])));
  }
  const singles = await measureSingles(url);
  say(
    `adding ${PATHS} paths: ${median(indexed.bulk).toFixed(0)} ms, without the index ${median(plainly.bulk).toFixed(0)} ms`,
  );
  return {
    adding_1000_paths_ms: plain(median(indexed.bulk), 'ms'),
    adding_1000_paths_vs_plain: plain(median(indexed.bulk) / median(plainly.bulk), 'x'),
    adding_1000_digests_vs_plain: plain(median(indexed.digests) / median(plainly.digests), 'x'),
    ...singles,
  };
}

/** One path a request, many requests at once: how long until all have been added. */
async function measureSingles(url: string): Promise<Figures> {
  const db = openDatabase(url, { connections: 10 });
  const images = openImages(db);
  const plainly: number[] = [];
  const indexed: number[] = [];
  const paths = (way: string, turn: number) =>
    Array.from({ length: SINGLES }, (_, n) => `2026/one-${way}-${turn}/IMG_${n}.jpg`);
  for (let turn = 0; turn < TURNS; turn++) {
    plainly.push(await timeOnce(() => Promise.all(paths('plain', turn).map((path) => addPlainly(db, [path])))));
    indexed.push(await timeOnce(() => Promise.all(paths('indexed', turn).map((path) => images.addImages([path])))));
  }
  await db.close();
  return { adding_one_by_one_vs_plain: plain(median(indexed) / median(plainly), 'x') };
}

/** What adding was before there was an index of words. */
async function addPlainly(db: Database, paths: readonly string[]): Promise<void> {
  const find = async (some: readonly string[]) => {
    const hashes = some.map(() => 'UNHEX(SHA2(?, 256))').join(', ');
    await db.query(`SELECT id, path, status, enqueued_at FROM images WHERE path_hash IN (${hashes})`, [...some]);
  };
  const halves = [paths.slice(0, PATHS / 2), paths.slice(PATHS / 2)].filter((half) => half.length > 0);
  for (const some of halves) await find(some);
  for (const some of halves) {
    await db.transact((connection) =>
      connection.query('INSERT INTO images (path) VALUES ? ON DUPLICATE KEY UPDATE path = VALUES(path)', [
        some.map((path) => [path]),
      ]),
    );
  }
  for (const some of halves) await find(some);
}

async function timeOnce(run: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await run();
  return performance.now() - start;
}
