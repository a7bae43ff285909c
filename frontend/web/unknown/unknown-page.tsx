import { type InfiniteData, useInfiniteQuery } from '@tanstack/react-query';
import { getRouteApi, Link } from '@tanstack/react-router';
import { type Cluster, fetchClusters, type ClusterPage as Page } from '../api-clusters.ts';
import { FaceCrop } from '../face-crop.tsx';
import { FaceMark } from '../face-mark.tsx';
import { NotLoaded } from '../not-loaded.tsx';
import { PersonPicker } from '../person-picker.tsx';
import { ShowMore } from '../show-more.tsx';
import { t } from '../texts.ts';
import { useClusterActions } from './use-cluster-actions.ts';

const route = getRouteApi('/unknown');

/** Unknown faces that are probably of one person, most faces first. */
export function UnknownPage() {
  const { ignored = false } = route.useSearch();
  const query = useInfiniteQuery<Page, Error, InfiniteData<Page>, readonly unknown[], string | undefined>({
    queryKey: ['clusters', 'list', ignored],
    queryFn: ({ signal, pageParam }) => fetchClusters({ ignored, cursor: pageParam }, signal),
    initialPageParam: undefined,
    getNextPageParam: (last) => last.nextCursor ?? undefined,
    refetchInterval: ({ state }) => (state.error ? 3_000 : 15_000),
  });
  const clusters = query.data?.pages.flatMap((page) => page.clusters);
  return (
    <>
      <div className="page-title">
        <h1>{t('nav.unknown')}</h1>
        <Link className="button" to="/unknown" search={ignored ? {} : { ignored: true }}>
          {ignored ? t('unknown.showOpen') : t('unknown.showIgnored')}
        </Link>
      </div>
      {clusters && clusters.length > 0 && <p className="intro">{t('unknown.intro')}</p>}
      {!clusters && <NotLoaded error={query.error} />}
      {clusters && clusters.length > 0 && (
        <ul className="clusters">
          {clusters.map((cluster) => (
            <ClusterCard key={cluster.id} cluster={cluster} />
          ))}
        </ul>
      )}
      {clusters?.length === 0 && (
        <section className="empty">
          <FaceMark />
          <h2>{ignored ? t('unknown.emptyIgnored') : t('unknown.emptyTitle')}</h2>
          {!ignored && <p>{t('unknown.emptyText')}</p>}
        </section>
      )}
      <ShowMore query={query} />
    </>
  );
}

function ClusterCard({ cluster }: { cluster: Cluster }) {
  const { name, ignore, isBusy } = useClusterActions(cluster.id);
  return (
    <li className="cluster" data-cluster={cluster.id}>
      <Link
        className="cluster-faces"
        to="/unknown/$id"
        params={{ id: String(cluster.id) }}
        aria-label={t('unknown.open', { number: cluster.size })}
      >
        {cluster.faces.slice(0, 5).map((id) => (
          <FaceCrop key={id} id={id} width={128} alt="" />
        ))}
      </Link>
      <div className="cluster-line">
        <strong className="cluster-size">{t('unknown.size', { count: cluster.size })}</strong>
        <button
          type="button"
          className="button"
          data-kind="quiet"
          disabled={isBusy}
          onClick={() => ignore(!cluster.ignored)}
        >
          {cluster.ignored ? t('unknown.unignore') : t('unknown.ignore')}
        </button>
      </div>
      <PersonPicker label={t('picker.label')} action={t('face.name')} isBusy={isBusy} choose={name} />
    </li>
  );
}
