import { expect, test } from 'vitest';
import type { Minute } from '../api-system.ts';
import { findLatency, highest, sumDone, toHistory } from './history.ts';

const minute = (clock: string, rest: Partial<Minute> = {}): Minute => ({
  at: `2026-11-21T${clock}:00.000Z`,
  seconds: 60,
  backlog: 0,
  ...{ matched: 0, unknown: 0, noFace: 0, unreadable: 0, failed: 0, p50Ms: null, p95Ms: null },
  ...rest,
});

test('a minute that nobody counted breaks the lines', () => {
  const { times, backlog, done } = toHistory([minute('10:00', { matched: 3 }), minute('10:02', { backlog: 7 })]);
  expect(times.map((time) => time - (times[0] ?? 0))).toEqual([0, 60, 120]);
  expect(backlog).toEqual([0, null, 7]);
  expect(done).toEqual([3, null, 0]);
});

test('the minute that goes on is told as a rate, when there is enough of it', () => {
  const minutes = [
    minute('10:00', { seconds: 30, unknown: 4, failed: 1 }),
    minute('10:01', { seconds: 5, matched: 9 }),
  ];
  const { done, failed } = toHistory(minutes);
  expect(done).toEqual([10, null]);
  expect(failed).toEqual([2, null]);
});

test('what was done lately counts minutes that are over, and latency is that of the newest photos', () => {
  const minutes = [
    minute('10:00', { matched: 5, p50Ms: 100, p95Ms: 900 }),
    minute('10:01', { noFace: 2, p50Ms: 300, p95Ms: 400 }),
    minute('10:02'),
    minute('10:03', { matched: 50, seconds: 12 }),
  ];
  expect(sumDone(minutes, 60)).toBe(7);
  expect(sumDone(minutes, 2)).toBe(2);
  expect(findLatency(minutes)).toMatchObject({ p50Ms: 300, p95Ms: 400 });
  expect(findLatency([minute('10:00')])).toBeNull();
});

test('the highest of what is known', () => {
  expect(highest([null, 3, 1])).toBe(3);
  expect(highest([null])).toBeNull();
  expect(toHistory([])).toMatchObject({ times: [], backlog: [] });
});
