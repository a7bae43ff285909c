import { type QueryClient, useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { fetchImages, type Image, type ImageFilter, type ImagePage, type ImageQuery, olderPageSize } from './api.ts';
import {
  appendOlder,
  emptyList,
  findStalePage,
  hasPending,
  type ImageList,
  mergeNewest,
  refreshPage,
} from './image-list.ts';
import { isLive } from './live.ts';

/**
 * Between two questions to the receiver, in ms: while results are due, at rest, and while events tell what happens (they
 * are told as far as possible only). Hidden tabs do not ask.
 */
export const pollInterval = { busy: 1_500, idle: 3_000, live: 20_000 };

/** Pages of several conditions may be empty and still lead on: so many are read for one that is not. */
const maxEmptyPages = 20;
/** Pages out of reach of the newest that are read again in one go. */
const maxStalePages = 4;

/** The list of images, kept up to date, and a way to its older part. */
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
    ...(filter.q === '' ? {} : { placeholderData: (shown: ImageList | undefined) => shown }),
    // The list compares row by row itself; by index every row would differ as soon as one comes on top.
    structuralSharing: false,
  });
  const older = useMutation({
    mutationFn: async (cursor: string) => {
      const page = await fetchFilledPage({ ...filter, cursor, limit: olderPageSize });
      client.setQueryData<ImageList>(key, (list) => list && appendOlder(list, cursor, page));
    },
  });
  const cursor = query.isPlaceholderData ? null : (query.data?.olderCursor ?? null);
  return {
    images: query.data?.images ?? filterHeld(client, filter),
    error: query.error,
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

/** The rows beside this image in the list that it was opened from, as far as they are held. */
export function findNeighbours(client: QueryClient, filter: ImageFilter, id: number) {
  const images = client.getQueryData<ImageList>(listKey(filter))?.images ?? [];
  const index = images.findIndex((image) => image.id === id);
  if (index < 0) return { newer: null, older: null };
  return { newer: images[index - 1]?.id ?? null, older: images[index + 1]?.id ?? null };
}

async function refreshList(client: QueryClient, filter: ImageFilter, signal: AbortSignal): Promise<ImageList> {
  const held = () => client.getQueryData<ImageList>(listKey(filter)) ?? emptyList;
  let list = mergeNewest(held(), await fetchFilledPage(filter, signal));
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
  const last = read.images.at(-1)?.id;
  if (last === undefined || read.olderCursor === null) return read;
  const appended = held.images.filter(({ id }) => id < last);
  if (appended.length === 0 || !held.images.some(({ id }) => id === last)) return read;
  const marks = [...read.marks, ...held.marks.filter(({ belowId }) => belowId < last)];
  return { ...read, images: [...read.images, ...appended], olderCursor: held.olderCursor, marks };
}

async function fetchFilledPage(query: ImageQuery, signal?: AbortSignal): Promise<ImagePage> {
  let page = await fetchImages(query, signal);
  for (let count = 0; count < maxEmptyPages && page.images.length === 0 && page.nextCursor !== null; count++) {
    page = await fetchImages({ ...query, cursor: page.nextCursor }, signal);
  }
  return page;
}

/** What the unfiltered list already knows to pass the filter: to be shown at once, until the answer is there. */
function filterHeld(client: QueryClient, { status, person, q }: ImageFilter): readonly Image[] | undefined {
  if (q !== '' || (status === null && person === null)) return undefined;
  const all = client.getQueryData<ImageList>(listKey({ status: null, person: null, q: '' }));
  const passes = (image: Image) =>
    (status === null || image.status === status) &&
    (person === null || image.faces.some((face) => face.person?.id === person));
  const images = all?.images.filter(passes) ?? [];
  return images.length > 0 ? images : undefined;
}

function listKey({ status, person, q }: ImageFilter) {
  return ['images', status, person, q] as const;
}
