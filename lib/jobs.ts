import type { Database, Queryable, Row } from './database.ts';

/** How far a background job is. */
export interface JobProgress {
  readonly name: string;
  /** Of `total`, in the job's own units. */
  readonly done: number;
  readonly total: number;
  /** Of the run that goes on, or went on last; null before the first. */
  readonly startedAt: Date | null;
  /** Null while a run goes on, and before the first. */
  readonly finishedAt: Date | null;
  readonly updatedAt: Date;
}

/** Which job writes, and as which leader. */
export interface JobWriter {
  readonly job: string;
  /** Of the leadership (lib/leader.ts). */
  readonly fence: number;
}

/** Somebody else leads: stop, and write nothing more. */
export class LeadershipLost extends Error {
  constructor(writer: JobWriter, newer: number) {
    super(`Another leader has taken over the job ${writer.job}: its fence is ${newer}, ours ${writer.fence}.`);
    this.name = 'LeadershipLost';
  }
}

/**
 * How long a transaction of a leader may be silent, seconds, before the server undoes it. A leader that is paused in the
 * middle of one would otherwise keep its locks, and the next leader out, for as long as it is paused.
 */
const SILENCE_SECONDS = 4;

/**
 * Makes the rows of jobs where they are missing, and writes a new leader's fence into them: from now on no older leader can
 * write.
 *
 * @throws LeadershipLost when a newer leader has done so already
 */
export async function claimJobs(db: Database, fence: number, jobs: readonly string[]): Promise<void> {
  await db.transact(async (connection) => {
    for (const job of jobs) {
      await connection.query(
        'INSERT INTO jobs (name, fence) VALUES (?, ?) ON DUPLICATE KEY UPDATE fence = GREATEST(fence, VALUES(fence))',
        [job, fence],
      );
      await expectNoNewerLeader(connection, { job, fence }, 'FOR UPDATE');
    }
  });
}

/**
 * Runs `work` in a transaction that only the current leader can commit: it first locks the job's row, so that a newer leader
 * either waits until this one has written or is found to have come before. The lock is shared: one leader may write side by
 * side. As with `db.transact`, `work` may
 * run more than once.
 *
 * @throws LeadershipLost when a newer leader has claimed the job: nothing was written
 */
export function writeAsLeader<Result>(
  db: Database,
  writer: JobWriter,
  work: (connection: Queryable) => Promise<Result>,
): Promise<Result> {
  const writeUnlessOld = async (connection: Queryable) => {
    await expectNoNewerLeader(connection, writer, 'LOCK IN SHARE MODE');
    return work(connection);
  };
  return db.transact(writeUnlessOld, { silenceSeconds: SILENCE_SECONDS });
}

async function expectNoNewerLeader(
  connection: Queryable,
  writer: JobWriter,
  lock: 'FOR UPDATE' | 'LOCK IN SHARE MODE',
): Promise<void> {
  const [rows] = await connection.query<Row[]>(`SELECT fence FROM jobs WHERE name = ? ${lock}`, [writer.job]);
  const newest: number = rows[0]?.fence ?? 0;
  if (newest > writer.fence) throw new LeadershipLost(writer, newest);
}

/** What the job itself keeps, so that the next leader goes on where the last one stopped; null before the first time. */
export async function readJobState(db: Queryable, job: string): Promise<unknown> {
  const [rows] = await db.query<Row[]>('SELECT CAST(state AS CHAR) AS state FROM jobs WHERE name = ?', [job]);
  const state: string | null | undefined = rows[0]?.state;
  return state == null ? null : JSON.parse(state);
}

/** What is left out stays as it is. */
export interface JobChanges {
  readonly state?: unknown;
  readonly done?: number;
  readonly total?: number;
  /** `started`: a run begins; `finished`: it has ended; or a short one that is over, and how long it took. */
  readonly run?: 'started' | 'finished' | { readonly ms: number };
}

/** Notes how far a job is; call it inside `writeAsLeader`. */
export async function saveJob(connection: Queryable, job: string, changes: JobChanges): Promise<void> {
  const { run } = changes;
  const columns: Record<string, string | number> = {};
  if (changes.state !== undefined) columns.state = JSON.stringify(changes.state);
  if (changes.done !== undefined) columns.done = changes.done;
  if (changes.total !== undefined) columns.total = changes.total;
  const sets = Object.keys(columns).map((column) => `${column} = ?`);
  const values: (string | number)[] = Object.values(columns);
  if (run === 'started') sets.push('started_at = CURRENT_TIMESTAMP(3)', 'finished_at = NULL');
  else if (run !== undefined) sets.push('finished_at = CURRENT_TIMESTAMP(3)');
  if (typeof run === 'object') {
    sets.push('started_at = CURRENT_TIMESTAMP(3) - INTERVAL ? MICROSECOND');
    values.push(Math.round(run.ms * 1_000));
  }
  if (sets.length === 0) return;
  await connection.query(`UPDATE jobs SET ${sets.join(', ')} WHERE name = ?`, [...values, job]);
}

/** Every job that a leader has ever claimed, by name. */
export async function listJobs(db: Queryable): Promise<JobProgress[]> {
  const [rows] = await db.query<Row[]>(
    'SELECT name, done, total, started_at, finished_at, updated_at FROM jobs ORDER BY name',
  );
  return rows.map((row) => ({
    name: row.name,
    done: row.done,
    total: row.total,
    startedAt: row.started_at,
    finishedAt: row.finished_at,
    updatedAt: row.updated_at,
  }));
}
