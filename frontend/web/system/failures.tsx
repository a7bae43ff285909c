import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { retryImages } from '../api.ts';
import { type FailedImage, fetchFailed, type ReasonCount, retryAll } from '../api-system.ts';
import { describeReason } from '../describe-error.ts';
import { formatCount, formatTimeOfDay } from '../format.ts';
import { Moment } from '../moment.tsx';
import { tell, tellError } from '../notices.tsx';
import { StatusBadge } from '../status-badge.tsx';
import { t } from '../texts.ts';

/** Photos that are listed one by one. */
const listed = 8;

/** What has something looked at again, and says how many photos that were. */
function useRetry<Which>(retry: (which: Which) => Promise<number>) {
  const client = useQueryClient();
  return useMutation({
    mutationFn: retry,
    onSuccess: (retried) => tell(t('retry.done', { count: retried })),
    onError: tellError,
    onSettled: () => {
      for (const key of ['system', 'failed', 'stats', 'images']) void client.invalidateQueries({ queryKey: [key] });
    },
  });
}

/** Why photos ended without an answer, and the way to have them looked at again: one, those of a reason, all. */
export function Failures({ reasons }: { reasons: readonly ReasonCount[] }) {
  const retry = useRetry(retryAll);
  const failed = reasons.filter(({ status }) => status === 'failed').reduce((sum, { count }) => sum + count, 0);
  return (
    <section className="section" aria-labelledby="failures">
      <div className="section-head">
        <h2 id="failures">{t('system.failures')}</h2>
        {failed > 0 && (
          <button
            type="button"
            className="button"
            disabled={retry.isPending}
            onClick={() => retry.mutate({ status: 'failed' })}
          >
            {t('system.retryAll', { count: failed })}
          </button>
        )}
      </div>
      {reasons.length === 0 && <p className="intro">{t('system.noFailures')}</p>}
      <ul className="lines">
        {reasons.map((one) => (
          <ReasonLine key={`${one.status} ${one.reason}`} reason={one} />
        ))}
      </ul>
      {failed > 0 && <FailedPhotos total={failed} />}
    </section>
  );
}

function ReasonLine({ reason: { status, reason, count, scheduled } }: { reason: ReasonCount }) {
  const retry = useRetry(retryAll);
  const text = describeCode(reason);
  return (
    <li>
      <StatusBadge status={status} />
      <div className="line-text">
        <strong>{text}</strong>
        {scheduled > 0 && <small>{t('system.scheduled', { count: scheduled })}</small>}
      </div>
      <Link className="line-count" to="/" search={{ status }}>
        {t('images.count', { count })}
      </Link>
      {reason !== null && (
        <button
          type="button"
          className="button"
          aria-label={`${t('retry.action')}: ${text}`}
          disabled={retry.isPending}
          onClick={() => retry.mutate({ status, reason })}
        >
          {t('retry.action')}
        </button>
      )}
    </li>
  );
}

/** Of a reason there are no particulars here: its own text, or else its code in words. */
function describeCode(code: string | null): string {
  if (code === null) return t('system.noReason');
  const words = code.replaceAll('_', ' ');
  return describeReason({ code, message: words.charAt(0).toUpperCase() + words.slice(1) });
}

function FailedPhotos({ total }: { total: number }) {
  const { data } = useQuery({
    queryKey: ['failed'],
    queryFn: ({ signal }) => fetchFailed(listed, signal),
    refetchInterval: 10_000,
  });
  const images = data?.images ?? [];
  if (images.length === 0) return null;
  return (
    <>
      <h3 className="lines-title">{t('system.newestFailed')}</h3>
      <ul className="lines">
        {images.map((image) => (
          <FailedLine key={image.id} image={image} />
        ))}
      </ul>
      {total > images.length && (
        <p className="lines-more">
          <Link to="/" search={{ status: 'failed' }}>
            {t('system.showFailed', { number: formatCount(total) })}
          </Link>
        </p>
      )}
    </>
  );
}

function FailedLine({ image }: { image: FailedImage }) {
  const retry = useRetry(async (id: number) => (await retryImages([id])).retried);
  const { id, path, reason, retryAt } = image;
  return (
    <li>
      <div className="line-text">
        <Link to="/images/$id" params={{ id: String(id) }}>
          {path}
        </Link>
        <small>
          {reason && describeReason(reason)}{' '}
          {retryAt !== null && t('system.retryAt', { time: formatTimeOfDay(Date.parse(retryAt)) })}
        </small>
      </div>
      <Moment image={image} />
      <button
        type="button"
        className="button"
        aria-label={`${t('retry.action')}: ${path}`}
        disabled={retry.isPending}
        onClick={() => retry.mutate(id)}
      >
        {t('retry.action')}
      </button>
    </li>
  );
}
