import { expect, test } from 'vitest';
import { readEnv } from './env.ts';
import { retryAtSql, retryKeys } from './retry.ts';

const read = (RETRY_SCHEDULE?: string) => readEnv({ RETRY_SCHEDULE }, retryKeys).RETRY_SCHEDULE;

test.each([
  [undefined, [600_000, 3_600_000, 21_600_000, 86_400_000]],
  ['5s', [5_000]],
  ['1m, 2d', [60_000, 172_800_000]],
  ['never', []],
])('the schedule %s', (text, steps) => {
  expect(read(text)).toEqual(steps);
});

test.each(['10', '10m;1h', 'm', '10m,', 'soon', '400d', '-1s', '1.5h'])('is not usable: %s', (text) => {
  expect(() => read(text)).toThrow('RETRY_SCHEDULE: expected');
});

test('each delay has a jitter of a tenth', () => {
  const delays = Array.from({ length: 200 }, () => retryAtSql([1_000]).values[0] ?? 0);
  expect(Math.min(...delays)).toBeGreaterThanOrEqual(900);
  expect(Math.max(...delays)).toBeLessThanOrEqual(1_100);
  expect(new Set(delays).size).toBeGreaterThan(20);
  expect(retryAtSql([])).toEqual({ sql: 'NULL', values: [] });
});
