import { describe, expect, test } from 'vitest';
import { createUploads, type SendPhoto } from './uploads.ts';

interface Sending {
  readonly name: string;
  readonly signal: AbortSignal;
  readonly onProgress: (ratio: number) => void;
  readonly succeed: (imageId: number) => void;
  readonly fail: (error: Error) => void;
}

function start() {
  const sent: Sending[] = [];
  const send: SendPhoto = ({ name }, { signal, onProgress }) =>
    new Promise((succeed, fail) => {
      signal.addEventListener('abort', () => fail(new Error('aborted')));
      sent.push({ name, signal, onProgress, succeed, fail });
    });
  const uploads = createUploads(send);
  const states = () => uploads.read().map(({ state }) => state);
  return { uploads, sent, states };
}

const photos = (count: number) => Array.from({ length: count }, (_, n) => new File(['x'], `${n}.jpg`));

describe('uploads', () => {
  test('a few go at a time, the next when one is done', async () => {
    const { uploads, sent, states } = start();
    uploads.add(photos(5));
    expect(sent.map(({ name }) => name)).toEqual(['0.jpg', '1.jpg', '2.jpg']);
    sent[0]?.onProgress(0.5);
    expect(uploads.read()[0]).toMatchObject({ state: 'sending', progress: 0.5 });
    sent[0]?.succeed(7);
    await expect.poll(() => sent.length).toBe(4);
    expect(uploads.read()[0]).toMatchObject({ state: 'done', progress: 1, imageId: 7 });
    expect(states()).toEqual(['done', 'sending', 'sending', 'sending', 'waiting']);
  });

  test('what has failed can be tried again, and the others go on', async () => {
    const { uploads, sent, states } = start();
    uploads.add(photos(2));
    sent[0]?.fail(new Error('no room'));
    sent[1]?.succeed(8);
    await expect.poll(states).toEqual(['failed', 'done']);
    uploads.retry(uploads.read().map(({ id }) => id));
    expect(states()).toEqual(['sending', 'done']);
    sent[2]?.succeed(9);
    await expect.poll(states).toEqual(['done', 'done']);
  });

  test('what is cancelled stops, waiting or not, and what is over can be cleared', async () => {
    const { uploads, sent, states } = start();
    uploads.add(photos(4));
    uploads.cancel(uploads.read().map(({ id }) => id));
    await expect.poll(states).toEqual(Array(4).fill('cancelled'));
    expect(sent.every(({ signal }) => signal.aborted)).toBe(true);
    expect(sent.length).toBe(3);
    uploads.clear();
    expect(uploads.read()).toEqual([]);
  });

  test('of very many not each step is told, and each gets its turn', async () => {
    const uploads = createUploads(async (_file, { onProgress }) => {
      for (let step = 1; step <= 10; step++) onProgress(step / 10);
      return 1;
    });
    let told = 0;
    uploads.subscribe(() => {
      told++;
    });
    uploads.add(photos(1_000));
    uploads.cancel([uploads.read().at(-1)?.id ?? 0]);
    await expect.poll(() => uploads.read().filter(({ state }) => state === 'done').length).toBe(999);
    expect(uploads.read().at(-1)?.state).toBe('cancelled');
    uploads.retry([uploads.read().at(-1)?.id ?? 0]);
    await expect.poll(() => uploads.read().every(({ state }) => state === 'done')).toBe(true);
    expect(told).toBeLessThan(1_000);
  });
});
