import { Link } from '@tanstack/react-router';
import { exactView, type ImageSearch, withSearch } from './routes.tsx';
import { t } from './texts.ts';

const drawings = {
  table: 'M4 6h16M4 12h16M4 18h16',
  grid: 'M4 4h7v7H4zM13 4h7v7h-7zM4 13h7v7H4zM13 13h7v7h-7z',
} as const;

export function ViewSwitch({ search }: { search: ImageSearch }) {
  return (
    <fieldset className="view-switch" aria-label={t('view.label')}>
      {(['table', 'grid'] as const).map((name) => (
        <Link
          key={name}
          to="/"
          replace
          search={withSearch(search, { view: name === 'grid' ? name : undefined })}
          activeOptions={exactView}
          aria-label={t(`view.${name}`)}
          title={t(`view.${name}`)}
        >
          <svg viewBox="0 0 24 24" aria-hidden="true">
            <path d={drawings[name]} />
          </svg>
        </Link>
      ))}
    </fieldset>
  );
}
