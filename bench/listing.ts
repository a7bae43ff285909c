import type { DatabaseProgram } from '../cli/servers/database-program.ts';
import { type Database, openDatabase } from '../lib/database.ts';
import { readImages } from '../lib/read-images.ts';
import { type Benchmark, type Figures, median, plain, withGoal } from './figures.ts';
import { fillDatabase, SIZE } from './listing-data.ts';
import { startServers } from './listing-servers.ts';
import { measureAdding } from './listing-write.ts';

// Pages of a big installation, over HTTP from the real receiver, on a private server with a 3-GB buffer pool. Its peer is what
// a table of this kind usually does: OFFSET, and LIKE '%word%'.

const GOAL_MS = 50;
const REQUESTS = 200;
const WARM_UP = 20;
const PEER_REPEATS = 5;

/** What is filtered by: each from the first page, and from anywhere. What two huge sets hardly or never share is the worst. */
const FILTERS: Readonly<Record<string, readonly string[]>> = {
  status: ['status=matched', 'status=unknown', 'status=pending', 'status=failed'],
  person: ['person=1', 'person=2', 'person=4711', 'person=999999'],
  status_and_person: [
    'status=matched&person=1',
    'status=unknown&person=1',
    'status=failed&person=1',
    'status=matched&person=2',
  ],
  text_common: ['q=jpg', 'q=img', 'q=2015', 'q=u', 'q=png'],
  text_rare: ['q=needle', 'q=0500016', 'q=nowhere', 'q=needle%20jpg', 'q=nowhere%20jpg'],
  text_prefix: ['q=0', 'q=042', 'q=00', 'q=f', 'q=a1'],
  text_disjoint: ['q=img%20dsc', 'q=spring%20autumn', 'q=2010%20autumn', 'q=uploads%20beach'],
  text_person: ['q=ada', 'q=ada%20beach%202015', 'q=rare', 'q=fischer', 'q=fischer%20greta%20png', 'q=rare%20ada'],
  text_and_others: [
    'q=beach&status=unknown',
    'q=img&person=1',
    'q=needle&person=1',
    'q=ada&status=unknown',
    'q=png&status=failed',
  ],
  folder: ['folder=2015/', 'folder=2010/', 'folder=uploads/', 'folder=2015/beach-1570/', 'folder=nowhere/'],
  folder_and_others: ['folder=2015/&status=failed', 'folder=uploads/&person=1', 'folder=2010/&q=autumn'],
  dates: ['from=2021-06-01', 'to=2020-02-01', 'from=2020-06-01&to=2020-06-02', 'from=2021-01-01&folder=2010/'],
  oldest_first: [
    'sort=oldest',
    'sort=oldest&status=unknown&person=1',
    'sort=oldest&q=needle',
    'sort=oldest&q=img%20dsc',
  ],
  by_path: ['sort=path', 'sort=path&status=failed', 'sort=path&status=unknown&folder=2015/', 'sort=path&q=img%20dsc'],
};

export const benchmark: Benchmark = {
  packages: ['fastify', 'mysql2'],

  async measure(say) {
    const kind: DatabaseProgram['kind'] = process.env.LISTING_DATABASE === 'mysql' ? 'mysql' : 'mariadb';
    const servers = await startServers({ kind, say });
    try {
      say(`filling ${servers.database} with ${SIZE.images} images`);
      const { indexedPerSecond } = await fillDatabase(servers.mysqlUrl, say);
      const db = openDatabase(servers.mysqlUrl, { connections: 1 });
      try {
        const pages = await measurePages(await servers.startReceiver(), db, say);
        return {
          ...pages,
          ...(await measureAdding(servers.mysqlUrl, db, say)),
          paths_indexed_per_second: plain(indexedPerSecond, 'paths/s'),
        };
      } finally {
        await db.close();
      }
    } finally {
      await servers.stop();
    }
  },
};

