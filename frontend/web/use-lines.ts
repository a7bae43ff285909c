import { useWindowVirtualizer } from '@tanstack/react-virtual';
import { type RefObject, useEffect, useLayoutEffect, useRef, useState } from 'react';

/** Lines that are drawn beyond what can be seen, so that scrolling does not meet blank paper. */
const overscan = 5;
/** Browsers draw nothing below some 17 (Firefox) or 33 million CSS pixels: a longer list is a window over itself. */
const tallest = 8_000_000;

/** Of what is `count` items, `columns` in a line, those that are to be drawn, and the room that the others take. */
export interface Lines {
  /** Indexes of items, from `from` up to and without `to`. */
  readonly from: number;
  readonly to: number;
  /** CSS pixels above and below. */
  readonly before: number;
  readonly after: number;
}

/**
 * Draws a list of any length with the window's own scroll bar. All lines have the same height, so that nothing moves
 * when a photo comes in or a name becomes longer.
 *
 * @param list what holds the list
 * @param lineHeight CSS pixels, gap included
 */
export function useLines(
  list: RefObject<HTMLElement | null>,
  { count, columns, lineHeight }: { count: number; columns: number; lineHeight: number },
): Lines {
  const [top, setTop] = useState(0);
  // Whatever stands above the list may have changed its height.
  useLayoutEffect(() => {
    const now = list.current ? Math.round(list.current.getBoundingClientRect().top + window.scrollY) : 0;
    if (now !== top) setTop(now);
  });
  const lines = Math.ceil(count / columns);
  const height = lines * lineHeight;
  const shift = useShift(top, height);
  const virtualizer = useWindowVirtualizer({
    count: lines,
    estimateSize: () => lineHeight,
    overscan,
    scrollMargin: top - shift,
  });
  useLayoutEffect(() => {
    if (lineHeight > 0) virtualizer.measure();
  }, [virtualizer, lineHeight]);
  const items = virtualizer.getVirtualItems();
  const first = items[0]?.index ?? 0;
  const last = items.at(-1)?.index ?? -1;
  const before = Math.max(0, first * lineHeight - shift);
  return {
    from: first * columns,
    to: Math.min(count, (last + 1) * columns),
    before,
    after: Math.max(0, Math.min(height, tallest) - before - (last + 1 - first) * lineHeight),
  };
}

/** Of the list that was left last, for the way back to it. */
let left = { href: '', shift: 0 };

/**
 * How many pixels of a very long list lie above what the scroll bar reaches. Near either end of the bar's reach the list is
 * moved under it, and the bar with it: what is seen stays where it is.
 */
function useShift(top: number, height: number): number {
  const [href] = useState(() => location.href);
  const [wanted, setWanted] = useState(() => (left.href === href ? left.shift : 0));
  const most = Math.max(0, height - tallest);
  const shift = Math.min(wanted, most);
  const move = useRef(0);
  useEffect(() => {
    const follow = () => {
      const at = window.scrollY - top;
      const down = at > tallest * 0.75 && shift < most;
      const up = at < tallest * 0.25 && shift > 0;
      if ((!down && !up) || move.current !== 0) return;
      const next = Math.min(most, Math.max(0, shift + (down ? tallest / 2 : -tallest / 2)));
      move.current = next - shift;
      setWanted(next);
    };
    addEventListener('scroll', follow, { passive: true });
    return () => removeEventListener('scroll', follow);
  }, [top, shift, most]);
  // After each drawing: the move may have been wanted while other things were drawn.
  useLayoutEffect(() => {
    if (move.current === 0 || shift !== wanted) return;
    window.scrollBy({ top: -move.current, behavior: 'instant' });
    move.current = 0;
  }, [shift, wanted]);
  useEffect(
    () => () => {
      left = { href, shift };
    },
    [href, shift],
  );
  return shift;
}
