import { expect, test } from 'vitest';
import { describeBreaker } from './report-breaker.ts';

test('times of the breaker are told as distances, never below zero', () => {
  const now = 1_000_000;
  const away = { unavailableSince: new Date(now - 61_000), nextAttemptAt: new Date(now + 9_000) };
  expect(describeBreaker({ state: 'open', ...away }, now)).toEqual({
    ...{ state: 'open', unavailableForMs: 61_000, nextAttemptInMs: 9_000 },
  });
  expect(describeBreaker({ state: 'half_open', ...away, nextAttemptAt: null }, now + 1_000)).toEqual({
    ...{ state: 'half_open', unavailableForMs: 62_000, nextAttemptInMs: null },
  });
  expect(describeBreaker({ state: 'open', ...away }, now + 10_000)).toMatchObject({ nextAttemptInMs: 0 });
  expect(describeBreaker({ state: 'closed', unavailableSince: null, nextAttemptAt: null }, now)).toEqual({
    ...{ state: 'closed', unavailableForMs: null, nextAttemptInMs: null },
  });
});