export async function measurePages(base: string, db: Database, say: (line: string) => void): Promise<Figures> {
  const first = await time(base, () => '');
  const deep = await time(base, (n) => anywhere(n));
  say('first and deep pages measured');
  const filters: Record<string, readonly number[]> = {};
  for (const [name, queries] of Object.entries(FILTERS)) {
    const worst: number[][] = [];
    for (const query of queries) {
      const own = await time(base, (n) => (n % 2 === 0 ? query : `${query}&${anywhere(n, query)}`));
      worst.push(own);
      say(`${query}: p50 ${percentile(own, 0.5).toFixed(1)} ms, p99 ${percentile(own, 0.99).toFixed(1)} ms`);
    }
    filters[name] = worst.reduce((a, b) => (percentile(a, 0.99) > percentile(b, 0.99) ? a : b));
  }
  const stats = await time(base, () => '', '/v1/stats');
  const peers = await measurePeers(base, db, say);
  const p99s = Object.entries(filters).map(([name, times]) => [name, percentile(times, 0.99)] as const);
  return {
    first_page_p99_ms: withGoal(percentile(first, 0.99), 'ms', 'lower', GOAL_MS),
    deep_page_p99_ms: withGoal(percentile(deep, 0.99), 'ms', 'lower', GOAL_MS),
    filtered_p99_ms: withGoal(Math.max(...p99s.map(([, p99]) => p99)), 'ms', 'lower', GOAL_MS),
    first_page_p50_ms: plain(percentile(first, 0.5), 'ms'),
    deep_page_p50_ms: plain(percentile(deep, 0.5), 'ms'),
    ...Object.fromEntries(
      p99s.map(([name, p99]) => [`filtered_${name}_p99_ms`, withGoal(p99, 'ms', 'lower', GOAL_MS)]),
    ),
    ...Object.fromEntries(
      Object.entries(filters).map(([name, times]) => [`filtered_${name}_p50_ms`, plain(percentile(times, 0.5), 'ms')]),
    ),
    stats_p99_ms: plain(percentile(stats, 0.99), 'ms'),
    ...peers,
  };
}

/** The same pages as they are usually read, in the same run: how many times slower. */
async function measurePeers(base: string, db: Database, say: (line: string) => void): Promise<Figures> {
  const compare = async (sql: string, query: string) => {
    const theirs: number[] = [];
    const ours: number[] = [];
    for (let n = 0; n < PEER_REPEATS; n++) {
      theirs.push(await timeOnce(() => readImages(db, sql, [])));
      ours.push(await timeOnce(() => get(`${base}/v1/images?limit=50&${query}`)));
    }
    say(`${sql}: ${median(theirs).toFixed(0)} ms; ours ${median(ours).toFixed(1)} ms`);
    return plain(median(theirs) / median(ours), 'x');
  };
  return {
    deep_page_vs_offset: await compare('ORDER BY i.id DESC LIMIT 50 OFFSET 900000', 'cursor=100000'),
    rare_word_vs_like: await compare("WHERE i.path LIKE '%needle%' ORDER BY i.id DESC LIMIT 50", 'q=needle'),
    no_match_vs_like: await compare("WHERE i.path LIKE '%nowhere%' ORDER BY i.id DESC LIMIT 50", 'q=nowhere'),
  };
}

async function time(base: string, query: (n: number) => string, path = '/v1/images'): Promise<number[]> {
  const times: number[] = [];
  for (let n = 0; n < WARM_UP + REQUESTS; n++) {
    const took = await timeOnce(() => get(`${base}${path}?${path === '/v1/images' ? 'limit=50&' : ''}${query(n)}`));
    if (n >= WARM_UP) times.push(took);
  }
  return times;
}

async function timeOnce(run: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await run();
  return performance.now() - start;
}

async function get(url: string): Promise<unknown> {
  const response = await fetch(url);
  if (!response.ok) throw new Error(`${url} answers ${response.status}: ${await response.text()}`);
  return response.json();
}

/** Spread evenly over all depths, the same in every run. */
function anywhere(n: number, query = ''): string {
  const ratio = (n * 0.618_033_988_7) % 1;
  if (!query.includes('sort=path')) return `cursor=${1 + Math.floor(ratio * SIZE.images)}`;
  // Years are the first folders; each has as many albums.
  const path = `${2010 + Math.floor(ratio * 16)}/`;
  return `cursor=${Buffer.from(JSON.stringify([0, path])).toString('base64url')}`;
}

function percentile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.ceil(share * sorted.length) - 1)] ?? 0;
}
