import { useEffect, useRef, useState } from 'react';
import { holdBackNewer, type ImageList, type ListedImage } from './image-list.ts';
import type { Place } from './image-order.ts';

/** From here down, in CSS pixels, the reader is taken to be reading. */
const readingFrom = 240;

export function isReading(): boolean {
  return window.scrollY > readingFrom;
}

/**
 * The rows to show, and how many newer ones wait because the reader has scrolled down.
 *
 * @param onTop called when the reader is at the top again
 */
export function useHeldRows(list: ImageList, onTop: () => void): { rows: readonly ListedImage[]; newer: number } {
  const [first, setFirst] = useState<Place | null>(null);
  const latest = useRef({ list, onTop });
  useEffect(() => {
    latest.current = { list, onTop };
  }, [list, onTop]);
  useEffect(() => {
    const follow = () => {
      const reading = isReading();
      setFirst((held) => (reading ? (held ?? latest.current.list.images[0] ?? null) : null));
      if (!reading) latest.current.onTop();
    };
    follow();
    addEventListener('scroll', follow, { passive: true });
    return () => removeEventListener('scroll', follow);
  }, []);
  return holdBackNewer(list, first);
}
