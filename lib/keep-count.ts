/** Counting that takes no longer is done anew each time. */
const QUICK_MS = 25;
/** A slow count may take this part of the database's time. */
const SHARE = 1 / 25;
/** An older one is of no use to anybody. */
const OLDEST_MS = 30_000;

/**
 * Counts anew each time, as long as that is quick. Of hundreds of thousands of rows, the last count is given while the next
 * one is made, some seconds old (25 times as long as counting takes).
 */
export function keepCount<Count>(
  count: () => Promise<Count>,
  { quickMs = QUICK_MS }: { quickMs?: number | undefined } = {},
): () => Promise<Count> {
  let last: { count: Count; at: number; tookMs: number } | undefined;
  let running: Promise<Count> | undefined;

  const countNow = async () => {
    const startedAt = performance.now();
    const counted = await count();
    last = { count: counted, at: startedAt, tookMs: performance.now() - startedAt };
    return counted;
  };
  const countOnce = () => {
    running ??= countNow().finally(() => {
      running = undefined;
    });
    return running;
  };

  return async () => {
    if (last === undefined || last.tookMs <= quickMs) return countNow();
    const age = performance.now() - last.at;
    if (age > OLDEST_MS) return countOnce();
    // What fails now is asked for, and thrown, when the count at hand is too old.
    if (age > last.tookMs / SHARE) countOnce().catch(() => {});
    return last.count;
  };
}
