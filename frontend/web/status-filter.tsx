import type { MouseEvent } from 'react';
import { type ImageStatus, imageStatuses, type Stats } from './api.ts';
import { formatCount, statusNames } from './format.ts';
import { countAll } from './use-stats.ts';
import { filterAddress } from './use-status-filter.ts';

interface Props {
  readonly stats: Stats | undefined;
  readonly chosen: ImageStatus | null;
  readonly choose: (status: ImageStatus | null) => void;
}

/** Links, so that a filtered view can also be opened in a tab of its own. */
export function StatusFilter({ stats, chosen, choose }: Props) {
  return (
    <nav className="filter" aria-label="Filter by status">
      <ul>
        {[null, ...imageStatuses].map((status) => {
          const count = stats && (status === null ? countAll(stats) : (stats.images[status] ?? 0));
          return (
            <li key={status ?? 'all'}>
              <a
                className="chip"
                href={filterAddress(status)}
                aria-current={status === chosen ? 'page' : undefined}
                data-empty={count === 0}
                onClick={(event) => followInPlace(event, () => choose(status))}
              >
                {status === null ? 'All' : statusNames[status]}{' '}
                <span className="chip-count">{count === undefined ? '' : formatCount(count)}</span>
              </a>
            </li>
          );
        })}
      </ul>
    </nav>
  );
}

function followInPlace(event: MouseEvent, follow: () => void): void {
  if (event.metaKey || event.ctrlKey || event.shiftKey || event.altKey || event.button !== 0) return;
  event.preventDefault();
  follow();
}
