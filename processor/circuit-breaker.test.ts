import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { type Breaker, openBreaker, RecognizerUnavailable } from './circuit-breaker.ts';

const FAULT = new Error('it is away');
const ANSWER = new Error('this picture is broken');
const FIRST_WAIT_MS = 10_000;
const never = new AbortController().signal;

let healthy: boolean;
let breaker: Breaker;

beforeEach(() => {
  vi.useFakeTimers();
  healthy = false;
  breaker = openBreaker({ isFault: (error) => error === FAULT, isHealthy: async () => healthy });
});

afterEach(() => {
  breaker.shutdown();
  vi.useRealTimers();
});

const pass = (ms: number) => vi.advanceTimersByTimeAsync(ms);
const fail = (error = FAULT) =>
  breaker.run(() => Promise.reject(error), { isTrial: true }).catch((caught: unknown) => caught);

async function failInARow(times: number): Promise<void> {
  for (let n = 0; n < times; n++) expect(await fail()).toBe(FAULT);
}

/** Whether each has resolved by now. */
async function areAdmitted(admissions: readonly Promise<unknown>[]): Promise<boolean[]> {
  const admitted = admissions.map(() => false);
  for (const [n, admission] of admissions.entries())
    admission.then(() => {
      admitted[n] = true;
    });
  await pass(0);
  return admitted;
}

test('it opens after 5 faults in a row; answers about a picture, and successes in between, do not count', async () => {
  await failInARow(4);
  await breaker.run(async () => 'well');
  await failInARow(4);
  for (let n = 0; n < 20; n++) expect(await fail(ANSWER)).toBe(ANSWER);
  expect(breaker.status()).toEqual({ state: 'closed', unavailableSince: null, nextAttemptAt: null });
  const before = Date.now();
  await failInARow(5);
  const { state, unavailableSince, nextAttemptAt } = breaker.status();
  expect({ state, unavailableSince }).toEqual({ state: 'open', unavailableSince: new Date(before) });
  expect((nextAttemptAt?.getTime() ?? 0) - before).toBeGreaterThanOrEqual(0.75 * FIRST_WAIT_MS);
  const call = vi.fn();
  await expect(breaker.run(call, { isTrial: true })).rejects.toThrow(RecognizerUnavailable);
  expect(call).not.toHaveBeenCalled();
});

test('while the other side is not healthy nothing is let through, and the waits double up to five minutes', async () => {
  const waits: number[] = [];
  breaker.onChange(({ state, nextAttemptAt }) => {
    if (state === 'open') waits.push(((nextAttemptAt?.getTime() ?? 0) - Date.now()) / 1_000);
  });
  await failInARow(5);
  const { unavailableSince } = breaker.status();
  const admission = breaker.admit(never);
  while (waits.length < 8) {
    await pass(1_000);
    expect(await areAdmitted([admission])).toEqual([false]);
  }
  for (const [n, longest] of [10, 20, 40, 80, 160, 300, 300, 300].entries()) {
    expect(waits[n]).toBeGreaterThanOrEqual(longest * 0.75);
    expect(waits[n]).toBeLessThanOrEqual(longest);
  }
  expect(breaker.status().unavailableSince).toEqual(unavailableSince);
});

test('after it has closed the waits begin anew', async () => {
  await failInARow(5);
  await pass(60_000);
  healthy = true;
  await pass(300_000);
  await breaker.run(async () => 'seen', { isTrial: true });
  expect(breaker.status().state).toBe('closed');
  const before = Date.now();
  await failInARow(5);
  expect((breaker.status().nextAttemptAt?.getTime() ?? 0) - before).toBeLessThanOrEqual(FIRST_WAIT_MS);
});

test('half-open it admits one, a photo in hand before those who look for one, and its end decides', async () => {
  await failInARow(5);
  healthy = true;
  const pulling = [breaker.admit(never), breaker.admit(never)];
  const inHand = breaker.admit(never, { inHand: true });
  const closed = breaker.untilClosed(never);
  await pass(FIRST_WAIT_MS);
  expect(await areAdmitted([...pulling, inHand])).toEqual([false, false, true]);

  // The job that matches stored faces spends no try.
  await expect(breaker.run(async () => 'match')).rejects.toThrow(RecognizerUnavailable);
  let refuse = (_error: Error) => {};
  const answer = new Promise((_resolve, reject) => {
    refuse = reject;
  });
  const tried = breaker.run(() => answer, { isTrial: true });
  await expect(breaker.run(async () => 'second', { isTrial: true })).rejects.toThrow(RecognizerUnavailable);
  refuse(FAULT);
  await expect(tried).rejects.toBe(FAULT);
  (await inHand)();
  expect(breaker.status().state).toBe('open');
  expect(await areAdmitted([...pulling, closed])).toEqual([false, false, false]);

  await pass(2 * FIRST_WAIT_MS);
  expect(await areAdmitted(pulling)).toEqual([true, false]);
  // There was no photo: the next one may look.
  (await pulling[0])?.();
  expect(await areAdmitted(pulling)).toEqual([true, true]);
  expect(breaker.status().state).toBe('half_open');
  // An answer about the picture is an answer.
  expect(await fail(ANSWER)).toBe(ANSWER);
  expect(await areAdmitted([closed])).toEqual([true]);
  expect(breaker.status()).toEqual({ state: 'closed', unavailableSince: null, nextAttemptAt: null });
  expect(await breaker.run(async () => 'again')).toBe('again');
});

test('a trial that was taken and never ended does not keep the next one out', async () => {
  await failInARow(5);
  healthy = true;
  await pass(FIRST_WAIT_MS);
  const leave = await breaker.admit(never);
  // A call that was under way when the breaker opened comes first, and fails.
  expect(await fail()).toBe(FAULT);
  const inHand = breaker.admit(never, { inHand: true });
  await pass(2 * FIRST_WAIT_MS);
  expect(await areAdmitted([inHand])).toEqual([true]);
  // What belongs to the last trial does not end this one.
  leave();
  expect(await areAdmitted([breaker.admit(never)])).toEqual([false]);
});

test('whoever waits is let go when asked to stop', async () => {
  await failInARow(5);
  const stopping = new AbortController();
  const waiting = [breaker.admit(stopping.signal), breaker.untilClosed(stopping.signal)];
  expect(await areAdmitted(waiting)).toEqual([false, false]);
  stopping.abort();
  expect(await areAdmitted(waiting)).toEqual([true, true]);
});
