import { useQuery } from '@tanstack/react-query';
import { fetchStats, imageStatuses, type Stats } from './api.ts';
import { pollInterval } from './use-images.ts';

/** How many images there are of each status, kept up to date. */
export function useStats(): Stats | undefined {
  const query = useQuery({
    queryKey: ['stats'],
    queryFn: ({ signal }) => fetchStats(signal),
    refetchInterval: ({ state }) => (state.data?.images.pending ? pollInterval.busy : pollInterval.idle),
  });
  return query.data;
}

export function countAll(stats: Stats): number {
  return imageStatuses.reduce((sum, status) => sum + (stats.images[status] ?? 0), 0);
}
