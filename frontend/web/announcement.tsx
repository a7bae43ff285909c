import { useEffect, useState } from 'react';
import { t } from './texts.ts';

/** While photos stream in, a screen reader hears the sum once it has stood still this long, in ms. */
const settleMs = 2000;

export function Announcement({ total, pending }: { total: number; pending: number }) {
  const [text, setText] = useState('');
  useEffect(() => {
    const photos = t('images.count', { count: total });
    const timer = setTimeout(
      () => setText(pending > 0 ? t('images.countPending', { photos, count: pending }) : photos),
      settleMs,
    );
    return () => clearTimeout(timer);
  }, [total, pending]);
  return (
    <p className="visually-hidden" aria-live="polite">
      {text}
    </p>
  );
}
