import { Link } from '@tanstack/react-router';
import { Account } from './account.tsx';
import type { Stats } from './api.ts';
import { FaceMark } from './face-mark.tsx';
import { t } from './texts.ts';

interface ActivityProps {
  readonly stats: Stats | undefined;
  readonly reachable: boolean;
}

/** @param activity null: for somebody who may see nothing; then there is no way to the views either. */
export function PageHeader({ activity }: { activity: ActivityProps | null }) {
  return (
    <header className="page-header">
      <Link className="wordmark" to="/">
        <FaceMark />
        Faceflow
      </Link>
      {activity && (
        <>
          <Views />
          <Activity {...activity} />
          <Account />
        </>
      )}
    </header>
  );
}

const views = [
  { to: '/', text: 'nav.images', isExact: true },
  { to: '/people', text: 'nav.people', isExact: false },
  { to: '/unknown', text: 'nav.unknown', isExact: false },
  { to: '/search', text: 'nav.search', isExact: true },
  { to: '/upload', text: 'nav.upload', isExact: true },
  { to: '/system', text: 'nav.system', isExact: false },
] as const;

function Views() {
  return (
    <nav className="views" aria-label={t('nav.views')}>
      <ul>
        {views.map(({ to, text, isExact }) => (
          <li key={to}>
            <Link to={to} activeOptions={{ exact: isExact, includeSearch: false }}>
              {t(text)}
            </Link>
          </li>
        ))}
      </ul>
    </nav>
  );
}

function Activity({ stats, reachable }: ActivityProps) {
  if (!stats) return null;
  const { state, text } = describeActivity(stats, reachable);
  return (
    <p className="activity" data-state={state}>
      <span className="activity-dot" aria-hidden="true" />
      <span>{text}</span>
    </p>
  );
}

function describeActivity(stats: Stats, reachable: boolean) {
  const pending = stats.images.pending ?? 0;
  if (!reachable) return { state: 'trouble', text: t('activity.away') };
  if (stats.queue === null) return { state: 'trouble', text: t('activity.noQueue') };
  if (stats.processing?.state === 'paused') return { state: 'trouble', text: t('activity.paused') };
  if (pending > 0 && stats.processing?.state === 'stopped') return { state: 'trouble', text: t('activity.stopped') };
  if (pending > 0) return { state: 'busy', text: t('activity.busy', { count: pending }) };
  return { state: 'idle', text: t('activity.idle') };
}
