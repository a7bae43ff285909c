import type { Minute } from '../api-system.ts';

/** Charts over one range of minutes: a value for each minute of it, null where nobody has counted. */
export interface History {
  /** When each minute began, seconds since 1970. */
  readonly times: readonly number[];
  readonly backlog: readonly (number | null)[];
  /** Photos a minute. */
  readonly done: readonly (number | null)[];
  /** Of these without an answer. */
  readonly failed: readonly (number | null)[];
  readonly p50Ms: readonly (number | null)[];
  readonly p95Ms: readonly (number | null)[];
}

/** Of a minute that has just begun, a rate says nothing yet, s. */
const leastSeconds = 15;

/** Fills in minutes that are missing, so that lines break where nothing is known. @param minutes ascending */
export function toHistory(minutes: readonly Minute[]): History {
  const known = new Map(minutes.map((minute) => [Date.parse(minute.at) / 1000, minute]));
  const times: number[] = [];
  const [first] = known.keys();
  const last = [...known.keys()].at(-1);
  if (first !== undefined && last !== undefined) for (let time = first; time <= last; time += 60) times.push(time);
  const of = (read: (minute: Minute) => number | null) =>
    times.map((time) => {
      const minute = known.get(time);
      return minute === undefined ? null : read(minute);
    });
  const rate = (count: (minute: Minute) => number) =>
    of((minute) => (minute.seconds < leastSeconds ? null : (count(minute) * 60) / minute.seconds));
  return {
    times,
    backlog: of(({ backlog }) => backlog),
    done: rate(countDone),
    failed: rate(({ failed, unreadable }) => failed + unreadable),
    p50Ms: of(({ p50Ms }) => p50Ms),
    p95Ms: of(({ p95Ms }) => p95Ms),
  };
}

export function countDone({ matched, unknown, noFace, unreadable, failed }: Minute): number {
  return matched + unknown + noFace + unreadable + failed;
}

/** Photos that ended in the last so many minutes that are over, in all. */
export function sumDone(minutes: readonly Minute[], count: number): number {
  const over = minutes.filter(({ seconds }) => seconds >= 60).slice(-count);
  return over.reduce((sum, minute) => sum + countDone(minute), 0);
}

/** Of the newest minute in which photos ended. `at`: when it began, milliseconds since 1970. */
export function findLatency(minutes: readonly Minute[]): { at: number; p50Ms: number; p95Ms: number } | null {
  const { at = '', p50Ms = null, p95Ms = null } = minutes.findLast((minute) => minute.p50Ms !== null) ?? {};
  return p50Ms === null ? null : { at: Date.parse(at), p50Ms, p95Ms: p95Ms ?? p50Ms };
}

/** The highest of them; null where nothing is known. */
export function highest(values: readonly (number | null)[]): number | null {
  const known = values.filter((value) => value !== null);
  return known.length === 0 ? null : Math.max(...known);
}
