import { useEffect } from 'react';

/** Tells after each drawing how far down the drawn rows reach. */
export function useReach(to: number, onReach: (index: number) => void): void {
  useEffect(() => onReach(to));
}
