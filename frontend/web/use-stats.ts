import { useQuery } from '@tanstack/react-query';
import { fetchStats, imageStatuses, isNotLoggedIn, type Stats } from './api.ts';
import { pollInterval } from './use-images.ts';

export const statsKey = ['stats'] as const;

/** How many images there are of each status, kept up to date; `error` while the receiver does not say. */
export function useStats(): { stats: Stats | undefined; error: Error | null } {
  const query = useQuery({
    queryKey: statsKey,
    queryFn: ({ signal }) => fetchStats(signal),
    // Also while events come in: a count that was given again is some seconds older than the event that it follows.
    refetchInterval: ({ state: { data, error } }) => {
      // Nobody logs in within a second.
      if (isNotLoggedIn(error)) return pollInterval.idle;
      // While paused there is a countdown to be told.
      return data?.images.pending || data?.processing?.state === 'paused' || error
        ? pollInterval.busy
        : pollInterval.idle;
    },
  });
  return { stats: query.data, error: query.error };
}

export function countAll(stats: Stats): number {
  return imageStatuses.reduce((sum, status) => sum + (stats.images[status] ?? 0), 0);
}
