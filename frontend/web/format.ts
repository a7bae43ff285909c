import type { Face, Image, ImageStatus, QualityReason } from './api.ts';

// One language until the page speaks two: a browser set to another must not mix both in one line.
const locale = 'en-GB';

const relativeTime = new Intl.RelativeTimeFormat(locale, { numeric: 'auto', style: 'short' });
const absoluteTime = new Intl.DateTimeFormat(locale, { dateStyle: 'medium', timeStyle: 'medium' });
const timeOfDay = new Intl.DateTimeFormat(locale, { timeStyle: 'short' });
const wholeNumber = new Intl.NumberFormat(locale);

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
  return unit === 'second' ? 'just now' : relativeTime.format(-Math.floor(age / seconds), unit);
}

/** In the reader's own time zone. */
export function formatAbsoluteTime(moment: number): string {
  return absoluteTime.format(moment);
}

/** "14:05", in the reader's own time zone. */
export function formatTimeOfDay(moment: number): string {
  return timeOfDay.format(moment);
}

/** @param milliseconds as "0.4 s", "12 s", "3 min" */
export function formatDuration(milliseconds: number): string {
  const seconds = Math.max(0, milliseconds) / 1000;
  if (seconds < 9.95) return `${seconds.toFixed(1)} s`;
  return seconds < 90 ? `${Math.round(seconds)} s` : `${Math.round(seconds / minute)} min`;
}

/** @param similarity 0..1; never rounded up to 100 %, which would read as certainty */
export function formatSimilarity(similarity: number): string {
  return `${Math.min(99, Math.max(0, Math.round(similarity * 100)))} %`;
}

export function formatCount(count: number): string {
  return wholeNumber.format(count);
}

export function formatFaceCount(count: number): string {
  return `${formatCount(count)} ${count === 1 ? 'face' : 'faces'}`;
}

export const statusNames: Readonly<Record<ImageStatus, string>> = {
  matched: 'Matched',
  unknown: 'Unknown',
  no_face: 'No face',
  unreadable: 'Unreadable',
  failed: 'Failed',
  pending: 'Pending',
};

/** `a/b/c.jpg` as `a/b/` and `c.jpg` */
export function splitPath(path: string): { folder: string; file: string } {
  const slash = path.replace(/\/+$/, '').lastIndexOf('/');
  return { folder: path.slice(0, slash + 1), file: path.slice(slash + 1) };
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

const qualityWords: Readonly<Record<QualityReason, string>> = {
  SMALL_BOUNDING_BOX: 'small',
  LOW_SHARPNESS: 'blurred',
  LOW_BRIGHTNESS: 'dark',
  EXTREME_POSE: 'turned away',
  LOW_CONFIDENCE: 'hardly a face',
};

/** Why faces are hard to recognise, each reason once: "small, blurred"; null when they are not. */
export function describeQuality(faces: readonly Face[]): string | null {
  const reasons = new Set(faces.flatMap((face) => face.quality?.reasons ?? []));
  return reasons.size > 0 ? [...reasons].map((reason) => qualityWords[reason]).join(', ') : null;
}

/** What a screen reader says for the photo. */
export function describePhoto(image: Image): string {
  const { people, unknownFaces } = summariseFaces(image);
  const who = unknownFaces > 0 ? [...people, `${formatCount(unknownFaces)} unknown`] : people;
  return `${splitPath(image.path).file}: ${who.length > 0 ? who.join(', ') : statusNames[image.status].toLowerCase()}`;
}
