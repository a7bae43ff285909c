/** Nobody else is let in to wait; try again later. */
export class LineFullError extends Error {
  constructor(waiting: number) {
    super(`${waiting} photos are already waiting.`);
    this.name = 'LineFullError';
  }
}

export interface WaitingLine {
  readonly waiting: number;
  /**
   * Waits for a slot, in order of arrival.
   *
   * @returns to be called once, when the slot is free again
   * @throws LineFullError, or the signal's reason when it is aborted before a slot was free
   */
  enter(options?: { signal?: AbortSignal; evenIfFull?: boolean }): Promise<() => void>;
}

/**
 * Lets `slots` work at once and at most `maxWaiting` wait. Piscina has a queue too, but aborting a job there kills the
 * worker if the job has just begun, and its bound does not count jobs that can be aborted.
 */
export function createWaitingLine(options: { slots: number; maxWaiting: number }): WaitingLine {
  const line = new Set<() => void>();
  let free = options.slots;

  const leave = () => {
    const [next] = line;
    if (next === undefined) free++;
    else next();
  };

  return {
    get waiting() {
      return line.size;
    },

    async enter({ signal, evenIfFull = false } = {}) {
      signal?.throwIfAborted();
      if (free > 0) {
        free--;
        return leave;
      }
      if (line.size >= options.maxWaiting && !evenIfFull) throw new LineFullError(line.size);
      await new Promise<void>((resolve, reject) => {
        const giveUp = () => {
          line.delete(takeSlot);
          reject(signal?.reason);
        };
        const takeSlot = () => {
          line.delete(takeSlot);
          signal?.removeEventListener('abort', giveUp);
          resolve();
        };
        line.add(takeSlot);
        signal?.addEventListener('abort', giveUp, { once: true });
      });
      return leave;
    },
  };
}
