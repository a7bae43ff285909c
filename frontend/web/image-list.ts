import { replaceEqualDeep } from '@tanstack/react-query';
import type { Image, ImagePage } from './api.ts';

/** A cursor, and the id below which its page begins. */
interface PageMark {
  readonly cursor: string;
  readonly belowId: number;
}

/**
 * The rows that the page holds: newest first and without a hole, from the newest known image down to the last
 * page that was asked for.
 */
export interface ImageList {
  readonly images: readonly Image[];
  /** Leads to the images older than the last row; null: there are none. */
  readonly olderCursor: string | null;
  /** The pages that can be asked for again, newest first; the first one follows the newest page. */
  readonly marks: readonly PageMark[];
  /** Ids of which an event has told that they are other than before, and that have not been read since. */
  readonly dirty: ReadonlySet<number>;
}

const none: ReadonlySet<number> = new Set();

export const emptyList: ImageList = { images: [], olderCursor: null, marks: [], dirty: none };

/**
 * Takes in the newest page. It decides about every id from its last row upwards, so that rows which no longer pass
 * the filter go. Where more new images came than a page holds, the older rows are dropped (the cursor leads back to
 * them) rather than shown with a hole that nothing would fill.
 */
export function mergeNewest(list: ImageList, page: ImagePage): ImageList {
  const lastId = page.images.at(-1)?.id;
  const newestHeld = list.images[0]?.id;
  // Nothing was found in the time that a page may take: that says nothing about the rows that are held.
  if (lastId === undefined && page.nextCursor !== null && newestHeld !== undefined) return list;
  const fresh = keepEqualRows(list, page.images);
  const mark = markOf(page);
  if (lastId === undefined || !mark || newestHeld === undefined || lastId > newestHeld) {
    return { images: fresh, olderCursor: page.nextCursor, marks: mark ? [mark] : [], dirty: none };
  }
  const older = list.images.filter((image) => image.id < lastId);
  if (older.length === 0) return { images: fresh, olderCursor: page.nextCursor, marks: [mark], dirty: none };
  const dirty = keepDirty(list, (id) => id < lastId);
  return { ...list, images: [...fresh, ...older], marks: addMark(list.marks.slice(1), mark), dirty };
}

/** Puts the page behind `cursor` at the end, unless the list has moved on since it was asked for. */
export function appendOlder(list: ImageList, cursor: string, page: ImagePage): ImageList {
  if (list.olderCursor !== cursor) return list;
  const mark = markOf(page);
  return {
    images: [...list.images, ...page.images],
    olderCursor: page.nextCursor,
    marks: mark ? addMark(list.marks, mark) : list.marks,
    dirty: list.dirty,
  };
}

/**
 * The page to ask for again because something in it, out of reach of the newest page, is not what it was, or waits for its
 * result.
 */
export function findStalePage(list: ImageList): string | null {
  const newestPageEnd = list.marks[0]?.belowId;
  if (newestPageEnd === undefined) return null;
  const pageOf = (id: number) => list.marks.findLast((mark) => mark.belowId > id)?.cursor ?? null;
  for (const id of list.dirty) if (id < newestPageEnd) return pageOf(id);
  // Oldest first, as the processor works: what is finished here lets the next page have its turn.
  const waiting = list.images.findLast((image) => image.status === 'pending' && image.id < newestPageEnd);
  return waiting ? pageOf(waiting.id) : null;
}

/** Remembers that images are other than before, until they are read again. */
export function markDirty(list: ImageList, ids: Iterable<number>): ImageList {
  const lowest = lowestHeld(list);
  const dirty = new Set([...list.dirty, ...[...ids].filter((id) => id >= lowest)]);
  return dirty.size === list.dirty.size ? list : { ...list, dirty };
}

/** As `markDirty`, for every image that shows one of these people: they may have another name now. */
export function markDirtyPerson(list: ImageList, people: ReadonlySet<number>): ImageList {
  if (people.size === 0) return list;
  const shown = list.images.filter(({ faces }) => faces.some(({ person }) => person !== null && people.has(person.id)));
  return markDirty(
    list,
    shown.map(({ id }) => id),
  );
}

export function removeImage(list: ImageList, id: number): ImageList {
  const images = list.images.filter((image) => image.id !== id);
  return images.length === list.images.length ? list : { ...list, images };
}

/** Takes in a page that was asked for again; it decides about the ids that it spans. */
export function refreshPage(list: ImageList, cursor: string, page: ImagePage): ImageList {
  const belowId = list.marks.find((mark) => mark.cursor === cursor)?.belowId;
  if (belowId === undefined) return list;
  const mark = markOf(page);
  const lastId = mark?.belowId ?? 0;
  const images = [
    ...list.images.filter((image) => image.id >= belowId),
    ...keepEqualRows(list, page.images),
    ...list.images.filter((image) => image.id < lastId),
  ];
  // A page that reaches further down than the list did takes the end of the list with it.
  const reachesEnd = lastId <= (list.images.at(-1)?.id ?? 0);
  return {
    images,
    olderCursor: reachesEnd ? page.nextCursor : list.olderCursor,
    marks: mark ? addMark(list.marks, mark) : list.marks,
    dirty: keepDirty(list, (id) => id >= belowId || id < lastId),
  };
}

export function hasPending(list: ImageList): boolean {
  return list.images.some((image) => image.status === 'pending');
}

/**
 * What a reader who has scrolled down sees: `frozen`, the rows shown when the scrolling began, stay where they are
 * (with their newest values), and newer ones are only counted.
 */
export function holdBackNewer(
  images: readonly Image[],
  frozen: readonly Image[] | null,
): { rows: readonly Image[]; newer: number } {
  const newestShown = frozen?.[0]?.id;
  if (!frozen || newestShown === undefined) return { rows: images, newer: 0 };
  const rows = images.filter((image) => image.id <= newestShown);
  const newer = images.length - rows.length;
  return { rows: rows.length === 0 && newer > 0 ? frozen : rows, newer };
}

function markOf(page: ImagePage): PageMark | null {
  const last = page.images.at(-1);
  return last && page.nextCursor !== null ? { cursor: page.nextCursor, belowId: last.id } : null;
}

/** What is older than this id is not in the list, and no page of it has been asked for. */
function lowestHeld(list: ImageList): number {
  return list.olderCursor === null ? 0 : (list.images.at(-1)?.id ?? 0);
}

function keepDirty(list: ImageList, keep: (id: number) => boolean): ReadonlySet<number> {
  return list.dirty.size === 0 ? list.dirty : new Set([...list.dirty].filter(keep));
}

function addMark(marks: readonly PageMark[], mark: PageMark): readonly PageMark[] {
  return [...marks.filter((held) => held.belowId !== mark.belowId), mark].sort((a, b) => b.belowId - a.belowId);
}

/** The same row stays the same object, so that React leaves its row of the table alone. */
function keepEqualRows(list: ImageList, images: readonly Image[]): readonly Image[] {
  const held = new Map(list.images.map((image) => [image.id, image]));
  return images.map((image) => replaceEqualDeep(held.get(image.id), image));
}
