import type { ImageStatus } from './api.ts';

const frame = 'M4 7a2 2 0 0 1 2-2h12a2 2 0 0 1 2 2v10a2 2 0 0 1-2 2H6a2 2 0 0 1-2-2z';
const hills = 'm5 16 4-4 3 3 3-3 4 4';
const torn = 'm13 5-2 4 3 3-3 3 1.5 4';

/** Stands where a photo cannot be shown, or not yet. */
export function PhotoPlaceholder({ status }: { status: ImageStatus }) {
  return (
    <div className="photo-placeholder" data-status={status} aria-hidden="true">
      <svg viewBox="0 0 24 24" aria-hidden="true">
        <path d={frame} />
        <path d={status === 'unreadable' ? torn : hills} />
      </svg>
    </div>
  );
}
