import { setTimeout as sleep } from 'node:timers/promises';
import type { Database, Queryable } from './database.ts';
import { integer } from './env.ts';
import { messageOf } from './errors.ts';
import { claimJobs, LeadershipLost, writeAsLeader } from './jobs.ts';
import { holdLeadership, type Leadership } from './leader.ts';
import type { Log } from './log.ts';
import type { NatsAccess } from './nats-access.ts';
import { underNewId } from './spans.ts';

/** The environment keys of every service that runs jobs. */
export const jobKeys = {
  /** How long the process that runs the background jobs may be silent before another one takes over. */
  LEADER_LEASE_MS: integer({ min: 500, max: 60_000, fallback: 4_000 }),
};

/** Work that goes on in the background, in one process at a time: that of the leader. */
export interface Job {
  /** Its row in the table `jobs`. */
  readonly name: string;
  /** Works until `context.signal` is aborted. What it throws is logged, and it is run again. */
  run(context: JobContext): Promise<void>;
}

export interface JobContext {
  /** For reading. */
  readonly db: Database;
  /** For everything that the job writes: a transaction that fails with LeadershipLost when somebody else leads by now. */
  write<Result>(work: (connection: Queryable) => Promise<Result>): Promise<Result>;
  /** Aborted when the leadership is lost, or the process stops. */
  readonly signal: AbortSignal;
  readonly log: Log;
}

export interface RunJobsOptions {
  readonly jobs: readonly Job[];
  readonly db: Database;
  readonly natsUrl: string;
  readonly natsAccess?: NatsAccess;
  /** Where candidates find each other; of all the processes that run these jobs in one system the same. */
  readonly bucket: string;
  readonly leaseMs: number;
  /** See LeaderOptions. */
  readonly replicas: number;
  readonly log: Log;
  readonly signal: AbortSignal;
  /** Told when this process begins to lead, and what; undefined when it has ended. */
  readonly onLead?: (leads: { readonly fence: number; readonly jobs: string[] } | undefined) => void;
  /** Told the name of a job each time that it fails. */
  readonly onError?: (job: string) => void;
}

const RETRY_MS = 1_000;

/** Stands for leader, and runs the jobs whenever this process is it. Resolves when `signal` is aborted and all have ended. */
export function runJobs(options: RunJobsOptions): Promise<void> {
  const { natsUrl: url, natsAccess: access, bucket, leaseMs, replicas, log, signal, onLead, jobs } = options;
  const lead = async (leadership: Leadership) => {
    onLead?.({ fence: leadership.fence, jobs: jobs.map((job) => job.name) });
    await leadJobs(leadership, options).finally(() => onLead?.(undefined));
  };
  return holdLeadership({ url, access, bucket, leaseMs, replicas, log, signal, lead });
}

async function leadJobs({ fence, signal }: Leadership, { jobs, db, log, onError }: RunJobsOptions): Promise<void> {
  const ending = new AbortController();
  const until = ending.signal;
  const giveUp = () => ending.abort();
  signal.addEventListener('abort', giveUp, { once: true });
  if (signal.aborted) giveUp();
  const names = jobs.map((job) => job.name);
  await repeat('claiming the jobs', { until, giveUp, log }, async () => {
    await claimJobs(db, fence, names);
    return 'done';
  });
  const running = jobs.map((job) => {
    const context: JobContext = {
      db,
      signal: until,
      log: log.child({ job: job.name }),
      write: (work) => writeAsLeader(db, { job: job.name, fence }, work),
    };
    const failed = () => onError?.(job.name);
    return repeat(`the job ${job.name}`, { until, giveUp, log, failed }, () => underNewId(() => job.run(context)));
  });
  await Promise.all(running);
}

/** Does `work` again and again, also when it throws, until it is done, the lead is lost, or `until` is aborted. */
async function repeat(
  what: string,
  { until, giveUp, log, failed }: { until: AbortSignal; giveUp: () => void; log: Log; failed?: () => void },
  work: () => Promise<unknown>,
): Promise<void> {
  let failing = false;
  while (!until.aborted) {
    try {
      if ((await work()) === 'done') return;
      failing = false;
    } catch (error) {
      if (until.aborted) return;
      if (error instanceof LeadershipLost) {
        log.warn(messageOf(error));
        return giveUp();
      }
      failed?.();
      // Once an outage of the database, not once a second.
      if (!failing) log.error({ err: error }, `${what} failed, and is tried again: ${messageOf(error)}`);
      failing = true;
    }
    await sleep(RETRY_MS, undefined, { signal: until }).catch(() => undefined);
  }
}
