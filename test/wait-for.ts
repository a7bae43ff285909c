import { setTimeout as sleep } from 'node:timers/promises';

/**
 * Waits until `check` returns something other than undefined, null or false; fails with what it last said. The limit is for
 * machines that have a lot of other things to do: what takes seconds when it is quiet takes many times as long there.
 */
export async function waitFor<Result>(
  what: string,
  check: () => Promise<Result | undefined | null | false> | Result | undefined | null | false,
  timeoutMs = 60_000,
): Promise<Result> {
  const deadline = Date.now() + timeoutMs;
  let last: unknown;
  while (Date.now() < deadline) {
    const result = await check();
    if (result) return result;
    last = result;
    await sleep(50);
  }
  throw new Error(`waited ${timeoutMs} ms for: ${what} (last: ${String(last)})`);
}
