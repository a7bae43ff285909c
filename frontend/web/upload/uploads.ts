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

/** Whoever shows the list is told so often of what moves in it, ms: with very many photos there is always something. */
const tellEveryMs = 100;

/** Sends photos, a few at a time, whichever view is open; it goes on while the reader looks around. */
export function createUploads(sendPhoto: SendPhoto): Uploads {
  let nextId = 1;
  const all = new Map<number, Upload>();
  /** Of `all`, until something changes. */
  let list: readonly Upload[] | null = [];
  /** Ids in the order of their turn; those before `turn` have had it, and some behind it are cancelled. */
  let queue: number[] = [];
  let turn = 0;
  let timer: ReturnType<typeof setTimeout> | undefined;
  const sending = new Map<number, AbortController>();
  const listeners = new Set<() => void>();

  const read = () => {
    list ??= [...all.values()];
    return list;
  };
  const tellNow = () => {
    clearTimeout(timer);
    timer = undefined;
    for (const notify of listeners) notify();
  };
  const update = (id: number, change: Partial<Upload>) => {
    const upload = all.get(id);
    if (upload === undefined) return;
    all.set(id, { ...upload, ...change });
    list = null;
    timer ??= setTimeout(tellNow, tellEveryMs);
  };
  const start = ({ id, file }: Upload) => {
    const control = new AbortController();
    sending.set(id, control);
    update(id, { state: 'sending', progress: 0, error: null });
    sendPhoto(file, { signal: control.signal, onProgress: (progress) => update(id, { progress }) })
      .then(
        (imageId) => update(id, { state: 'done', progress: 1, imageId }),
        (error: ApiError) => update(id, control.signal.aborted ? { state: 'cancelled' } : { state: 'failed', error }),
      )
      .finally(() => {
        sending.delete(id);
        startNext();
      });
  };
  const startNext = () => {
    while (sending.size < atOnce && turn < queue.length) {
      const upload = all.get(queue[turn++] ?? 0);
      if (upload?.state === 'waiting') start(upload);
    }
    if (turn === queue.length) [queue, turn] = [[], 0];
  };
  const wait = (ids: readonly number[]) => {
    queue = [...queue.slice(turn), ...ids];
    turn = 0;
    startNext();
    tellNow();
  };
  return {
    get list() {
      return read();
    },
    read,
    subscribe: (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    add: (files) => {
      const ids = files.map((file) => {
        const id = nextId++;
        all.set(id, { id, file, state: 'waiting', progress: 0, error: null, imageId: null });
        return id;
      });
      list = null;
      wait(ids);
    },
    cancel: (ids) => {
      for (const id of ids) {
        if (all.get(id)?.state === 'waiting') update(id, { state: 'cancelled' });
        sending.get(id)?.abort();
      }
      tellNow();
    },
    retry: (ids) => {
      const again = ids.filter((id) => ['failed', 'cancelled'].includes(all.get(id)?.state ?? ''));
      for (const id of again) update(id, { state: 'waiting', error: null });
      wait(again);
    },
    clear: () => {
      for (const { id, state } of read()) if (state !== 'waiting' && state !== 'sending') all.delete(id);
      list = null;
      tellNow();
    },
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
