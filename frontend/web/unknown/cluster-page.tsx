import '../styles/detail.css';
import { type InfiniteData, useInfiniteQuery, useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { getRouteApi, Link, useNavigate } from '@tanstack/react-router';
import { type Cluster, type ClusterFace, fetchCluster, fetchClusterFaces, splitCluster } from '../api-clusters.ts';
import { FaceCrop } from '../face-crop.tsx';
import { GoneOrTrouble } from '../gone.tsx';
import { LoadingRows } from '../loading-rows.tsx';
import { tell, tellError } from '../notices.tsx';
import { PersonPicker } from '../person-picker.tsx';
import { SelectBox } from '../select-box.tsx';
import { ShowMore } from '../show-more.tsx';
import { t } from '../texts.ts';
import { useSelection } from '../use-selection.ts';
import { useClusterActions } from './use-cluster-actions.ts';

const route = getRouteApi('/unknown/$id');

/** All faces of one cluster: to name them, or to take out those of somebody else. */
export function ClusterPage() {
  const { id } = route.useParams();
  const navigate = useNavigate();
  const actions = useClusterActions(Number(id), (personId) => {
    if (personId === null) void navigate({ to: '/unknown' });
    else void navigate({ to: '/people/$id', params: { id: String(personId) } });
  });
  const query = useQuery({
    queryKey: ['clusters', 'one', Number(id)],
    queryFn: ({ signal }) => fetchCluster(Number(id), signal),
    enabled: !actions.isLeaving,
  });
  if (query.data && !query.error) return <ClusterView key={id} cluster={query.data} actions={actions} />;
  if (!query.error) return <LoadingRows />;
  const back = (
    <Link className="button" to="/unknown">
      {t('unknown.back')}
    </Link>
  );
  const retry = () => void query.refetch();
  const texts = { title: t('unknown.goneTitle'), text: t('unknown.gone') };
  return <GoneOrTrouble error={query.error} {...texts} back={back} retry={retry} />;
}

type Faces = Awaited<ReturnType<typeof fetchClusterFaces>>;

interface Props {
  readonly cluster: Cluster;
  readonly actions: ReturnType<typeof useClusterActions>;
}

function ClusterView({ cluster, actions: { name, ignore, isBusy, isLeaving } }: Props) {
  const query = useInfiniteQuery<Faces, Error, InfiniteData<Faces>, readonly unknown[], string | undefined>({
    enabled: !isLeaving,
    queryKey: ['clusters', 'faces', cluster.id],
    queryFn: ({ signal, pageParam }) => fetchClusterFaces(cluster.id, pageParam, signal),
    initialPageParam: undefined,
    getNextPageParam: (last) => last.nextCursor ?? undefined,
  });
  const faces = query.data?.pages.flatMap((page) => page.faces) ?? [];
  return (
    <article>
      <div className="detail-head">
        <Link className="back-link" to="/unknown">
          <span aria-hidden="true">←</span> {t('unknown.back')}
        </Link>
      </div>
      <div className="page-title">
        <h1>{t('unknown.title', { number: cluster.size })}</h1>
        <PersonPicker label={t('picker.label')} action={t('face.name')} isBusy={isBusy} choose={name} />
        <button type="button" className="button" disabled={isBusy} onClick={() => ignore(!cluster.ignored)}>
          {cluster.ignored ? t('unknown.unignore') : t('unknown.ignore')}
        </button>
      </div>
      <p className="intro">{t('unknown.splitHint')}</p>
      <ClusterFaces cluster={cluster} faces={faces} />
      <ShowMore query={query} />
    </article>
  );
}

function ClusterFaces({ cluster, faces }: { cluster: Cluster; faces: readonly ClusterFace[] }) {
  const client = useQueryClient();
  const selection = useSelection(faces);
  const splitting = useMutation({
    mutationFn: () => splitCluster(cluster.id, [...selection.ids]),
    onSuccess: () => {
      selection.clear();
      tell(t('unknown.splitDone'));
      void client.invalidateQueries({ queryKey: ['clusters'] });
    },
    onError: tellError,
  });
  return (
    <>
      <ul className="face-grid">
        {faces.map((face, index) => (
          <li key={face.id} data-selected={selection.ids.has(face.id)}>
            <Link
              to="/images/$id"
              params={{ id: String(face.imageId) }}
              aria-label={t('unknown.openPhoto', { id: face.imageId })}
            >
              <FaceCrop id={face.id} width={256} alt="" />
            </Link>
            <SelectBox
              id={face.id}
              name={t('face.number', { number: index + 1 })}
              isSelected={selection.ids.has(face.id)}
              toggle={selection.toggle}
            />
          </li>
        ))}
      </ul>
      {selection.ids.size > 0 && (
        <section className="action-bar" aria-label={t('select.region')}>
          <p aria-live="polite">{t('select.count', { count: selection.ids.size })}</p>
          <button
            type="button"
            className="button"
            data-kind="primary"
            disabled={splitting.isPending}
            onClick={() => splitting.mutate()}
          >
            {t('unknown.split', { count: selection.ids.size })}
          </button>
          <button type="button" className="button" onClick={selection.clear}>
            {t('select.clear')}
          </button>
        </section>
      )}
    </>
  );
}
