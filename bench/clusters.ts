import { setTimeout as sleep } from 'node:timers/promises';
import { type Database, openDatabase, type Row } from '../lib/database.ts';
import { listJobs } from '../lib/jobs.ts';
import { CLUSTERS } from '../processor/jobs/cluster-faces.ts';
import { NEIGHBOUR_DISTANCE } from '../processor/jobs/grow-clusters.ts';
import { createNeighbourIndex, MAX_NEIGHBOURS } from '../processor/jobs/neighbour-index.ts';
import { type Benchmark, type Figures, plain, withGoal } from './figures.ts';
import { startPrivateStack } from './private-stack.ts';
import { A_HUNDRED_THOUSAND, distanceOf, type StoredFaces, type StoredFacesPlan, storeFaces } from './stored-faces.ts';

// 100,000 unknown faces are stored and nobody has looked at them; how long until they are clustered, how long do 100 more
// take, and what does a processor that clusters let others wait? Real servers, a real processor. Takes some minutes.

const NEW = 100;
const PLAN: StoredFacesPlan = { ...A_HUNDRED_THOUSAND, known: 0 };
const GIVE_UP_MS = 30 * 60_000;
const PROBES = 200;

export const benchmark: Benchmark = {
  packages: ['usearch', 'mysql2'],

  async measure(say) {
    const stack = await startPrivateStack(say);
    const db = openDatabase(stack.mysqlUrl);
    try {
      say('storing 100,000 faces');
      const stored = await storeFaces(db, PLAN);
      // The last ones come later.
      await db.query('UPDATE faces SET erased_at = CURRENT_TIMESTAMP(3) WHERE id > ?', [stored.faces.length - NEW]);
      say('starting a processor');
      const { port } = await stack.start('processor', { RECOGNIZER_ADDRESS: '127.0.0.1:1' });
      return { ...(await measureJob(db, stored, port, say)), ...measureNeighbours(stored) };
    } finally {
      await db.close();
      await stack.stop();
    }
  },
};

async function measureJob(db: Database, stored: StoredFaces, port: number, say: (line: string) => void) {
  const waits: number[] = [];
  const first = await measureUntilDone(db, async () => waits.push(await askHealth(port)));
  say(`the first ${stored.faces.length - NEW} faces: ${first.toFixed(1)} s`);
  await db.query('UPDATE faces SET erased_at = NULL WHERE id > ?', [stored.faces.length - NEW]);
  await measureUntilDone(db, () => sleep(10));
  const more = await readLastRun(db);
  const [rows] = await db.query<Row[]>('SELECT id, cluster_id FROM faces WHERE cluster_id IS NOT NULL');
  const peopleIn = new Map<number, Set<number>>();
  for (const row of rows) {
    const people = peopleIn.get(row.cluster_id) ?? new Set();
    peopleIn.set(row.cluster_id, people.add(stored.owners[row.id - 1] ?? -1));
  }
  waits.sort((a, b) => a - b);
  return {
    first_s: withGoal(first, 's', 'lower', 600),
    increment_s: withGoal(more, 's', 'lower', 2),
    health_p50_ms: plain(waits[Math.floor(waits.length / 2)] ?? 0, 'ms'),
    health_worst_ms: plain(waits.at(-1) ?? 0, 'ms'),
    clusters: plain(peopleIn.size, ''),
    clustered_faces: plain(rows.length, 'faces'),
    mixed_clusters: withGoal([...peopleIn.values()].filter((people) => people.size > 1).length, '', 'lower', 0),
  } satisfies Figures;
}

async function measureUntilDone(db: Database, meanwhile: () => Promise<unknown>): Promise<number> {
  const startedAt = performance.now();
  for (;;) {
    await meanwhile();
    const [rows] = await db.query<Row[]>(
      'SELECT 1 FROM faces WHERE cluster_state = 0 AND person_id IS NULL AND erased_at IS NULL LIMIT 1',
    );
    const ms = performance.now() - startedAt;
    // A run that is not over would take in what comes next.
    const job = (await listJobs(db)).find(({ name }) => name === CLUSTERS);
    if (rows.length === 0 && job?.finishedAt) return ms / 1_000;
    if (ms > GIVE_UP_MS) throw new Error(`Waited ${GIVE_UP_MS / 60_000} minutes for the clusters.`);
  }
}

/** How long the job was at it, without the second that it may wait before it looks, s. */
async function readLastRun(db: Database): Promise<number> {
  for (;;) {
    const job = (await listJobs(db)).find(({ name }) => name === CLUSTERS);
    if (job?.startedAt && job.finishedAt && job.total === NEW) {
      return (job.finishedAt.getTime() - job.startedAt.getTime()) / 1_000;
    }
    await sleep(50);
  }
}

/** How long the processor lets a question wait, ms. */
async function askHealth(port: number): Promise<number> {
  await sleep(100);
  const startedAt = performance.now();
  await fetch(`http://127.0.0.1:${port}/healthz`);
  return performance.now() - startedAt;
}

/** The share of all neighbours, by exact distance, that the index finds. */
function measureNeighbours({ faces }: StoredFaces): Figures {
  const index = createNeighbourIndex();
  for (const [id, { descriptor }] of faces.entries()) index.add(id, descriptor);
  let [all, found] = [0, 0];
  for (let probe = 0; probe < PROBES; probe++) {
    const { descriptor } = faces[Math.floor((probe * faces.length) / PROBES)] as StoredFaces['faces'][number];
    const near = faces.filter((other) => distanceOf(other.descriptor, descriptor) <= NEIGHBOUR_DISTANCE);
    all += Math.min(near.length, MAX_NEIGHBOURS);
    found += index.findNear(descriptor, NEIGHBOUR_DISTANCE).length;
  }
  return { neighbour_recall: plain(found / all, '') };
}
