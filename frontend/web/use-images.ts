import { type QueryClient, useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { fetchImages, type Image, type ImageStatus } from './api.ts';
import {
  appendOlder,
  emptyList,
  findStalePage,
  hasPending,
  type ImageList,
  mergeNewest,
  refreshPage,
} from './image-list.ts';

/** Between two questions to the receiver, in ms: while results are due, and at rest. Hidden tabs do not ask. */
export const pollInterval = { busy: 1500, idle: 3000 };

/** The list of images, kept up to date, and a way to its older part. */
export function useImages(status: ImageStatus | null) {
  const client = useQueryClient();
  const key = listKey(status);
  const query = useQuery({
    queryKey: key,
    queryFn: ({ signal }) => refreshList(client, status, signal),
    refetchInterval: ({ state }) => (state.data && hasPending(state.data) ? pollInterval.busy : pollInterval.idle),
    // The list compares row by row itself; by index every row would differ as soon as one comes on top.
    structuralSharing: false,
  });
  const older = useMutation({
    mutationFn: async (cursor: string) => {
      const page = await fetchImages({ status, cursor });
      client.setQueryData<ImageList>(key, (list) => list && appendOlder(list, cursor, page));
    },
  });
  const cursor = query.data?.olderCursor ?? null;
  return {
    images: query.data?.images ?? filterHeld(client, status),
    error: query.error,
    older: {
      exists: cursor !== null,
      loading: older.isPending,
      failed: older.isError,
      load: () => {
        if (cursor !== null) older.mutate(cursor);
      },
    },
  };
}

async function refreshList(client: QueryClient, status: ImageStatus | null, signal: AbortSignal): Promise<ImageList> {
  const held = () => client.getQueryData<ImageList>(listKey(status)) ?? emptyList;
  const stale = findStalePage(held());
  const [newest, again] = await Promise.all([
    fetchImages({ status }, signal),
    stale === null ? null : fetchImages({ status, cursor: stale }, signal),
  ]);
  // Read again: an older page may have been added in the meantime.
  const refreshed = stale !== null && again ? refreshPage(held(), stale, again) : held();
  return mergeNewest(refreshed, newest);
}

/** What the unfiltered list already knows to pass the filter: to be shown at once, until the answer is there. */
function filterHeld(client: QueryClient, status: ImageStatus | null): readonly Image[] | undefined {
  const all = client.getQueryData<ImageList>(listKey(null));
  const images = all?.images.filter((image) => image.status === status) ?? [];
  return images.length > 0 ? images : undefined;
}

function listKey(status: ImageStatus | null) {
  return ['images', status] as const;
}
