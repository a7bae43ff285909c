import type { QueryClient } from '@tanstack/react-query';
import { type ImageList, markDirty, markDirtyPerson, removeImage } from './image-list.ts';

/** Events are taken together for so long, ms: a flood of results is one question, not thousands. */
const gatherMs = 400;
/** After a stream that ended for good, ms. */
const reopenMs = 3_000;

type Told = { imageId?: number; personId?: number; job?: string };

let open = false;

/** Whether events come in; while they do, asking now and then is enough. */
export function isLive(): boolean {
  return open;
}

/**
 * Keeps what the page holds up to date by the receiver's events. A hidden tab does not listen: browsers allow six
 * connections to a server, and six tabs would leave none for the page itself.
 */
export function startLive(client: QueryClient): void {
  const gather = startGathering(client);
  let source: EventSource | null = null;
  let lastId = '';
  let timer: ReturnType<typeof setTimeout> | undefined;

  const close = () => {
    clearTimeout(timer);
    source?.close();
    source = null;
    open = false;
  };
  const listen = () => {
    if (document.hidden || source) return;
    const opened = new EventSource(lastId ? `/v1/events?lastEventId=${lastId}` : '/v1/events');
    source = opened;
    opened.onopen = () => {
      open = true;
    };
    opened.onerror = () => {
      open = false;
      void client.invalidateQueries({ refetchType: 'active' });
      // After an answer that is no stream, the browser does not come back by itself.
      if (opened.readyState !== EventSource.CLOSED) return;
      close();
      timer = setTimeout(listen, reopenMs);
    };
    for (const kind of kinds) {
      opened.addEventListener(kind, (event: MessageEvent<string>) => {
        if (event.lastEventId) lastId = event.lastEventId;
        gather(kind, parse(event.data));
      });
    }
  };
  document.addEventListener('visibilitychange', () => (document.hidden ? close() : listen()));
  listen();
}

const kinds = [
  ...['image.accepted', 'image.finished', 'image.changed', 'image.deleted'],
  ...['person.changed', 'person.removed', 'job.progress', 'processor.breaker', 'reset'],
];

function startGathering(client: QueryClient): (kind: string, told: Told) => void {
  const images = new Set<number>();
  const people = new Set<number>();
  const kindsTold = new Set<string>();
  let isWaiting = false;

  const flush = () => {
    isWaiting = false;
    if (kindsTold.has('reset')) void client.invalidateQueries();
    else apply(client, images, people, kindsTold);
    images.clear();
    people.clear();
    kindsTold.clear();
  };
  return (kind, { imageId, personId }) => {
    if (kind === 'image.deleted' && imageId !== undefined) {
      updateLists(client, (list) => removeImage(list, imageId));
    }
    if (imageId !== undefined) images.add(imageId);
    if (personId !== undefined) people.add(personId);
    kindsTold.add(kind);
    if (!isWaiting) setTimeout(flush, gatherMs);
    isWaiting = true;
  };
}

function apply(
  client: QueryClient,
  images: ReadonlySet<number>,
  people: ReadonlySet<number>,
  kindsTold: ReadonlySet<string>,
): void {
  const refresh = (...queryKey: unknown[]) => void client.invalidateQueries({ queryKey });
  if (kindsTold.has('processor.breaker')) {
    refresh('stats');
    refresh('system');
  }
  if (kindsTold.has('job.progress')) refresh('jobs');
  if (images.size > 0 || people.size > 0) {
    updateLists(client, (list) => markDirtyPerson(markDirty(list, images), people));
    refresh('images');
    refresh('stats');
    for (const id of images) refresh('image', id);
    if (people.size > 0) refresh('image');
  }
  if (images.size > 0 || people.size > 0) {
    refresh('people');
    refresh('person');
  }
  if (images.size > 0 || people.size > 0 || kindsTold.has('job.progress')) refresh('clusters');
}

/** Changes every list of images that is held. */
export function updateLists(client: QueryClient, change: (list: ImageList) => ImageList): void {
  client.setQueriesData<ImageList>({ queryKey: ['images'] }, (list) => list && change(list));
}

function parse(data: string): Told {
  try {
    return JSON.parse(data) as Told;
  } catch {
    return {};
  }
}
