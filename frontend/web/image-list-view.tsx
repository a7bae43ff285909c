import { Link } from '@tanstack/react-router';
import type { ReactNode } from 'react';
import { formatCount } from './format.ts';
import { ImageGrid } from './image-grid.tsx';
import type { ImageList } from './image-list.ts';
import { ImageTable } from './image-table.tsx';
import { type ImageSearch, withSearch } from './routes.tsx';
import { t } from './texts.ts';
import { useHeldRows } from './use-held-rows.ts';
import type { Images } from './use-images.ts';
import { type Selection, useSelection } from './use-selection.ts';

interface Props {
  readonly list: ImageList;
  readonly images: Pick<Images, 'older' | 'look' | 'catchUp'>;
  readonly view: 'table' | 'grid';
  /** Of the list, for the way back from a photo. */
  readonly search: ImageSearch;
  /** What can be done with the chosen images; without it none can be chosen. */
  readonly actions?: (selection: Selection) => ReactNode;
}

/** Older images are asked for when fewer rows than this are left below. */
const rowsAhead = 60;

/** Images as a table or as a grid, the older part of the list as it is scrolled to, and above it what came in meanwhile. */
export function ImageListView({ list, images: { older, look, catchUp }, view, search, actions }: Props) {
  const { rows, newer } = useHeldRows(list, catchUp);
  const selection = useSelection(rows);
  const chosen = actions ? selection : null;
  const onReach = (from: number, to: number) => {
    const [first, last] = [rows[from], rows[to - 1]];
    if (first && last) look(first, last);
    if (older.exists && !older.loading && !older.failed && to > rows.length - rowsAhead) older.load();
  };
  const shown = { images: rows, order: list.order, goesOn: older.exists, search, selection: chosen, onReach };
  return (
    <>
      {(newer > 0 || list.isBehind) && (
        <button type="button" className="newer-button" onClick={() => window.scrollTo({ top: 0 })}>
          <span aria-hidden="true">↑</span>{' '}
          {list.isBehind ? t('images.manyNewer') : t('images.newer', { count: newer, number: formatCount(newer) })}
        </button>
      )}
      {view === 'grid' ? <ImageGrid {...shown} /> : <ImageTable {...shown} />}
      {older.exists && <Older older={older} search={search} />}
      {actions && selection.ids.size > 0 && actions(selection)}
    </>
  );
}

function Older({ older: { loading, failed, load }, search }: { older: Images['older']; search: ImageSearch }) {
  return (
    <div className="older">
      {failed && <p role="alert">{t('images.olderFailed')}</p>}
      <button type="button" className="button" onClick={load} aria-disabled={loading}>
        {loading ? t('loading') : t('images.older')}
      </button>
      {search.sort === undefined && (
        <Link className="button" data-kind="quiet" to="/" search={withSearch(search, { sort: 'oldest' })}>
          {t('images.otherEnd')}
        </Link>
      )}
    </div>
  );
}
