import { Outlet } from '@tanstack/react-router';
import { Announcement } from './announcement.tsx';
import { isNotLoggedIn } from './api.ts';
import { ConnectionBanner } from './connection-banner.tsx';
import { LogInPage } from './log-in-page.tsx';
import { Notices } from './notices.tsx';
import { PageFooter } from './page-footer.tsx';
import { PageHeader } from './page-header.tsx';
import { PausedBanner } from './paused-banner.tsx';
import { t } from './texts.ts';
import { countAll, useStats } from './use-stats.ts';

/** What stands around every view, and in place of it for somebody who is not known. */
export function Shell() {
  const { stats, error } = useStats();
  if (isNotLoggedIn(error)) return <LoggedOut />;
  const pending = stats?.images.pending ?? 0;
  return (
    <>
      <a className="skip-link" href="#content">
        {t('nav.skip')}
      </a>
      <PageHeader activity={{ stats, reachable: error === null }} />
      <main id="content" tabIndex={-1}>
        <PausedBanner processing={stats?.processing} pending={pending} />
        <ConnectionBanner error={error} stale={stats !== undefined} />
        <Outlet />
      </main>
      <PageFooter />
      <Notices />
      {stats && <Announcement total={countAll(stats)} pending={pending} />}
    </>
  );
}

/** Without anything that was seen before. */
function LoggedOut() {
  return (
    <>
      <PageHeader activity={null} />
      <main>
        <LogInPage />
      </main>
      <PageFooter />
    </>
  );
}
