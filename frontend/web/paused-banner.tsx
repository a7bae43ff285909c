import type { Processing } from './api.ts';
import { formatCount, formatTimeOfDay } from './format.ts';

/** Nothing is looked at for now: since when, why, and when it is tried again. */
export function PausedBanner({ processing, pending }: { processing: Processing | undefined; pending: number }) {
  if (processing?.state !== 'paused') return null;
  const { unavailableSince, nextAttemptInSeconds } = processing;
  const since = unavailableSince === null ? '' : ` since ${formatTimeOfDay(Date.parse(unavailableSince))}`;
  return (
    <div className="banner">
      <svg viewBox="0 0 24 24" aria-hidden="true">
        <path d="M9 6v12M15 6v12" />
      </svg>
      <p>
        {/* The countdown is outside: nobody wants to hear every second of it. */}
        <strong role="status">{`Paused: the recognizer is unavailable${since}.`}</strong>{' '}
        {nextAttemptInSeconds !== null && `Next try in ${formatCount(nextAttemptInSeconds)} s. `}
        {pending > 0 && `${formatCount(pending)} ${pending === 1 ? 'photo waits' : 'photos wait'}; none is lost.`}
      </p>
    </div>
  );
}
