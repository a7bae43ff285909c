import { Link } from '@tanstack/react-router';
import { imageStatuses, type Stats } from './api.ts';
import { formatCount } from './format.ts';
import { exactView, type ImageSearch, withSearch } from './routes.tsx';
import { t } from './texts.ts';
import { countAll } from './use-stats.ts';

/** Links, so that a filtered view can also be opened in a tab of its own. */
export function StatusFilter({ stats, search }: { stats: Stats | undefined; search: ImageSearch }) {
  return (
    <nav className="chips" aria-label={t('filter.status')}>
      <ul>
        {[null, ...imageStatuses].map((status) => {
          const count = stats && (status === null ? countAll(stats) : (stats.images[status] ?? 0));
          return (
            <li key={status ?? 'all'}>
              <Link
                className="chip"
                to="/"
                search={withSearch(search, { status: status ?? undefined })}
                activeOptions={exactView}
                data-empty={count === 0}
              >
                {status === null ? t('filter.all') : t(`status.${status}`)}{' '}
                <span className="chip-count">{count === undefined ? '' : formatCount(count)}</span>
              </Link>
            </li>
          );
        })}
      </ul>
    </nav>
  );
}
