import { replaceEqualDeep } from '@tanstack/react-query';
import type { Image, ImagePage } from './api.ts';
import { comparePlaces, countBefore, type ImageOrder, type Place } from './image-order.ts';

/** A row far from what is looked at: that it is there is all that is held of it. */
export type FarImage = Place;
export type ListedImage = Image | FarImage;

export function isHeld(image: ListedImage): image is Image {
  return 'status' in image;
}

/** A cursor, and the place after which its page begins. */
interface PageMark {
  readonly cursor: string;
  readonly after: Place;
}

/**
 * The rows that the page knows: in order and without a hole, from the first one down to the last page that was asked for.
 */
export interface ImageList {
  readonly order: ImageOrder;
  readonly images: readonly ListedImage[];
  /** Leads to the images after the last row; null: there are none. */
  readonly olderCursor: string | null;
  /** The pages that can be asked for again, in order; the first one follows the first page. */
  readonly marks: readonly PageMark[];
  /** Ids of which an event has told that they are other than before, and that have not been read since. */
  readonly dirty: ReadonlySet<number>;
  /** There are more images before the first row than a page holds: it was kept for somebody who reads below. */
  readonly isBehind: boolean;
}

const none: ReadonlySet<number> = new Set();

export function emptyList(order: ImageOrder): ImageList {
  return { order, images: [], olderCursor: null, marks: [], dirty: none, isBehind: false };
}

/**
 * Takes in the first page. It decides about every place down to its last row, so that rows which no longer pass
 * the filter go. Where more new images came than a page holds, the older rows are dropped (the cursor leads back to
 * them) rather than shown with a hole that nothing would fill; or, with `keep`, the list stays as it was.
 */
export function mergeFirst(list: ImageList, page: ImagePage, { keep = false } = {}): ImageList {
  const last = page.images.at(-1);
  const firstHeld = list.images[0];
  // Nothing was found in the time that a page may take: that says nothing about the rows that are held.
  if (last === undefined && page.nextCursor !== null && firstHeld !== undefined) return list;
  const fresh = keepEqualRows(list, page.images);
  const mark = markOf(page);
  const anew = { ...emptyList(list.order), images: fresh, olderCursor: page.nextCursor, marks: mark ? [mark] : [] };
  if (last === undefined || !mark || firstHeld === undefined) return anew;
  if (comparePlaces(list.order, last, firstHeld) < 0) return keep ? { ...list, isBehind: true } : anew;
  const older = list.images.slice(countUpTo(list, last));
  if (older.length === 0) return anew;
  const marks = addMark(list, list.marks.slice(1), mark);
  return { ...list, images: [...fresh, ...older], marks, dirty: keepDirty(list, last, null), isBehind: false };
}

/** Puts the page behind `cursor` at the end, unless the list has moved on since it was asked for. */
export function appendOlder(list: ImageList, cursor: string, page: ImagePage): ImageList {
  if (list.olderCursor !== cursor) return list;
  const mark = markOf(page);
  return {
    ...list,
    images: [...list.images, ...page.images],
    olderCursor: page.nextCursor,
    marks: mark ? addMark(list, list.marks, mark) : list.marks,
  };
}

/**
 * The page to ask for again because something in it, out of reach of the first page, is not what it was, or waits for its
 * result.
 */
export function findStalePage(list: ImageList): string | null {
  const firstPageEnd = list.marks[0]?.after;
  if (firstPageEnd === undefined) return null;
  const isBeyond = (place: Place) => comparePlaces(list.order, firstPageEnd, place) < 0;
  for (const id of list.dirty) {
    const place = findPlace(list, id);
    if (place && isBeyond(place)) return findPage(list, place);
  }
  // Last first: newest first it is the oldest, as the processor works; what is finished here lets the next page have its turn.
  const waiting = list.images.findLast((image) => isPending(image) && isBeyond(image));
  return waiting ? findPage(list, waiting) : null;
}

/** The page in which a row is to be found; null: the first. */
export function findPage({ order, marks }: ImageList, place: Place): string | null {
  return marks.findLast(({ after }) => comparePlaces(order, after, place) < 0)?.cursor ?? null;
}

/** Remembers that images are other than before, until they are read again. */
export function markDirty(list: ImageList, ids: Iterable<number>): ImageList {
  const end = list.olderCursor === null ? undefined : list.images.at(-1);
  const isWithin = (id: number) => {
    const place = findPlace(list, id);
    return place !== undefined && (end === undefined || comparePlaces(list.order, place, end) <= 0);
  };
  const dirty = new Set([...list.dirty, ...[...ids].filter(isWithin)]);
  return dirty.size === list.dirty.size ? list : { ...list, dirty };
}

