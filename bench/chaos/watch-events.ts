import { setTimeout as sleep } from 'node:timers/promises';

/** What somebody who listens to `GET /v1/events` all the time has been told. */
export interface EventWatcher {
  /** Ids of images, as often as their `image.finished` was told. */
  readonly finished: readonly number[];
  /** Events whose id was told before. */
  readonly repeated: number;
  /** Events that were left out, without a `reset` that says so. */
  readonly gaps: number;
  /** How often it was told that events are lost. */
  readonly resets: number;
  readonly lastId: number;
  stop(): Promise<void>;
}

/** Longer than the pause between two signs of life. */
const SILENCE_MS = 20_000;
const RETRY_MS = 300;

/** Listens, and whenever the stream ends goes on after the last event, as browsers do. */
export function watchEvents(receiverUrl: string): EventWatcher {
  const stopping = new AbortController();
  const finished: number[] = [];
  let [repeated, gaps, resets, lastId] = [0, 0, 0, 0];

  function take(text: string): void {
    const fields = new Map(
      text.split('\n').map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 2)]),
    );
    const id = Number(fields.get('id'));
    if (!Number.isInteger(id) || !fields.has('id')) return;
    const kind = fields.get('event');
    if (kind === 'reset') resets++;
    else if (kind !== undefined) {
      if (id <= lastId) repeated++;
      if (lastId > 0 && id > lastId + 1) gaps += id - lastId - 1;
      if (kind === 'image.finished') finished.push(JSON.parse(fields.get('data') ?? '').imageId);
    }
    lastId = id;
  }

  async function listen(): Promise<void> {
    const silence = new AbortController();
    let timer = setTimeout(() => silence.abort(), SILENCE_MS);
    try {
      const headers: Record<string, string> = lastId > 0 ? { 'last-event-id': String(lastId) } : {};
      const signal = AbortSignal.any([stopping.signal, silence.signal]);
      const response = await fetch(`${receiverUrl}/v1/events`, { headers, signal });
      if (response.body === null || !response.ok) return;
      let text = '';
      for await (const chunk of response.body.pipeThrough(new TextDecoderStream())) {
        clearTimeout(timer);
        timer = setTimeout(() => silence.abort(), SILENCE_MS);
        text += chunk;
        const events = text.split('\n\n');
        // A connection that is cut leaves half an event: it is told again.
        text = events.pop() ?? '';
        for (const event of events) take(event);
      }
    } finally {
      clearTimeout(timer);
    }
  }

  const listening = (async () => {
    while (!stopping.signal.aborted) {
      // However it ended, it begins again.
      await listen().catch(() => undefined);
      await sleep(RETRY_MS, undefined, { signal: stopping.signal }).catch(() => undefined);
    }
  })();

  return {
    finished,
    get repeated() {
      return repeated;
    },
    get gaps() {
      return gaps;
    },
    get resets() {
      return resets;
    },
    get lastId() {
      return lastId;
    },
    async stop() {
      stopping.abort();
      await listening;
    },
  };
}
