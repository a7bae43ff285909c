import { z } from 'zod';

const DAY_MS = 86_400_000;
/** What a DATETIME of MySQL holds: beyond it nothing is compared as it should be. */
const EARLIEST = Date.parse('1000-01-01T00:00:00.000Z');
const LATEST = Date.parse('9999-12-31T23:59:59.999Z');

const day = z.iso.date();
const MESSAGE = 'a moment with its offset, 2026-11-21T08:00:00Z (a + is written %2B), or a day, 2026-11-21';

/** A moment, or a day in UTC, in a query. */
export const momentSchema = z.union([z.iso.datetime({ offset: true }), day], { error: MESSAGE });

/** The moment, or the beginning of the day. */
export function startOf(moment: string): Date {
  return clamp(Date.parse(moment));
}

/** The moment, or the end of the day: when the next one begins. */
export function endOf(moment: string): Date {
  const start = Date.parse(moment);
  return clamp(day.safeParse(moment).success ? start + DAY_MS : start);
}

function clamp(ms: number): Date {
  return new Date(Math.min(Math.max(ms, EARLIEST), LATEST));
}
