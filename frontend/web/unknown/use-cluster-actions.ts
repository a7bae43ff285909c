import { type InfiniteData, useMutation, useQueryClient } from '@tanstack/react-query';
import { type ClusterPage, ignoreCluster, nameCluster } from '../api-clusters.ts';
import type { Choice } from '../api-people.ts';
import { tell, tellError } from '../notices.tsx';
import { t } from '../texts.ts';

/** What can be said of a cluster as a whole; `onGone` is called when it is one no longer. */
export function useClusterActions(id: number, onGone?: (personId: number | null) => void) {
  const client = useQueryClient();
  const leave = () => {
    client.setQueriesData<InfiniteData<ClusterPage>>({ queryKey: ['clusters', 'list'] }, (data) => {
      if (!data) return data;
      const pages = data.pages.map((page) => ({
        ...page,
        clusters: page.clusters.filter((cluster) => cluster.id !== id),
      }));
      return { ...data, pages };
    });
    for (const key of ['clusters', 'people', 'images']) void client.invalidateQueries({ queryKey: [key] });
  };
  const naming = useMutation({
    mutationFn: (choice: Choice) => nameCluster(id, choice),
    onSuccess: ({ person, faces, images, enrolled }) => {
      tell(t('unknown.named', { name: person.name, faces, images, enrolled }));
      leave();
      onGone?.(person.id);
    },
    onError: tellError,
  });
  const ignoring = useMutation({
    mutationFn: (ignored: boolean) => ignoreCluster(id, ignored),
    onSuccess: () => {
      leave();
      onGone?.(null);
    },
    onError: tellError,
  });
  return {
    isBusy: naming.isPending || ignoring.isPending,
    /** From then on it is not asked for: the answer may be that there is none. */
    isLeaving: isUnderWay(naming) || isUnderWay(ignoring),
    name: (choice: Choice) => naming.mutate(choice),
    ignore: (ignored: boolean) => ignoring.mutate(ignored),
  };
}

function isUnderWay({ isPending, isSuccess }: { isPending: boolean; isSuccess: boolean }): boolean {
  return isPending || isSuccess;
}
