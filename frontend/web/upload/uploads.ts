import { type ApiError, sendForm } from '../request.ts';

export interface Upload {
  readonly id: number;
  readonly file: File;
  readonly state: 'waiting' | 'sending' | 'done' | 'failed' | 'cancelled';
  /** 0..1 */
  readonly progress: number;
  readonly error: ApiError | null;
  /** Once it is done. */
  readonly imageId: number | null;
}

export interface Uploads {
  readonly list: readonly Upload[];
  readonly subscribe: (listener: () => void) => () => void;
  readonly read: () => readonly Upload[];
  readonly add: (files: readonly File[]) => void;
  readonly cancel: (ids: readonly number[]) => void;
  readonly retry: (ids: readonly number[]) => void;
  /** Forgets what is over. */
  readonly clear: () => void;
}

type Answer = { images: readonly { id?: number; error?: { code: string; message: string } }[] };

export type SendPhoto = (
  file: File,
  options: { signal: AbortSignal; onProgress: (ratio: number) => void },
) => Promise<number>;

/** A browser holds six connections to a server; the page needs some itself. */
const atOnce = 3;

/** Sends photos, a few at a time, whichever view is open; it goes on while the reader looks around. */
export function createUploads(sendPhoto: SendPhoto): Uploads {
  let list: readonly Upload[] = [];
  let nextId = 1;
  const sending = new Map<number, AbortController>();
  const listeners = new Set<() => void>();

  const update = (id: number, change: Partial<Upload>) => {
    replace(list.map((upload) => (upload.id === id ? { ...upload, ...change } : upload)));
  };
  const replace = (next: readonly Upload[]) => {
    list = next;
    for (const notify of listeners) notify();
  };
  const start = (upload: Upload) => {
    const control = new AbortController();
    sending.set(upload.id, control);
    update(upload.id, { state: 'sending', progress: 0, error: null });
    sendPhoto(upload.file, { signal: control.signal, onProgress: (progress) => update(upload.id, { progress }) })
      .then(
        (imageId) => update(upload.id, { state: 'done', progress: 1, imageId }),
        (error: ApiError) =>
          update(upload.id, control.signal.aborted ? { state: 'cancelled' } : { state: 'failed', error }),
      )
      .finally(() => {
        sending.delete(upload.id);
        startNext();
      });
  };
  const startNext = () => {
    for (const upload of list) {
      if (sending.size >= atOnce) return;
      if (upload.state === 'waiting') start(upload);
    }
  };
  return {
    get list() {
      return list;
    },
    read: () => list,
    subscribe: (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    add: (files) => {
      const added = files.map(
        (file): Upload => ({ id: nextId++, file, state: 'waiting', progress: 0, error: null, imageId: null }),
      );
      replace([...list, ...added]);
      startNext();
    },
    cancel: (ids) => {
      const chosen = new Set(ids);
      replace(
        list.map((one) => (chosen.has(one.id) && one.state === 'waiting' ? { ...one, state: 'cancelled' } : one)),
      );
      for (const id of ids) sending.get(id)?.abort();
    },
    retry: (ids) => {
      const chosen = new Set(ids);
      const isOver = ({ state }: Upload) => state === 'failed' || state === 'cancelled';
      replace(list.map((one) => (chosen.has(one.id) && isOver(one) ? { ...one, state: 'waiting', error: null } : one)));
      startNext();
    },
    clear: () => replace(list.filter(({ state }) => state === 'waiting' || state === 'sending')),
  };
}

/** The uploads of this tab. */
export const uploads = createUploads(async (file, options) => {
  const form = new FormData();
  form.append('photo', file, file.name);
  const { images } = await sendForm<Answer>('/v1/images', form, options);
  const [image] = images;
  if (image?.id === undefined) throw image?.error ?? new Error('The receiver has not said what became of the photo.');
  return image.id;
});
