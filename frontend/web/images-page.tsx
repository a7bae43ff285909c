import { Announcement } from './announcement.tsx';
import { isNotLoggedIn } from './api.ts';
import { ConnectionBanner } from './connection-banner.tsx';
import { EmptyFilter, EmptyPage } from './empty-page.tsx';
import { HeldRows } from './held-rows.tsx';
import { LoadingRows } from './loading-rows.tsx';
import { LogInPage } from './log-in-page.tsx';
import { PageHeader } from './page-header.tsx';
import { PausedBanner } from './paused-banner.tsx';
import { StatusFilter } from './status-filter.tsx';
import { useImages } from './use-images.ts';
import { countAll, useStats } from './use-stats.ts';
import { useStatusFilter } from './use-status-filter.ts';

export function ImagesPage() {
  const [status, chooseStatus] = useStatusFilter();
  const { images, error, older } = useImages(status);
  const stats = useStats();
  const choose = (next: typeof status) => {
    chooseStatus(next);
    window.scrollTo({ top: 0 });
  };
  if (isNotLoggedIn(error)) {
    return (
      <>
        <PageHeader stats={undefined} reachable />
        <main>
          <LogInPage />
        </main>
      </>
    );
  }
  const nothingYet = images?.length === 0 && status === null;
  return (
    <>
      <PageHeader stats={stats} reachable={error === null} />
      <main>
        <h1 className="visually-hidden">Photos</h1>
        <StatusFilter stats={stats} chosen={status} choose={choose} />
        <PausedBanner processing={stats?.processing} pending={stats?.images.pending ?? 0} />
        <ConnectionBanner error={error} stale={images !== undefined} />
        {images === undefined && error === null && <LoadingRows />}
        {images !== undefined && images.length > 0 && (
          // A new filter is a new table: what the last one held back or highlighted is not its business.
          <HeldRows key={status} images={images} older={older} />
        )}
        {nothingYet && <EmptyPage />}
        {images?.length === 0 && status !== null && <EmptyFilter status={status} showAll={() => choose(null)} />}
        {stats && <Announcement total={countAll(stats)} pending={stats.images.pending ?? 0} />}
      </main>
    </>
  );
}
