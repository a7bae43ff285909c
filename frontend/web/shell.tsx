import { Outlet } from '@tanstack/react-router';
import { Announcement } from './announcement.tsx';
import { ConnectionBanner } from './connection-banner.tsx';
import { Notices } from './notices.tsx';
import { PageFooter } from './page-footer.tsx';
import { PageHeader } from './page-header.tsx';
import { t } from './texts.ts';
import { countAll, useStats } from './use-stats.ts';

/** What stands around every view. */
export function Shell() {
  const { stats, error } = useStats();
  return (
    <>
      <a className="skip-link" href="#content">
        {t('nav.skip')}
      </a>
      <PageHeader stats={stats} reachable={error === null} />
      <main id="content" tabIndex={-1}>
        <ConnectionBanner error={error} stale={stats !== undefined} />
        <Outlet />
      </main>
      <PageFooter />
      <Notices />
      {stats && <Announcement total={countAll(stats)} pending={stats.images.pending ?? 0} />}
    </>
  );
}
