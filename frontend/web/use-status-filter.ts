import { useCallback, useSyncExternalStore } from 'react';
import { type ImageStatus, imageStatuses } from './api.ts';

const changed = 'faceflow:address';

/** The status filter as the address bar holds it (`?status=unknown`), so that a view can be kept and shared. */
export function useStatusFilter(): [ImageStatus | null, (status: ImageStatus | null) => void] {
  const search = useSyncExternalStore(subscribe, () => location.search);
  const value = new URLSearchParams(search).get('status');
  const choose = useCallback((status: ImageStatus | null) => {
    history.pushState(null, '', filterAddress(status));
    dispatchEvent(new Event(changed));
  }, []);
  return [imageStatuses.find((status) => status === value) ?? null, choose];
}

export function filterAddress(status: ImageStatus | null): string {
  return status ? `?status=${status}` : location.pathname;
}

function subscribe(listener: () => void): () => void {
  addEventListener('popstate', listener);
  addEventListener(changed, listener);
  return () => {
    removeEventListener('popstate', listener);
    removeEventListener(changed, listener);
  };
}
