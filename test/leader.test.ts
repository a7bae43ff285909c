import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type Database, openDatabase, type Queryable, type Row } from '../lib/database.ts';
import { claimJobs, LeadershipLost, listJobs, readJobState, saveJob, writeAsLeader } from '../lib/jobs.ts';
import type { CandidateNews, CandidateOptions } from './leader-candidate.ts';
import { createDatabase, createStreamName, natsUrl, startNatsServer, type TestDatabase } from './servers.ts';
import { waitFor } from './wait-for.ts';

/** Long enough for a process that gets no turn for a while to stay the leader. */
const LEASE_MS = 3_000;

let database: TestDatabase;
let db: Database;
let bucket: string;
let candidates: Candidate[];

beforeEach(async () => {
  database = await createDatabase();
  db = openDatabase(database.url);
  await db.query('CREATE TABLE written (id BIGINT AUTO_INCREMENT PRIMARY KEY, fence BIGINT UNSIGNED NOT NULL)');
  bucket = createStreamName();
  candidates = [];
});

afterEach(async () => {
  for (const { child } of candidates) {
    if (child.exitCode !== null || child.signalCode !== null) continue;
    child.kill('SIGKILL');
    await once(child, 'exit');
  }
  await db.close();
  await database.drop();
});

interface Candidate {
  readonly child: ChildProcess;
  readonly told: CandidateNews[];
}

function startCandidate(options: Partial<CandidateOptions> = {}): Candidate {
  const given: CandidateOptions = {
    ...{ natsUrl: natsUrl(), mysqlUrl: database.url, bucket, leaseMs: LEASE_MS, writeMs: 0, restMs: 20 },
    ...options,
  };
  const program = fileURLToPath(new URL('./leader-candidate.ts', import.meta.url));
  const child = spawn(process.execPath, ['--import', 'tsx', program, JSON.stringify(given)], {
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
  const told: CandidateNews[] = [];
  child.on('message', (news: CandidateNews) => told.push(news));
  const candidate = { child, told };
  candidates.push(candidate);
  return candidate;
}

const has = (candidate: Candidate, news: CandidateNews['news']) => candidate.told.find((one) => one.news === news);

/** Waits until one of them leads; when and which. */
async function untilOneLeads(some: readonly Candidate[]) {
  const started = performance.now();
  const leader = await waitFor('a leader', () => some.find((candidate) => has(candidate, 'leading')));
  return { leader, fence: has(leader, 'leading')?.fence ?? 0, ms: performance.now() - started };
}

/** Waits until it tells so again: it has just done it. */
async function untilNext(candidate: Candidate, news: CandidateNews['news']): Promise<void> {
  candidate.told.length = 0;
  await waitFor(news, () => has(candidate, news));
}

async function fencesWritten(): Promise<number[]> {
  const [rows] = await db.query<Row[]>('SELECT fence FROM written ORDER BY id');
  return rows.map((row) => row.fence);
}

const untilWritten = (fence: number) => waitFor('a write', async () => (await fencesWritten()).includes(fence));

test('one leads; killed, another follows within seconds, with a greater fence', async () => {
  const all = [startCandidate(), startCandidate(), startCandidate()];
  const first = await untilOneLeads(all);
  await untilWritten(first.fence);
  expect(all.filter((candidate) => has(candidate, 'leading'))).toHaveLength(1);

  first.leader.child.kill('SIGKILL');
  const second = await untilOneLeads(all.filter((candidate) => candidate !== first.leader));
  expect(second.ms).toBeLessThan(LEASE_MS * 2);
  expect(second.fence).toBeGreaterThan(first.fence);
  await untilWritten(second.fence);
});

test('stopped in good order, it lets go of the lease, and the next one need not wait for its end', async () => {
  const slow = { leaseMs: 60_000 };
  const first = startCandidate(slow);
  await untilOneLeads([first]);
  const second = startCandidate(slow);
  first.child.kill('SIGTERM');
  await once(first.child, 'exit');
  expect((await untilOneLeads([second])).ms).toBeLessThan(5_000);
});

test('a leader that was paused and overtaken cannot write when it wakes up', async () => {
  const all = [startCandidate({ restMs: 400 }), startCandidate({ restMs: 400 })];
  const old = await untilOneLeads(all);
  await untilWritten(old.fence);
  // In the middle of a write it is another test.
  await untilNext(old.leader, 'resting');
  old.leader.child.kill('SIGSTOP');
  const next = await untilOneLeads(all.filter((candidate) => candidate !== old.leader));
  await untilWritten(next.fence);
  const before = (await fencesWritten()).length;

  old.leader.child.kill('SIGCONT');
  await waitFor('the old leader to notice', () => has(old.leader, 'refused') ?? has(old.leader, 'aborted'));
  await waitFor('more writes of the new one', async () => (await fencesWritten()).length > before + 10);
  const fences = await fencesWritten();
  // In order: nothing of the old leader after the first of the new one.
  expect(fences).toEqual(fences.toSorted((a, b) => a - b));
  expect(await readJobState(db, 'test')).toEqual({ fence: next.fence });
});

test('paused in the middle of a write, it does not keep the next leader out', async () => {
  const all = [startCandidate({ writeMs: 400 }), startCandidate({ writeMs: 400 })];
  const old = await untilOneLeads(all);
  await untilNext(old.leader, 'inside');
  old.leader.child.kill('SIGSTOP');
  const next = await untilOneLeads(all.filter((candidate) => candidate !== old.leader));
  expect(next.ms).toBeLessThan(10_000);
  await untilWritten(next.fence);
  old.leader.child.kill('SIGCONT');
  await waitFor('the old leader to be refused', () => has(old.leader, 'refused'));
  const fences = await fencesWritten();
  expect(fences).toEqual(fences.toSorted((a, b) => a - b));
});

test('without NATS the lead is lost, and the work aborted; with it somebody leads again, even when its disk is new', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'faceflow-leader-'));
  let nats = await startNatsServer(folder);
  const candidate = startCandidate({ natsUrl: nats.natsUrl });
  const first = await untilOneLeads([candidate]);
  await nats.stop();
  const stopped = performance.now();
  await waitFor('the work to be aborted', () => has(candidate, 'aborted'));
  // By its own clock before the lease has run out; it takes a moment to be told here.
  expect(performance.now() - stopped).toBeLessThan(LEASE_MS + 500);

  candidate.told.length = 0;
  await rm(join(folder, 'nats', 'jetstream'), { recursive: true });
  nats = await startNatsServer(folder);
  const again = await untilOneLeads([candidate]);
  expect(again.fence).toBeGreaterThan(first.fence);
  await untilWritten(again.fence);
  candidate.child.kill('SIGKILL');
  await nats.stop();
  await rm(folder, { recursive: true });
});

