import type { Image, QualityReason } from './api.ts';
import { t } from './texts.ts';

let locale = 'en-GB';
let formats = makeFormats();

function makeFormats() {
  return {
    relativeTime: new Intl.RelativeTimeFormat(locale, { numeric: 'auto', style: 'short' }),
    absoluteTime: new Intl.DateTimeFormat(locale, { dateStyle: 'medium', timeStyle: 'medium' }),
    day: new Intl.DateTimeFormat(locale, { dateStyle: 'medium' }),
    timeOfDay: new Intl.DateTimeFormat(locale, { timeStyle: 'short' }),
    wholeNumber: new Intl.NumberFormat(locale),
  };
}

/** Numbers and times follow the language of the page, not the browser's: one line must not mix two. */
export function setFormatLocale(name: string): void {
  locale = name;
  formats = makeFormats();
}

const minute = 60;
const hour = 60 * minute;
const day = 24 * hour;
const units: readonly [Intl.RelativeTimeFormatUnit, number][] = [
  ['year', 365 * day],
  ['month', 30 * day],
  ['week', 7 * day],
  ['day', day],
  ['hour', hour],
  ['minute', minute],
];

/** @param moment, @param now milliseconds since 1970 */
export function formatRelativeTime(moment: number, now: number): string {
  // A server's clock a little ahead of the reader's must not announce the future.
  const age = Math.max(0, (now - moment) / 1000);
  const [unit, seconds] = units.find(([, length]) => age >= length) ?? ['second', 1];
  return unit === 'second' ? t('time.now') : formats.relativeTime.format(-Math.floor(age / seconds), unit);
}

/** In the reader's own time zone. */
export function formatAbsoluteTime(moment: number): string {
  return formats.absoluteTime.format(moment);
}

/** @param day as "2026-11-21" */
export function formatDay(day: string): string {
  const [year = 0, month = 1, date = 1] = day.split('-').map(Number);
  return formats.day.format(new Date(year, month - 1, date));
}

/** "14:05", in the reader's own time zone. */
export function formatTimeOfDay(moment: number): string {
  return formats.timeOfDay.format(moment);
}

/** @param milliseconds as "40 ms", "0.4 s", "12 s", "3 min" */
export function formatDuration(milliseconds: number): string {
  const seconds = Math.max(0, milliseconds) / 1000;
  if (seconds < 0.0995) return `${Math.round(seconds * 1000)} ms`;
  if (seconds < 9.95) return `${seconds.toFixed(1)} s`;
  return seconds < 90 ? `${Math.round(seconds)} s` : `${Math.round(seconds / minute)} min`;
}

/** @param similarity 0..1; never rounded up to 100 %, which would read as certainty */
export function formatSimilarity(similarity: number): string {
  return `${Math.min(99, Math.max(0, Math.round(similarity * 100)))} %`;
}

export function formatCount(count: number): string {
  return formats.wholeNumber.format(count);
}

/** `a/b/c.jpg` as `a/b/` and `c.jpg`; an upload that has a name of its own lies in `uploads/` */
export function splitPath(path: string): { folder: string; file: string } {
  const slash = path.replace(/\/+$/, '').lastIndexOf('/');
  return { folder: path.slice(0, slash + 1).replace(uploadFolder, '$1'), file: path.slice(slash + 1) };
}

/** Of one upload: nobody looks for the digest of its content, and beside it there is nothing. */
const uploadFolder = /^(uploads\/)([0-9a-f]{2})\/\2[0-9a-f]{62}\/$/;

/** A long text without its middle: of a folder and of a file's name the end says more than the start. At most so many characters. */
export function shorten(text: string, most: number): string {
  const characters = [...text];
  if (characters.length <= most) return text;
  const start = Math.floor((most - 1) / 3);
  return `${characters.slice(0, start).join('')}…${characters.slice(start + 1 - most).join('')}`;
}

/** The people in a photo, each once, the best match first, and how many faces belong to none of them. */
export function summariseFaces(image: Image): { people: readonly string[]; unknownFaces: number } {
  const matched = image.faces
    .filter((face) => face.person !== null)
    .sort((a, b) => (b.similarity ?? 0) - (a.similarity ?? 0));
  const names = matched.flatMap((face) => face.person?.name ?? []);
  const best = image.person ? [image.person.name] : [];
  return { people: [...new Set([...best, ...names])], unknownFaces: image.faces.length - matched.length };
}

/** Why faces are hard to recognise, each reason once: "small, blurred"; null when they are not. */
export function describeQuality(
  faces: readonly { quality: { reasons: readonly QualityReason[] } | null }[],
): string | null {
  const reasons = new Set(faces.flatMap((face) => face.quality?.reasons ?? []));
  return reasons.size > 0 ? formatList([...reasons].map((reason) => t(`quality.${reason}`))) : null;
}

/** What a screen reader says for the photo. */
export function describePhoto(image: Image): string {
  const { people, unknownFaces } = summariseFaces(image);
  const who = unknownFaces > 0 ? [...people, t('photo.unknown', { count: unknownFaces })] : people;
  return t('photo.described', {
    file: splitPath(image.path).file,
    who: who.length > 0 ? formatList(who) : t(`status.${image.status}`).toLowerCase(),
  });
}

export function formatList(parts: readonly string[]): string {
  return parts.join(t('list.separator'));
}

/** @param distance Euclidean, between descriptors */
export function formatDistance(distance: number): string {
  return distance.toFixed(3);
}

/** @param bytes as "3.4 MB" */
export function formatBytes(bytes: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  const step = bytes < 1 ? 0 : Math.min(units.length - 1, Math.floor(Math.log10(bytes) / 3));
  const value = bytes / 1000 ** step;
  return `${value < 10 && step > 0 ? value.toFixed(1) : Math.round(value)} ${units[step]}`;
}
