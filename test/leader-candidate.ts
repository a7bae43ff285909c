import { setTimeout as sleep } from 'node:timers/promises';
import { openDatabase } from '../lib/database.ts';
import { claimJobs, LeadershipLost, saveJob, writeAsLeader } from '../lib/jobs.ts';
import { holdLeadership } from '../lib/leader.ts';
import { createLog } from '../lib/log.ts';

// A process that stands for leader and, while it leads, writes its fence into a table over and over. The test reads what
// was written, and what it tells on the way: leading, inside (a write), resting, refused (a write), aborted (the work).

export interface CandidateOptions {
  readonly natsUrl: string;
  readonly mysqlUrl: string;
  readonly bucket: string;
  readonly leaseMs: number;
  /** How long a write stays in its transaction. */
  readonly writeMs: number;
  /** How long it rests between two writes. */
  readonly restMs: number;
}

export interface CandidateNews {
  readonly news: 'leading' | 'refused' | 'aborted' | 'inside' | 'resting';
  readonly fence: number;
}

const options = JSON.parse(process.argv[2] ?? '') as CandidateOptions;
const tell = (news: CandidateNews['news'], fence: number): void => {
  process.send?.({ news, fence } satisfies CandidateNews);
};
const stopping = new AbortController();
process.once('disconnect', () => process.exit());
process.once('SIGTERM', () => stopping.abort());
const db = openDatabase(options.mysqlUrl);

await holdLeadership({
  url: options.natsUrl,
  bucket: options.bucket,
  leaseMs: options.leaseMs,
  log: createLog('candidate', { level: 'info', format: 'json' }),
  signal: stopping.signal,
  async lead({ fence, signal }) {
    signal.addEventListener('abort', () => tell('aborted', fence));
    await claimJobs(db, fence, ['test']);
    tell('leading', fence);
    // It does not look at the signal: a process that was paused comes back in the middle of something.
    while (!stopping.signal.aborted) {
      try {
        await writeAsLeader(db, { job: 'test', fence }, async (connection) => {
          tell('inside', fence);
          await connection.query('INSERT INTO written (fence) VALUES (?)', [fence]);
          await sleep(options.writeMs);
          await saveJob(connection, 'test', { done: 1, state: { fence } });
        });
      } catch (error) {
        if (error instanceof LeadershipLost) return tell('refused', fence);
        // A connection that the server has closed meanwhile: the next write will tell.
      }
      if (signal.aborted && options.writeMs === 0) return;
      tell('resting', fence);
      await sleep(options.restMs);
    }
  },
});
await db.close();
process.exit();