test('the rows of jobs: claimed, written by the newest leader only, listed', async () => {
  await claimJobs(db, 5, ['rematch', 'sweep']);
  expect(await readJobState(db, 'rematch')).toBeNull();
  const write = (fence: number) =>
    writeAsLeader(db, { job: 'rematch', fence }, (connection) =>
      saveJob(connection, 'rematch', { state: { by: fence }, done: fence, total: 9, run: 'started' }),
    );
  await write(5);
  await claimJobs(db, 7, ['rematch']);
  await expect(write(5)).rejects.toThrow(LeadershipLost);
  await expect(claimJobs(db, 6, ['sweep', 'rematch'])).rejects.toThrow(LeadershipLost);
  expect(await readJobState(db, 'rematch')).toEqual({ by: 5 });
  await write(7);
  const [rematch, sweep] = await listJobs(db);
  expect(rematch).toMatchObject({ name: 'rematch', done: 7, total: 9, finishedAt: null });
  expect(rematch?.startedAt).toBeInstanceOf(Date);
  expect(sweep).toMatchObject({ name: 'sweep', done: 0, startedAt: null });
});

test('a leader that falls silent before it commits loses its locks; its connection serves others as before', async () => {
  const one = openDatabase(database.url, { connections: 1 });
  try {
    const silence = async (connection: Queryable = one) => {
      const [[row]] = await connection.query<Row[]>('SELECT @@SESSION.wait_timeout AS seconds');
      return row?.seconds;
    };
    const usual = await silence();
    await claimJobs(one, 5, ['sweep']);
    const silenceInside = () => writeAsLeader(one, { job: 'sweep', fence: 5 }, silence);
    expect(await silenceInside()).toBe(4);
    expect(await silence()).toBe(usual);
    // Whoever comes next waits for the lock, and the silent one for them.
    const untilReplaced = () => claimJobs(db, 6, ['sweep']);
    await expect(writeAsLeader(one, { job: 'sweep', fence: 5 }, untilReplaced)).rejects.toThrow();
    expect(await silence()).toBe(usual);
  } finally {
    await one.close();
  }
});
