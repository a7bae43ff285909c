import { ApiError } from './api.ts';

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
            <strong>{describeTrouble(error)}</strong> Trying again
            {stale ? '; below is what was last seen.' : '…'}
          </p>
        </div>
      )}
    </div>
  );
}

function describeTrouble(error: Error): string {
  if (!(error instanceof ApiError)) return 'Something went wrong.';
  return error.code === 'receiver_unavailable' ? 'The receiver does not answer.' : error.message;
}
