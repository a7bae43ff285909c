import type { UseInfiniteQueryResult } from '@tanstack/react-query';
import { t } from './texts.ts';

/** The way to the next page of a list, while there is one. */
export function ShowMore({
  query,
}: {
  query: Pick<UseInfiniteQueryResult, 'hasNextPage' | 'isFetchingNextPage' | 'fetchNextPage'>;
}) {
  if (!query.hasNextPage) return null;
  return (
    <div className="older">
      <button
        type="button"
        className="button"
        aria-disabled={query.isFetchingNextPage}
        onClick={() => void query.fetchNextPage()}
      >
        {t('people.more')}
      </button>
    </div>
  );
}
