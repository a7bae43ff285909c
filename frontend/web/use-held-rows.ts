import { useEffect, useRef, useState } from 'react';
import type { Image } from './api.ts';
import { holdBackNewer } from './image-list.ts';

/** From here down, in CSS pixels, the reader is taken to be reading. */
const readingFrom = 240;

/** The rows to show, and how many newer ones wait because the reader has scrolled down. */
export function useHeldRows(images: readonly Image[]): { rows: readonly Image[]; newer: number } {
  const [frozen, setFrozen] = useState<readonly Image[] | null>(null);
  const latest = useRef(images);
  useEffect(() => {
    latest.current = images;
  }, [images]);
  useEffect(() => {
    const follow = () => {
      const reading = window.scrollY > readingFrom;
      setFrozen((held) => (reading ? (held ?? latest.current) : null));
    };
    follow();
    addEventListener('scroll', follow, { passive: true });
    return () => removeEventListener('scroll', follow);
  }, []);
  return holdBackNewer(images, frozen);
}
