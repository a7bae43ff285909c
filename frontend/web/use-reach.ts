import { useEffect } from 'react';

/** Tells after each drawing which rows are drawn: from one index up to and without another. */
export function useReach(from: number, to: number, onReach: (from: number, to: number) => void): void {
  useEffect(() => onReach(from, to));
}
