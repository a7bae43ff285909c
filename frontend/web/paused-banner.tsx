import type { Processing } from './api.ts';
import { formatTimeOfDay } from './format.ts';
import { t } from './texts.ts';
import { useCountdown } from './use-countdown.ts';

/** Nothing is looked at for now: since when, why, and when it is tried again. */
export function PausedBanner({ processing, pending }: { processing: Processing | undefined; pending: number }) {
  const seconds = useCountdown(processing?.nextAttemptInSeconds ?? null, processing);
  if (processing?.state !== 'paused') return null;
  const { unavailableSince } = processing;
  return (
    <div className="banner">
      <svg viewBox="0 0 24 24" aria-hidden="true">
        <path d="M9 6v12M15 6v12" />
      </svg>
      <p>
        {/* The countdown is outside: nobody wants to hear every second of it. */}
        <strong role="status">
          {unavailableSince === null
            ? t('paused.title')
            : t('paused.since', { time: formatTimeOfDay(Date.parse(unavailableSince)) })}
        </strong>{' '}
        {seconds !== null && `${t('paused.next', { count: seconds })} `}
        {pending > 0 && t('paused.waiting', { count: pending })}
      </p>
    </div>
  );
}
