import type { Image } from './api.ts';
import { formatAbsoluteTime, formatDuration, formatList, formatRelativeTime } from './format.ts';
import { t } from './texts.ts';
import { useNow } from './use-now.ts';

/** When the photo was added; its title says to the second, and how long it took. */
export function Moment({ image: { createdAt, finishedAt } }: { image: Image }) {
  const now = useNow();
  const added = Date.parse(createdAt);
  const moment = t('time.added', { moment: formatAbsoluteTime(added) });
  const took = finishedAt === null ? null : t('time.took', { time: formatDuration(Date.parse(finishedAt) - added) });
  return (
    <time dateTime={createdAt} title={took === null ? moment : formatList([moment, took])}>
      {formatRelativeTime(added, now)}
    </time>
  );
}
