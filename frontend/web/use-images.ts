import { type QueryClient, useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useRef } from 'react';
import { fetchImages, type ImageFilter, type ImagePage, type ImageQuery, noFilter, olderPageSize } from './api.ts';
import {
  appendOlder,
  emptyList,
  findPage,
  findStalePage,
  forgetFar,
  hasPending,
  type ImageList,
  isHeld,
  type ListedImage,
  mergeFirst,
  refreshPage,
} from './image-list.ts';
import { countBefore, type Place } from './image-order.ts';
import { isLive } from './live.ts';
import { isReading } from './use-held-rows.ts';

/**
 * Between two questions to the receiver, in ms: while results are due, at rest, and while events tell what happens (they
 * are told as far as possible only). Hidden tabs do not ask.
 */
export const pollInterval = { busy: 1_500, idle: 3_000, live: 20_000 };

/** Pages of several conditions may be empty and still lead on: so many are read for one that is not. */
const maxEmptyPages = 20;
/** Pages out of reach of the newest that are read again in one go. */
const maxStalePages = 4;
/** Of rows farther than `rowsAround` from those that are looked at only the places are kept, once more than this are held. */
const maxHeld = 2_000;
const rowsAround = 500;
/** Far rows this near to those that are looked at are read again. */
const rowsAhead = 60;

export type Images = ReturnType<typeof useImages>;

/** The list of images, kept up to date, and a way to what is not held of it. */
export function useImages(filter: ImageFilter) {
  const client = useQueryClient();
  const key = listKey(filter);
  const query = useQuery<ImageList>({
    queryKey: key,
    queryFn: ({ signal }) => refreshList(client, filter, signal),
    refetchInterval: ({ state }) => {
      if (isLive() && !state.error) return pollInterval.live;
      return state.data && hasPending(state.data) ? pollInterval.busy : pollInterval.idle;
    },
    // While words are being typed the rows that were found so far stay.
    ...(filter.q === '' ? {} : { placeholderData: keepOfOrder(filter) }),
    // The list compares row by row itself; by index every row would differ as soon as one comes on top.
    structuralSharing: false,
  });
  const change = (how: (list: ImageList) => ImageList) =>
    void client.setQueryData<ImageList>(key, (list) => list && how(list));
  const older = useMutation({
    mutationFn: async (cursor: string) => {
      const page = await fetchFilledPage({ ...filter, cursor, limit: olderPageSize });
      change((list) => appendOlder(list, cursor, page));
    },
  });
  const reading = useRef<string | null>(null);
  const readAgain = async (cursor: string) => {
    if (reading.current !== null) return;
    reading.current = cursor;
    try {
      const page = await fetchFilledPage({ ...filter, cursor, limit: olderPageSize });
      change((list) => refreshPage(list, cursor, page));
    } catch {
      // The connection banner tells; the next movement asks again.
    } finally {
      reading.current = null;
    }
  };
  const list = query.data ?? filterHeld(client, filter);
  const cursor = query.isPlaceholderData ? null : (query.data?.olderCursor ?? null);
  return {
    list,
    error: query.error,
    /** Reads what has become far when it is looked at again, and forgets what has become far. */
    look(from: Place, to: Place) {
      const held = client.getQueryData<ImageList>(key);
      if (!held) return;
      const [first, last] = [countBefore(held.order, held.images, from), countBefore(held.order, held.images, to)];
      const far = held.images.slice(Math.max(0, first - rowsAhead), last + rowsAhead).find((image) => !isHeld(image));
      const page = far ? findPage(held, far) : null;
      if (page !== null) void readAgain(page);
      if (countHeld(held.images) > maxHeld) change((now) => forgetFar(now, first, last, rowsAround));
    },
    /** Shows what came before the first row, after it was held back. */
    catchUp() {
      if (client.getQueryData<ImageList>(key)?.isBehind) void client.invalidateQueries({ queryKey: key, exact: true });
    },
    older: {
      exists: cursor !== null,
      loading: older.isPending,
      failed: older.isError,
      load: () => {
        if (cursor !== null && !older.isPending) older.mutate(cursor);
      },
    },
  };
}

/** The rows beside this image in the list that it was opened from, as far as they are known. */
export function findNeighbours(client: QueryClient, filter: ImageFilter, id: number) {
  const images = client.getQueryData<ImageList>(listKey(filter))?.images ?? [];
  const index = images.findIndex((image) => image.id === id);
  if (index < 0) return { before: null, after: null };
  return { before: images[index - 1]?.id ?? null, after: images[index + 1]?.id ?? null };
}

async function refreshList(client: QueryClient, filter: ImageFilter, signal: AbortSignal): Promise<ImageList> {
  const held = () => client.getQueryData<ImageList>(listKey(filter)) ?? emptyList(filter.sort);
  const first = await fetchFilledPage(filter, signal);
  let list = mergeFirst(held(), first, { keep: isReading() });
  for (let count = 0; count < maxStalePages; count++) {
    const stale = findStalePage(list);
    if (stale === null) break;
    list = refreshPage(list, stale, await fetchFilledPage({ ...filter, cursor: stale }, signal));
    if (list.dirty.size === 0) break;
  }
  // An older page may have been added in the meantime.
  return takeOver(held(), list);
}

/** What was read, and the rows that were put at the end of the held list while that went on. */
function takeOver(held: ImageList, read: ImageList): ImageList {
  const last = read.images.at(-1);
  if (last === undefined || read.olderCursor === null) return read;
  const at = countBefore(held.order, held.images, last);
  const appended = held.images.slice(at + 1);
  if (appended.length === 0 || held.images[at]?.id !== last.id) return read;
  const known = new Set(read.marks.map(({ cursor }) => cursor));
  const marks = [...read.marks, ...held.marks.filter(({ cursor }) => !known.has(cursor))];
  return { ...read, images: [...read.images, ...appended], olderCursor: held.olderCursor, marks };
}

async function fetchFilledPage(query: ImageQuery, signal?: AbortSignal): Promise<ImagePage> {
  let page = await fetchImages(query, signal);
  for (let count = 0; count < maxEmptyPages && page.images.length === 0 && page.nextCursor !== null; count++) {
    page = await fetchImages({ ...query, cursor: page.nextCursor }, signal);
  }
  return page;
}

function countHeld(images: readonly ListedImage[]): number {
  return images.reduce((count, image) => (isHeld(image) ? count + 1 : count), 0);
}

/** What the unfiltered list already knows to pass the filter: to be shown at once, until the answer is there. */
function filterHeld(client: QueryClient, filter: ImageFilter): ImageList | undefined {
  const { status, person, q, folder, from, to, sort } = filter;
  if (q !== '' || folder !== '' || from !== '' || to !== '' || (status === null && person === null)) return undefined;
  const all = client.getQueryData<ImageList>(listKey({ ...noFilter, sort }));
  const passing = all?.images.filter(
    (image) =>
      isHeld(image) &&
      (status === null || image.status === status) &&
      (person === null || image.faces.some((face) => face.person?.id === person)),
  );
  return passing && passing.length > 0 ? { ...emptyList(sort), images: passing } : undefined;
}

function keepOfOrder({ sort }: ImageFilter) {
  return (shown: ImageList | undefined) => (shown?.order === sort ? shown : undefined);
}

function listKey({ status, person, q, folder, from, to, sort }: ImageFilter) {
  return ['images', status, person, q, folder, from, to, sort] as const;
}
