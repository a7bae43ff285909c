import type { ImageStatus } from './api.ts';
import { statusNames } from './format.ts';

export function StatusBadge({ status }: { status: ImageStatus }) {
  return (
    <span className="badge" data-status={status}>
      {statusNames[status]}
    </span>
  );
}
