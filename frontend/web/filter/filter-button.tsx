import { type KeyboardEvent, lazy, Suspense, useEffect, useRef, useState } from 'react';
import type { ImageSearch } from '../routes.tsx';
import { t } from '../texts.ts';

/** Its fields are worth a script of their own. */
const FilterPanel = lazy(() => import('./filter-panel.tsx').then((module) => ({ default: module.FilterPanel })));

/** Opens the panel of filters, and closes it: again, by Escape, or by a click elsewhere. */
export function FilterButton({ search }: { search: ImageSearch }) {
  const [isOpen, setOpen] = useState(false);
  const button = useRef<HTMLButtonElement>(null);
  const panel = useRef<HTMLDivElement>(null);
  const count = [search.person, search.folder, search.from ?? search.to].filter((one) => one !== undefined).length;
  const close = () => {
    setOpen(false);
    button.current?.focus();
  };
  const closeByEscape = ({ key, target }: KeyboardEvent) => {
    // While a field offers something, Escape closes that.
    const offers = target instanceof Element && target.getAttribute('aria-expanded') === 'true';
    if (key === 'Escape' && !offers) close();
  };
  useEffect(() => {
    if (!isOpen) return;
    const leave = ({ target }: PointerEvent) => {
      const isInside =
        target instanceof Element &&
        (panel.current?.contains(target) ||
          button.current?.contains(target) ||
          target.closest('.picker-list') !== null);
      if (!isInside) setOpen(false);
    };
    document.addEventListener('pointerdown', leave);
    return () => document.removeEventListener('pointerdown', leave);
  }, [isOpen]);
  return (
    <>
      <button
        ref={button}
        type="button"
        className="button filter-button"
        aria-expanded={isOpen}
        onClick={() => setOpen(!isOpen)}
      >
        <svg viewBox="0 0 24 24" aria-hidden="true">
          <path d="M4 6h16M7 12h10M10 18h4" />
        </svg>
        <span className="filter-button-text">{t('filter.button')}</span>
        {count > 0 && <span className="filter-count">{count}</span>}
      </button>
      {isOpen && (
        // biome-ignore lint/a11y/noStaticElementInteractions: Escape is caught on its way up from the fields.
        <div ref={panel} className="filter-popover" onKeyDown={closeByEscape}>
          <Suspense fallback={<p className="filter-panel">{t('loading')}</p>}>
            <FilterPanel search={search} close={close} />
          </Suspense>
        </div>
      )}
    </>
  );
}
