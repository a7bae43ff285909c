import { expect, test } from 'vitest';
import { retryDelay } from './work-on-lease.ts';

test('the delay doubles from about 1 s to about 1 min, with jitter of a quarter', () => {
  for (const [deliveries, ms] of [
    [1, 1_000],
    [2, 2_000],
    [5, 16_000],
    [7, 60_000],
    [30, 60_000],
  ] as const) {
    const delays = Array.from({ length: 200 }, () => retryDelay(deliveries));
    expect(Math.min(...delays)).toBeGreaterThanOrEqual(ms * 0.75);
    expect(Math.max(...delays)).toBeLessThanOrEqual(ms * 1.25);
    expect(new Set(delays).size).toBeGreaterThan(20);
  }
});
