import { useQuery } from '@tanstack/react-query';
import { getRouteApi, Link, useNavigate } from '@tanstack/react-router';
import { useCallback } from 'react';
import { fetchPerson } from './api-people.ts';
import { EmptyFilter, EmptyPage } from './empty-page.tsx';
import { ImageActions } from './image-actions.tsx';
import { ImageListView } from './image-list-view.tsx';
import { LoadingRows } from './loading-rows.tsx';
import { type ImageSearch, toFilter, withSearch } from './routes.tsx';
import { StatusFilter } from './status-filter.tsx';
import { TextFilter } from './text-filter.tsx';
import { t } from './texts.ts';
import { useImages } from './use-images.ts';
import { useStats } from './use-stats.ts';
import { ViewSwitch } from './view-switch.tsx';

const route = getRouteApi('/');

export function ImagesPage() {
  const search = route.useSearch();
  const filter = toFilter(search);
  const { images, error, older } = useImages(filter);
  const { stats } = useStats();
  const navigate = useNavigate({ from: '/' });
  const changeText = useCallback(
    (q: string) => void navigate({ search: withSearch(search, { q: q === '' ? undefined : q }), replace: true }),
    [navigate, search],
  );
  const isFiltered = filter.status !== null || filter.person !== null || filter.q !== '';
  return (
    <>
      <h1 className="visually-hidden">{t('nav.images')}</h1>
      <div className="filter">
        <div className="filter-line">
          <TextFilter
            value={filter.q}
            placeholder={t('filter.text')}
            label={t('filter.textLabel')}
            change={changeText}
          />
          {filter.person !== null && <PersonFilter id={filter.person} search={search} />}
          <ViewSwitch search={search} />
        </div>
        <StatusFilter stats={stats} search={search} />
      </div>
      {images === undefined && error === null && <LoadingRows />}
      {images !== undefined && images.length > 0 && (
        // A new filter is a new table: what the last one held back, highlighted or had chosen is not its business.
        <ImageListView
          key={JSON.stringify(filter)}
          images={images}
          older={older}
          view={search.view ?? 'table'}
          search={search}
          actions={(selection) => <ImageActions images={images} selection={selection} />}
        />
      )}
      {images?.length === 0 && (isFiltered ? <EmptyFilter search={search} /> : <EmptyPage />)}
    </>
  );
}

/** Whose photos are listed, and the way to everybody's. */
function PersonFilter({ id, search }: { id: number; search: ImageSearch }) {
  const { data } = useQuery({ queryKey: ['person', id], queryFn: ({ signal }) => fetchPerson(id, signal) });
  const name = data?.name ?? `#${id}`;
  return (
    <Link
      className="chip"
      data-removable
      to="/"
      search={withSearch(search, { person: undefined })}
      aria-label={t('filter.removePerson', { name })}
    >
      {name} <span aria-hidden="true">×</span>
    </Link>
  );
}
