import { type ReactNode, useSyncExternalStore } from 'react';
import { describeError } from './describe-error.ts';
import { t } from './texts.ts';

interface Notice {
  readonly id: number;
  readonly kind: 'good' | 'trouble';
  readonly content: ReactNode;
}

const lifeMs = 9_000;

let notices: readonly Notice[] = [];
let nextId = 1;
const listeners = new Set<() => void>();

/** Says what has come of something, for a while. What went wrong stays until it is closed. */
export function tell(content: ReactNode, kind: Notice['kind'] = 'good'): void {
  const notice = { id: nextId++, kind, content };
  change([...notices.slice(-2), notice]);
  if (kind === 'good') setTimeout(() => dismiss(notice.id), lifeMs);
}

export function tellError(error: unknown): void {
  tell(describeError(error), 'trouble');
}

export function Notices() {
  const shown = useSyncExternalStore(subscribe, () => notices);
  return (
    <div className="notices" role="status" aria-live="polite">
      {shown.map(({ id, kind, content }) => (
        <div key={id} className="notice" data-kind={kind}>
          <div>{content}</div>
          <button type="button" className="icon-button" aria-label={t('notice.close')} onClick={() => dismiss(id)}>
            <svg viewBox="0 0 24 24" aria-hidden="true">
              <path d="M6 6l12 12M18 6 6 18" />
            </svg>
          </button>
        </div>
      ))}
    </div>
  );
}

function dismiss(id: number): void {
  change(notices.filter((notice) => notice.id !== id));
}

function change(next: readonly Notice[]): void {
  notices = next;
  for (const notify of listeners) notify();
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}
