import { extname } from 'node:path';
import { Piscina } from 'piscina';
import { PermanentError } from '../lib/errors.ts';
import type { Log } from '../lib/log.ts';
import type { DescribedPhoto, PhotoJob, PhotoOutcome, PhotoReply } from './describe-photo.ts';
import type { EngineName } from './engine/create-engine.ts';
import { createWaitingLine } from './waiting-line.ts';

/** The worker that looked at a photo died of it, or of something else; another has taken its place. */
export class WorkerCrashError extends Error {
  constructor(cause: unknown) {
    super('The worker thread that looked at the photo died; the photo may be tried again.', { cause });
    this.name = 'WorkerCrashError';
  }
}

export interface WorkerPool {
  readonly workers: number;
  readonly waiting: number;
  /** Loads the networks into every worker. */
  warmUp(): Promise<{ model: string; backend: string }>;
  /**
   * Reads, decodes and describes one photo in the next free worker.
   *
   * @param options.signal drops the job while it still waits; one that runs is finished
   * @throws LineFullError, WorkerCrashError, or the signal's reason
   */
  describe(job: PhotoJob, options?: { signal?: AbortSignal; evenIfFull?: boolean }): Promise<PhotoOutcome>;
  close(): Promise<void>;
}

/** Worker threads that each hold an engine, so that inference never blocks the thread that answers. */
export function openWorkerPool(options: {
  engine: EngineName;
  workers: number;
  maxWaiting: number;
  log: Log;
}): WorkerPool {
  const { workers, log } = options;
  const pool = new Piscina({
    filename: new URL(`./describe-photo${extname(import.meta.url)}`, import.meta.url).href,
    minThreads: workers,
    maxThreads: workers,
    workerData: { engine: options.engine },
  });
  // A worker that dies idle has no job to answer; Piscina has started another.
  pool.on('error', (error) => log.warn({ err: error }, 'a worker thread died and was replaced'));
  const line = createWaitingLine({ slots: workers, maxWaiting: options.maxWaiting });

  return {
    workers,
    get waiting() {
      return line.waiting;
    },

    async warmUp() {
      const [first] = await Promise.all(Array.from({ length: workers }, () => pool.run(undefined, { name: 'warmUp' })));
      return first;
    },

    async describe(job, { signal, evenIfFull } = {}) {
      const leave = await line.enter({ ...(signal && { signal }), ...(evenIfFull && { evenIfFull }) });
      try {
        const reply = await runOn(pool, job);
        if (reply.kind === 'broken') throw reply.error;
        return reply;
      } finally {
        leave();
      }
    },

    close: () => pool.destroy(),
  };
}

async function runOn(pool: Piscina, job: PhotoJob): Promise<PhotoReply> {
  try {
    return await pool.run(job, { name: 'describePhoto' });
  } catch (error) {
    throw new WorkerCrashError(error);
  }
}

/** Turns what a worker refused into the error that it is. */
export function expectDescribed(outcome: PhotoOutcome): DescribedPhoto {
  if (outcome.kind === 'described') return outcome.photo;
  if (outcome.kind === 'refused') throw new PermanentError(outcome.code, outcome.message);
  throw new Error('A photo was skipped as unchanged although nobody named what it was before.');
}
