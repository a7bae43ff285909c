import type { ImageStatus } from './api.ts';
import { t } from './texts.ts';

export function StatusBadge({ status }: { status: ImageStatus }) {
  return (
    <span className="badge" data-status={status}>
      {t(`status.${status}`)}
    </span>
  );
}
