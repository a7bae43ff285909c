import type { Image } from './api.ts';
import { formatAbsoluteTime, formatDuration, formatRelativeTime } from './format.ts';
import { useNow } from './use-now.ts';

/** When the photo was added; its title says to the second, and how long it took. */
export function Moment({ image: { createdAt, finishedAt } }: { image: Image }) {
  const now = useNow();
  const added = Date.parse(createdAt);
  const took = finishedAt === null ? '' : `, done after ${formatDuration(Date.parse(finishedAt) - added)}`;
  return (
    <time dateTime={createdAt} title={`Added ${formatAbsoluteTime(added)}${took}`}>
      {formatRelativeTime(added, now)}
    </time>
  );
}
