import { describeError } from './describe-error.ts';
import { t } from './texts.ts';

/** Comes and goes by itself, as the polling goes on. */
export function ConnectionBanner({ error, stale }: { error: Error | null; stale: boolean }) {
  return (
    <div role="status" className="banner-place">
      {error && (
        <div className="banner">
          <svg viewBox="0 0 24 24" aria-hidden="true">
            <path d="M12 9v4M12 17v.1M10.3 4 2.7 17.2A2 2 0 0 0 4.4 20.2h15.2a2 2 0 0 0 1.7-3L13.7 4a2 2 0 0 0-3.4 0z" />
          </svg>
          <p>
            <strong>{describeError(error)}</strong> {stale ? t('banner.stale') : t('banner.trying')}
          </p>
        </div>
      )}
    </div>
  );
}
