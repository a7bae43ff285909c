import { expect, test } from 'vitest';
import { chooseDelay } from './deliver-webhooks.ts';

const failed = { status: 500, failure: 'http_status', retryAfterMs: null };

test('each failure waits for the next step, with jitter, and after the last there is none', () => {
  const schedule = [1_000, 10_000];
  for (const [failures, step] of schedule.entries()) {
    const delays = Array.from({ length: 50 }, () => chooseDelay(failed, failures, schedule) ?? 0);
    expect(Math.min(...delays)).toBeGreaterThanOrEqual(step * 0.9);
    expect(Math.max(...delays)).toBeLessThanOrEqual(step * 1.1);
    expect(new Set(delays).size).toBeGreaterThan(5);
  }
  expect(chooseDelay(failed, 2, schedule)).toBeNull();
  expect(chooseDelay(failed, 0, [])).toBeNull();
});

test('Retry-After is minded; who is gone is not asked again', () => {
  expect(chooseDelay({ ...failed, status: 429, retryAfterMs: 60_000 }, 0, [1_000])).toBe(60_000);
  expect(chooseDelay({ ...failed, status: 410 }, 0, [1_000])).toBeNull();
});
