import { setTimeout as sleep } from 'node:timers/promises';
import { messageOf } from '../../lib/errors.ts';
import { LaunchError } from '../launch-error.ts';
import { apiUrl, ask } from './api.ts';
import { describeStatus, type Job, type Stats, type Status, type System } from './describe-status.ts';
import { print } from './print.ts';

const EVERY_MS = 2_000;
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
  const [stats, { jobs }, { replicas, reasons }] = await Promise.all([
    ask<Stats>('GET', '/v1/stats'),
    ask<{ jobs: readonly Job[] }>('GET', '/v1/jobs'),
    ask<System>('GET', '/v1/system'),
  ]);
  return { stats, jobs, system: { replicas, reasons } };
}

function countDone({ stats }: Status): number {
  return Object.entries(stats.images).reduce((sum, [status, count]) => sum + (status === 'pending' ? 0 : count), 0);
}

function describe(status: Status, perSecond: number | null): string {
  return describeStatus(status, { url: apiUrl(), perSecond, now: Date.now() });
}
