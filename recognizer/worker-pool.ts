import { extname } from 'node:path';
import { MessageChannel } from 'node:worker_threads';
import { Piscina } from 'piscina';
import { PermanentError } from '../lib/errors.ts';
import type { Log } from '../lib/log.ts';
import { inPart } from '../lib/spans.ts';
import { createWaitingLine } from '../lib/waiting-line.ts';
import type { DescribedPhoto, PhotoJob, PhotoOutcome, PhotoReply } from './describe-photo.ts';
import { type ObserveStage, observePhoto } from './measure-work.ts';
import { recordStages } from './record-stages.ts';
import type { WorkerSettings } from './worker-settings.ts';

/** The worker that looked at a photo died of it, or of something else, or hung; another has taken its place. */
export class WorkerCrashError extends Error {
  constructor(how: string, cause: unknown) {
    super(`The worker thread that looked at the photo ${how}; the photo may be tried again.`, { cause });
    this.name = 'WorkerCrashError';
  }
}

export interface WorkerPool {
  readonly workers: number;
  readonly waiting: number;
  /** Workers that look at a photo. */
  readonly busy: number;
  /** Workers that died or hung, since the start. */
  readonly replaced: number;
  /** Loads the networks into every worker. */
  warmUp(): Promise<{ backend: string }>;
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
  workers: number;
  maxWaiting: number;
  settings: WorkerSettings;
  observe?: ObserveStage;
  log: Log;
}): WorkerPool {
  const { workers, settings, observe = () => {}, log } = options;
  let busy = 0;
  let replaced = 0;
  const pool = new Piscina({
    filename: new URL(`./describe-photo${extname(import.meta.url)}`, import.meta.url).href,
    minThreads: workers,
    maxThreads: workers,
    workerData: settings,
  });
  // A worker that dies idle has no job to answer; Piscina has started another.
  pool.on('error', (error) => {
    replaced += 1;
    log.warn({ err: error }, 'a worker thread died and was replaced');
  });
  const line = createWaitingLine({ slots: workers, maxWaiting: options.maxWaiting });

  return {
    workers,
    get waiting() {
      return line.waiting;
    },
    get busy() {
      return busy;
    },
    get replaced() {
      return replaced;
    },

    async warmUp() {
      const [first] = await Promise.all(Array.from({ length: workers }, () => pool.run(undefined, { name: 'warmUp' })));
      return first;
    },

    async describe(job, { signal, evenIfFull } = {}) {
      const cameAt = performance.now();
      const given = { ...(signal && { signal }), ...(evenIfFull && { evenIfFull }) };
      const leave = await inPart('wait', () => line.enter(given));
      observe('wait', performance.now() - cameAt);
      busy += 1;
      try {
        const { stages, ...reply } = await runOn(pool, job, settings.maxMs);
        recordStages(stages);
        observePhoto(observe, stages);
        if (reply.kind === 'broken') throw reply.error;
        return reply;
      } catch (error) {
        if (error instanceof WorkerCrashError) replaced += 1;
        throw error;
      } finally {
        busy -= 1;
        leave();
      }
    },

    close: () => pool.destroy(),
  };
}

/** Aborting a job that runs ends its thread, whatever that is doing, and Piscina starts another. */
async function runOn(pool: Piscina, job: PhotoJob, maxMs: number): Promise<PhotoReply> {
  const patience = new AbortController();
  const { port1: begins, port2: begun } = new MessageChannel();
  let timer: NodeJS.Timeout | undefined;
  // Not before: a new thread loads its networks first, and on a busy machine that alone may take longer.
  begins.once('message', () => {
    timer = setTimeout(() => patience.abort(), maxMs);
  });
  try {
    const { signal } = patience;
    return await pool.run({ ...job, begun }, { name: 'describePhoto', signal, transferList: [begun] });
  } catch (error) {
    throw new WorkerCrashError(patience.signal.aborted ? `took more than ${maxMs} ms and was replaced` : 'died', error);
  } finally {
    begins.close();
    clearTimeout(timer);
  }
}

/** Turns what a worker refused into the error that it is. */
export function expectDescribed(outcome: PhotoOutcome): DescribedPhoto {
  if (outcome.kind === 'described') return outcome.photo;
  if (outcome.kind === 'refused') throw new PermanentError(outcome.code, outcome.message);
  throw new Error('A photo was skipped as unchanged although nobody named what it was before.');
}
