import type { ReactNode } from 'react';
import type { Image } from './api.ts';
import { formatCount } from './format.ts';
import { ImageGrid } from './image-grid.tsx';
import { ImageTable } from './image-table.tsx';
import type { ImageSearch } from './routes.tsx';
import { t } from './texts.ts';
import { useHeldRows } from './use-held-rows.ts';
import { type Selection, useSelection } from './use-selection.ts';

interface OlderImages {
  readonly exists: boolean;
  readonly loading: boolean;
  readonly failed: boolean;
  readonly load: () => void;
}

interface Props {
  readonly images: readonly Image[];
  readonly older: OlderImages;
  readonly view: 'table' | 'grid';
  /** Of the list, for the way back from a photo. */
  readonly search: ImageSearch;
  /** What can be done with the chosen images; without it none can be chosen. */
  readonly actions?: (selection: Selection) => ReactNode;
}

/** Older images are asked for when fewer rows than this are left below. */
const rowsAhead = 60;

/** Images as a table or as a grid, the older part of the list as it is scrolled to, and above it what came in meanwhile. */
export function ImageListView({ images, older, view, search, actions }: Props) {
  const { rows, newer } = useHeldRows(images);
  const selection = useSelection(rows);
  const chosen = actions ? selection : null;
  const onReach = (index: number) => {
    if (older.exists && !older.loading && !older.failed && index > rows.length - rowsAhead) older.load();
  };
  const shown = { images: rows, goesOn: older.exists, search, selection: chosen, onReach };
  return (
    <>
      {newer > 0 && (
        <button type="button" className="newer-button" onClick={() => window.scrollTo({ top: 0 })}>
          <span aria-hidden="true">↑</span> {t('images.newer', { count: newer, number: formatCount(newer) })}
        </button>
      )}
      {view === 'grid' ? <ImageGrid {...shown} /> : <ImageTable {...shown} />}
      {older.exists && <Older {...older} />}
      {actions && selection.ids.size > 0 && actions(selection)}
    </>
  );
}

function Older({ loading, failed, load }: OlderImages) {
  return (
    <div className="older">
      {failed && <p role="alert">{t('images.olderFailed')}</p>}
      <button type="button" className="button" onClick={load} aria-disabled={loading}>
        {loading ? t('loading') : t('images.older')}
      </button>
    </div>
  );
}
