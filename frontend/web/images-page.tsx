import { getRouteApi, useNavigate } from '@tanstack/react-router';
import { useCallback } from 'react';
import { EmptyFilter, EmptyPage } from './empty-page.tsx';
import { ActiveFilters } from './filter/active-filters.tsx';
import { FilterButton } from './filter/filter-button.tsx';
import { SortChoice } from './filter/sort-choice.tsx';
import { ImageActions } from './image-actions.tsx';
import { ImageListView } from './image-list-view.tsx';
import { LoadingRows } from './loading-rows.tsx';
import { toFilter, withoutFilter, withSearch } from './routes.tsx';
import { StatusFilter } from './status-filter.tsx';
import { TextFilter } from './text-filter.tsx';
import { t } from './texts.ts';
import { useImages } from './use-images.ts';
import { useStats } from './use-stats.ts';
import { useMedia } from './use-width.ts';
import { ViewSwitch } from './view-switch.tsx';

const route = getRouteApi('/');

export function ImagesPage() {
  const search = route.useSearch();
  const filter = toFilter(search);
  const images = useImages(filter);
  const { list, error } = images;
  const { stats } = useStats();
  const navigate = useNavigate({ from: '/' });
  const changeText = useCallback(
    (q: string) => void navigate({ search: withSearch(search, { q: q === '' ? undefined : q }), replace: true }),
    [navigate, search],
  );
  const isFiltered = Object.keys(withoutFilter(search)).length < Object.keys(search).length;
  const isNarrow = useMedia('(max-width: 40rem)');
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
          <FilterButton search={search} />
          {!isNarrow && <SortChoice search={search} />}
          <ViewSwitch search={search} />
        </div>
        <div className="chip-line">
          <ActiveFilters search={search} />
          <StatusFilter stats={stats} search={search} />
        </div>
      </div>
      {list === undefined && error === null && <LoadingRows />}
      {list !== undefined && list.images.length > 0 && (
        // A new filter is a new table: what the last one held back, highlighted or had chosen is not its business.
        <ImageListView
          key={JSON.stringify(filter)}
          list={list}
          images={images}
          view={search.view ?? 'table'}
          search={search}
          actions={(selection) => <ImageActions images={list.images} selection={selection} />}
        />
      )}
      {list?.images.length === 0 && (isFiltered ? <EmptyFilter search={search} /> : <EmptyPage />)}
    </>
  );
}
