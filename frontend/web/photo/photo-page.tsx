import '../styles/detail.css';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { getRouteApi, Link, useNavigate } from '@tanstack/react-router';
import { useEffect, useState } from 'react';
import { type ExplainedImage, fetchImage, photoUrl } from '../api.ts';
import { describeReason } from '../describe-error.ts';
import { FolderLinks } from '../folder-links.tsx';
import { shorten, splitPath } from '../format.ts';
import { GoneOrTrouble } from '../gone.tsx';
import { LoadingRows } from '../loading-rows.tsx';
import { Moment } from '../moment.tsx';
import { type ImageSearch, toFilter } from '../routes.tsx';
import { StatusBadge } from '../status-badge.tsx';
import { t } from '../texts.ts';
import { findNeighbours } from '../use-images.ts';
import { FaceCard } from './face-card.tsx';
import { PhotoStage } from './photo-stage.tsx';

const route = getRouteApi('/images/$id');

/** Characters above the photo. */
const longestName = 90;

/** One photo, and everything about each face in it. */
export function PhotoPage() {
  const { id } = route.useParams();
  const search = route.useSearch();
  const query = useQuery({
    queryKey: ['image', Number(id)],
    queryFn: ({ signal }) => fetchImage(Number(id), signal),
    refetchInterval: ({ state }) => (state.data?.status === 'pending' ? 1_500 : false),
  });
  const back = (
    <Link className="button" to="/" search={search}>
      {t('notFound.back')}
    </Link>
  );
  if (query.data) return <Photo key={id} image={query.data} search={search} />;
  if (query.error) {
    const retry = () => void query.refetch();
    const texts = { title: t('photo.goneTitle'), text: t('photo.gone') };
    return <GoneOrTrouble error={query.error} {...texts} back={back} retry={retry} />;
  }
  return <LoadingRows />;
}

function Photo({ image, search }: { image: ExplainedImage; search: ImageSearch }) {
  const [pointedAt, setPointedAt] = useState<number | null>(null);
  const { folder, file } = splitPath(image.path);
  const point = (faceId: number) => {
    setPointedAt(faceId);
    document.getElementById(`face-${faceId}`)?.scrollIntoView({ block: 'nearest' });
  };
  return (
    <article className="photo-page">
      <PhotoHead image={image} search={search} />
      <PhotoStage image={image} pointedAt={pointedAt} point={point} />
      <section className="faces" aria-label={t('photo.faces', { count: image.faces.length })}>
        <dl className="facts">
          <div>
            <dt>{t('column.status')}</dt>
            <dd>
              <StatusBadge status={image.status} />
            </dd>
          </div>
          <div>
            <dt>{t('photo.added')}</dt>
            <dd>
              <Moment image={image} />
            </dd>
          </div>
          {image.width !== null && (
            <div>
              <dt>{t('photo.size')}</dt>
              <dd>
                {image.width} × {image.height}
              </dd>
            </div>
          )}
          {folder !== '' && (
            <div>
              <dt>{t('photo.folder')}</dt>
              <dd>
                <FolderLinks folder={folder} />
              </dd>
            </div>
          )}
        </dl>
        {image.reason && <p className="reason">{describeReason(image.reason)}</p>}
        {image.status === 'pending' && <p className="reason">{t('photo.pending')}</p>}
        {image.status === 'no_face' && <p className="reason">{t('photo.noFaces')}</p>}
        <ol className="face-cards">
          {image.faces.map((face, index) => (
            <FaceCard
              key={face.id}
              face={face}
              number={index + 1}
              imageId={image.id}
              isPointedAt={face.id === pointedAt}
              point={() => setPointedAt(face.id)}
            />
          ))}
        </ol>
      </section>
      <h1 className="visually-hidden">{file}</h1>
    </article>
  );
}

function PhotoHead({ image, search }: { image: ExplainedImage; search: ImageSearch }) {
  const client = useQueryClient();
  const navigate = useNavigate();
  const { before, after } = findNeighbours(client, toFilter(search), image.id);
  const { file } = splitPath(image.path);
  useEffect(() => {
    const follow = (event: KeyboardEvent) => {
      if (event.altKey || event.ctrlKey || event.metaKey || isTyping(event.target)) return;
      const id = event.key === 'ArrowLeft' ? before : event.key === 'ArrowRight' ? after : null;
      if (id !== null) void navigate({ to: '/images/$id', params: { id: String(id) }, search, replace: true });
    };
    addEventListener('keydown', follow);
    return () => removeEventListener('keydown', follow);
  }, [before, after, navigate, search]);
  return (
    <div className="detail-head">
      <Link className="back-link" to="/" search={search}>
        <span aria-hidden="true">←</span> {t('photo.back')}
      </Link>
      <p className="photo-name" title={file}>
        {shorten(file, longestName)}
      </p>
      <Neighbour id={before} name={t('photo.before')} arrow="←" search={search} />
      <Neighbour id={after} name={t('photo.after')} arrow="→" search={search} />
      {image.width !== null && image.status !== 'unreadable' && (
        <a className="button" href={photoUrl(image.id)} target="_blank" rel="noopener">
          {t('photo.full')}
        </a>
      )}
    </div>
  );
}

interface NeighbourProps {
  readonly id: number | null;
  readonly name: string;
  readonly arrow: string;
  readonly search: ImageSearch;
}

function Neighbour({ id, name, arrow, search }: NeighbourProps) {
  if (id === null) return null;
  return (
    <Link
      className="button"
      to="/images/$id"
      params={{ id: String(id) }}
      search={search}
      replace
      aria-label={name}
      title={name}
    >
      <span aria-hidden="true">{arrow}</span>
    </Link>
  );
}

function isTyping(target: EventTarget | null): boolean {
  return target instanceof HTMLElement && target.closest('input, textarea, select, [role="listbox"], dialog') !== null;
}
