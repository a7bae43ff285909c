import { Account } from './account.tsx';
import type { Stats } from './api.ts';
import { FaceMark } from './face-mark.tsx';
import { formatCount } from './format.ts';

export function PageHeader({ stats, reachable }: { stats: Stats | undefined; reachable: boolean }) {
  return (
    <header className="page-header">
      <a className="wordmark" href="/">
        <FaceMark />
        Faceflow
      </a>
      <Activity stats={stats} reachable={reachable} />
      <Account />
    </header>
  );
}

function Activity({ stats, reachable }: { stats: Stats | undefined; reachable: boolean }) {
  if (!stats) return null;
  const { state, text } = describeActivity(stats, reachable);
  return (
    <p className="activity" data-state={state}>
      <span className="activity-dot" aria-hidden="true" />
      {text}
    </p>
  );
}

function describeActivity(stats: Stats, reachable: boolean) {
  const pending = stats.images.pending ?? 0;
  if (!reachable) return { state: 'trouble', text: 'Not connected' };
  if (stats.queue === null) return { state: 'trouble', text: 'Queue unavailable, photos wait' };
  if (stats.processing?.state === 'paused') return { state: 'trouble', text: 'Paused' };
  if (pending > 0 && stats.processing?.state === 'stopped') return { state: 'trouble', text: 'Nobody looks at photos' };
  if (pending > 0)
    return { state: 'busy', text: `Looking at ${formatCount(pending)} ${pending === 1 ? 'photo' : 'photos'}` };
  return { state: 'idle', text: 'Up to date' };
}
