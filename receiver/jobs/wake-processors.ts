import { setTimeout as sleep } from 'node:timers/promises';
import type { ImageQueue } from '../../lib/image-queue.ts';
import { readModels } from '../../lib/models.ts';
import { summariseProcessors } from '../../lib/processors.ts';
import { isRematchWaiting } from '../../lib/rematch-images.ts';
import type { Job, JobContext } from '../../lib/run-jobs.ts';

export interface WakeOptions {
  readonly queue: Pick<ImageQueue, 'backlog' | 'enqueue'>;
  readonly everyMs?: number;
}

const EVERY_MS = 60_000;
/** No image has it: whoever takes it finds nothing to do, and that is its end. */
const NO_IMAGE = 0;

/**
 * Calls a processor when there are none and their background jobs have work: a gallery that has changed, a model that is to
 * be prepared or removed. An autoscaler that has stopped them all looks at the queue only (docs/adr/0026), so an id that
 * means nothing is put into it; again, when they have been stopped before they were done: every job goes on where it was.
 */
export function createWakeJob({ queue, everyMs = EVERY_MS }: WakeOptions): Job {
  return {
    name: 'wake',
    async run({ db, log, signal }) {
      while (!signal.aborted) {
        await sleep(everyMs, undefined, { signal }).catch(() => undefined);
        if (signal.aborted || !(await isWorkLeft(db))) continue;
        const { pending, inFlight } = await queue.backlog();
        if (pending + inFlight > 0) continue;
        const stored = await queue.enqueue([NO_IMAGE]);
        if (stored.length > 0) log.info('no processor is there, and background jobs have work: one is called for');
      }
    },
  };
}

async function isWorkLeft(db: JobContext['db']): Promise<boolean> {
  if ((await summariseProcessors(db)).state !== 'stopped') return false;
  if (await isRematchWaiting(db)) return true;
  return (await readModels(db)).some(({ preparedAt, dropping }) => dropping || preparedAt === null);
}
