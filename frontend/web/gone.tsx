import type { ReactNode } from 'react';
import { describeError } from './describe-error.ts';
import { ApiError } from './request.ts';
import { t } from './texts.ts';

interface Props {
  readonly error: Error;
  readonly title: string;
  readonly text: string;
  readonly back: ReactNode;
  readonly retry: () => void;
}

/** Instead of something that does not exist, or that could not be loaded. */
export function GoneOrTrouble({ error, title, text, back, retry }: Props) {
  const isGone = error instanceof ApiError && error.status === 404;
  return (
    <section className="empty">
      <h1>{isGone ? title : t('error.other')}</h1>
      <p role="alert">{isGone ? text : describeError(error)}</p>
      <div className="dialog-actions">
        {!isGone && (
          <button type="button" className="button" onClick={retry}>
            {t('error.retry')}
          </button>
        )}
        {back}
      </div>
    </section>
  );
}
