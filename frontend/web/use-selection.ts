import { useCallback, useMemo, useRef, useState } from 'react';

export interface Selection {
  readonly ids: ReadonlySet<number>;
  /** With `upTo` everything between the last choice and this one is chosen as well. */
  readonly toggle: (id: number, upTo: boolean) => void;
  readonly clear: () => void;
  /** Leaves these only. */
  readonly keep: (ids: ReadonlySet<number>) => void;
}

const nothing: ReadonlySet<number> = new Set();

/** Which rows are chosen. They stay it while others come and go. */
export function useSelection(rows: readonly { readonly id: number }[]): Selection {
  const [ids, setIds] = useState(nothing);
  const last = useRef<number | null>(null);
  const order = useRef(rows);
  order.current = rows;
  const toggle = useCallback((id: number, upTo: boolean) => {
    const from = upTo ? order.current.findIndex((row) => row.id === last.current) : -1;
    last.current = id;
    setIds((held) => {
      const next = new Set(held);
      if (from >= 0) {
        const to = order.current.findIndex((row) => row.id === id);
        for (const row of order.current.slice(Math.min(from, to), Math.max(from, to) + 1)) next.add(row.id);
      } else if (!next.delete(id)) next.add(id);
      return next;
    });
  }, []);
  const clear = useCallback(() => setIds(nothing), []);
  const keep = useCallback((kept: ReadonlySet<number>) => setIds(kept), []);
  return useMemo(() => ({ ids, toggle, clear, keep }), [ids, toggle, clear, keep]);
}
