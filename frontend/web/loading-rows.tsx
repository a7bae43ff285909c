import { t } from './texts.ts';

/** Grey rows in the table's measure, so that nothing moves when the real ones come. */
export function LoadingRows() {
  return (
    <div className="loading" role="status">
      <span className="visually-hidden">{t('loading')}</span>
      {['a', 'b', 'c', 'd', 'e'].map((row) => (
        <div key={row} className="loading-row" aria-hidden="true">
          <span />
          <span />
          <span />
        </div>
      ))}
    </div>
  );
}
