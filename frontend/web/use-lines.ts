import { useWindowVirtualizer } from '@tanstack/react-virtual';
import { type RefObject, useLayoutEffect, useState } from 'react';

/** Lines that are drawn beyond what can be seen, so that scrolling does not meet blank paper. */
const overscan = 5;

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
  const virtualizer = useWindowVirtualizer({
    count: lines,
    estimateSize: () => lineHeight,
    overscan,
    scrollMargin: top,
  });
  useLayoutEffect(() => {
    if (lineHeight > 0) virtualizer.measure();
  }, [virtualizer, lineHeight]);
  const items = virtualizer.getVirtualItems();
  const first = items[0]?.index ?? 0;
  const last = items.at(-1)?.index ?? -1;
  return {
    from: first * columns,
    to: Math.min(count, (last + 1) * columns),
    before: first * lineHeight,
    after: Math.max(0, lines - 1 - last) * lineHeight,
  };
}
