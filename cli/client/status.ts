import { setTimeout as sleep } from 'node:timers/promises';
import { messageOf } from '../../lib/errors.ts';
import { LaunchError } from '../launch-error.ts';
import { apiUrl, ask } from './api.ts';
import { formatColumns, print } from './print.ts';

interface Stats {
  readonly images: Readonly<Record<string, number>>;
  readonly queue: { readonly pending: number; readonly inFlight: number } | null;
}

interface Job {
  readonly name: string;
  readonly done: number;
  readonly total: number;
  readonly startedAt: string | null;
  readonly finishedAt: string | null;
}

interface Status {
  readonly stats: Stats;
  readonly jobs: readonly Job[];
}

const EVERY_MS = 1_000;
const CLEAR_SCREEN = '\x1b[2J\x1b[H';

/** `faceflow status`: once where nobody looks (no terminal, --json, --once), else live until it is interrupted. */
export async function showStatus({ once, json }: { once?: boolean; json?: boolean }): Promise<number> {
  if (once || json || !process.stdout.isTTY) {
    const status = await readStatus();
    print(json, status, describe(status, null));
    return 0;
  }
  process.once('SIGINT', () => process.exit(0));
  let before: { at: number; done: number } | null = null;
  for (;;) {
    try {
      const status = await readStatus();
      const now = { at: Date.now(), done: countDone(status) };
      const perSecond = before && ((now.done - before.done) * 1_000) / (now.at - before.at);
      process.stdout.write(`${CLEAR_SCREEN}${describe(status, perSecond)}\n`);
      before ??= now;
      // Over the last half a minute or so.
      if (now.at - before.at > 30_000) before = now;
    } catch (error) {
      if (!(error instanceof LaunchError)) throw error;
      process.stdout.write(`${CLEAR_SCREEN}${messageOf(error)}\n`);
    }
    await sleep(EVERY_MS);
  }
}

async function readStatus(): Promise<Status> {
  const [stats, { jobs }] = await Promise.all([
    ask<Stats>('GET', '/v1/stats'),
    ask<{ jobs: readonly Job[] }>('GET', '/v1/jobs'),
  ]);
  return { stats, jobs };
}

function countDone({ stats }: Status): number {
  return Object.entries(stats.images).reduce((sum, [status, count]) => sum + (status === 'pending' ? 0 : count), 0);
}

function describe({ stats, jobs }: Status, perSecond: number | null): string {
  const { images, queue } = stats;
  const waiting = queue
    ? `${queue.pending} wait in the queue, ${queue.inFlight} are being looked at`
    : 'the queue cannot be reached';
  const rate = perSecond === null ? '' : `, ${perSecond.toFixed(1)} images a second`;
  const rows = jobs.map(({ name, done, total, startedAt, finishedAt }) => [
    name,
    startedAt === null ? 'never ran' : finishedAt === null ? `${done} of ${total}` : `done ${finishedAt}`,
  ]);
  return [
    `${apiUrl()}: ${waiting}${rate}`,
    formatColumns(
      ['images', ''],
      Object.entries(images).map(([status, count]) => [status, String(count)]),
    ),
    ...(rows.length > 0 ? [formatColumns(['jobs', ''], rows)] : []),
  ].join('\n\n');
}
