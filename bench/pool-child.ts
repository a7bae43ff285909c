import sharp from 'sharp';
import { createLog } from '../lib/log.ts';
import { openWorkerPool } from '../recognizer/worker-pool.ts';
import { DEFAULT_SETTINGS } from '../recognizer/worker-settings.ts';
import { doAll } from './do-all.ts';

// The engine alone: the recognizer's worker pool in a process that does nothing else.

export interface PoolOrder {
  readonly kind: 'describe';
  readonly paths: readonly string[];
}

export type PoolReply =
  | { readonly kind: 'ready'; readonly msSinceStart: number }
  /** `cpuMs` of the whole process. */
  | { readonly kind: 'describe'; readonly ms: number; readonly cpuMs: number; readonly faces: number };

const workers = Number(process.argv[2]);
const answer = (reply: PoolReply) => void process.send?.(reply);
sharp.concurrency(1);

const log = createLog('bench', { level: 'warn', format: 'json' });
const pool = openWorkerPool({ workers, maxWaiting: workers, settings: DEFAULT_SETTINGS, log });
await pool.warmUp();
process.on('message', (order: PoolOrder) => void describeAll(order).then(answer));
answer({ kind: 'ready', msSinceStart: performance.now() });

/** A second photo waits for each worker, so that none ever waits for a photo. */
async function describeAll({ paths }: PoolOrder): Promise<PoolReply> {
  const startedAt = performance.now();
  const before = process.cpuUsage();
  let faces = 0;
  await doAll(paths, workers * 2, async (path) => {
    const outcome = await pool.describe({ path });
    if (outcome.kind !== 'described') throw new Error(`${path} was ${outcome.kind}.`);
    faces += outcome.photo.faces.length;
  });
  const { user, system } = process.cpuUsage(before);
  return { kind: 'describe', ms: performance.now() - startedAt, cpuMs: (user + system) / 1000, faces };
}
