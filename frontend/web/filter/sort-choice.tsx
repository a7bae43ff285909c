import { useNavigate } from '@tanstack/react-router';
import { imageOrders } from '../image-order.ts';
import { type ImageSearch, withSearch } from '../routes.tsx';
import { t } from '../texts.ts';

/** In which order images are listed. */
export function SortChoice({ search }: { search: ImageSearch }) {
  const navigate = useNavigate();
  return (
    <select
      className="field sort-choice"
      aria-label={t('sort.label')}
      value={search.sort ?? 'newest'}
      onChange={({ target }) => {
        const sort = imageOrders.find((order) => order === target.value && order !== 'newest');
        window.scrollTo({ top: 0 });
        void navigate({ to: '/', search: withSearch(search, { sort }), replace: true });
      }}
    >
      {imageOrders.map((order) => (
        <option key={order} value={order}>
          {t(`sort.${order}`)}
        </option>
      ))}
    </select>
  );
}
