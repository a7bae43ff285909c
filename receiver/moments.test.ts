import { expect, test } from 'vitest';
import { endOf, momentSchema, startOf } from './moments.ts';

test('a day begins with its first moment and ends when the next one begins', () => {
  expect(startOf('2026-11-21').toISOString()).toBe('2026-11-21T00:00:00.000Z');
  expect(endOf('2026-11-21').toISOString()).toBe('2026-11-22T00:00:00.000Z');
  expect(endOf('2026-11-21T08:00:00+01:00').toISOString()).toBe('2026-11-21T07:00:00.000Z');
});

test('what no DATETIME can hold is the first or the last that it can', () => {
  expect(endOf('9999-12-31').toISOString()).toBe('9999-12-31T23:59:59.999Z');
  expect(endOf('9999-12-31T23:59:59-05:00').toISOString()).toBe('9999-12-31T23:59:59.999Z');
  expect(startOf('0000-01-01T00:00:00+05:00').toISOString()).toBe('1000-01-01T00:00:00.000Z');
});

test('anything else is refused, and told what it should be', () => {
  for (const wrong of ['yesterday', '2026-13-01', '2026-11-21T08:00:00', '2026-11-21T08:00:00 01:00']) {
    expect(momentSchema.safeParse(wrong).error?.issues[0]?.message).toContain('2026-11-21T08:00:00Z');
  }
});