/** As `markDirty`, for every image that shows one of these people: they may have another name now. */
export function markDirtyPerson(list: ImageList, people: ReadonlySet<number>): ImageList {
  if (people.size === 0) return list;
  const shown = list.images.filter(
    (image) => isHeld(image) && image.faces.some(({ person }) => person !== null && people.has(person.id)),
  );
  return markDirty(
    list,
    shown.map(({ id }) => id),
  );
}

export function removeImage(list: ImageList, id: number): ImageList {
  const images = list.images.filter((image) => image.id !== id);
  return images.length === list.images.length ? list : { ...list, images };
}

/** Takes in a page that was asked for again; it decides about what it spans. */
export function refreshPage(list: ImageList, cursor: string, page: ImagePage): ImageList {
  const after = list.marks.find((mark) => mark.cursor === cursor)?.after;
  if (after === undefined) return list;
  const mark = markOf(page);
  const held = list.images.at(-1);
  // A page that reaches further down than the list did takes the end of the list with it.
  const reachesEnd = !mark || !held || comparePlaces(list.order, mark.after, held) >= 0;
  const images = [
    ...list.images.slice(0, countUpTo(list, after)),
    ...keepEqualRows(list, page.images),
    ...(mark ? list.images.slice(countUpTo(list, mark.after)) : []),
  ];
  return {
    ...list,
    images,
    olderCursor: reachesEnd ? page.nextCursor : list.olderCursor,
    marks: mark ? addMark(list, list.marks, mark) : list.marks,
    dirty: keepDirty(list, mark?.after ?? null, after),
  };
}

/**
 * Forgets what rows show that are farther than `around` from those that are looked at: memory stays bounded however far
 * somebody scrolls. The newest page is kept, as it is asked for again and again.
 */
export function forgetFar(list: ImageList, from: number, to: number, around: number): ImageList {
  const path = (image: ListedImage) => (list.order === 'path' ? image.path : '');
  const images = list.images.map((image, index) =>
    index < around || (index >= from - around && index < to + around) || !isHeld(image)
      ? image
      : { id: image.id, path: path(image) },
  );
  return { ...list, images };
}

export function hasPending(list: ImageList): boolean {
  return list.images.some(isPending);
}

/**
 * What a reader who has scrolled down sees: from `first`, the row on top when the scrolling began, everything stays where it
 * is (with its newest values), and what came before it is only counted.
 */
export function holdBackNewer(
  { images, order }: Pick<ImageList, 'images' | 'order'>,
  first: Place | null,
): { rows: readonly ListedImage[]; newer: number } {
  const newer = first ? countBefore(order, images, first) : 0;
  return newer === 0 || newer === images.length ? { rows: images, newer: 0 } : { rows: images.slice(newer), newer };
}

function isPending(image: ListedImage): boolean {
  return isHeld(image) && image.status === 'pending';
}

function markOf(page: ImagePage): PageMark | null {
  const last = page.images.at(-1);
  return last && page.nextCursor !== null ? { cursor: page.nextCursor, after: { id: last.id, path: last.path } } : null;
}

/** By path, only the place of what is held is known. */
function findPlace({ order, images }: ImageList, id: number): Place | undefined {
  return order === 'path' ? images.find((image) => image.id === id) : { id, path: '' };
}

/** How many rows there are down to a place, that of it included. */
function countUpTo({ order, images }: ImageList, place: Place): number {
  const before = countBefore(order, images, place);
  return images[before]?.id === place.id ? before + 1 : before;
}

/** Without those that lie between two places, the last one included; null: at either end. */
function keepDirty(list: ImageList, last: Place | null, after: Place | null): ReadonlySet<number> {
  if (list.dirty.size === 0) return list.dirty;
  const isOutside = (id: number) => {
    const place = findPlace(list, id);
    if (place === undefined) return false;
    const isBefore = after !== null && comparePlaces(list.order, place, after) <= 0;
    return isBefore || (last !== null && comparePlaces(list.order, last, place) < 0);
  };
  return new Set([...list.dirty].filter(isOutside));
}

function addMark({ order }: ImageList, marks: readonly PageMark[], mark: PageMark): readonly PageMark[] {
  const others = marks.filter(({ after }) => after.id !== mark.after.id);
  return [...others, mark].sort((a, b) => comparePlaces(order, a.after, b.after));
}

/** The same row stays the same object, so that React leaves its row of the table alone. */
function keepEqualRows({ order, images }: ImageList, page: readonly Image[]): readonly Image[] {
  return page.map((image) => {
    const held = images[countBefore(order, images, image)];
    return held?.id === image.id && isHeld(held) ? replaceEqualDeep(held, image) : image;
  });
}
