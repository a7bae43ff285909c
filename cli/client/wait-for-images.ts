import { setTimeout as sleep } from 'node:timers/promises';
import type { SeenImage } from './answers.ts';
import { ApiError, askPatiently } from './api.ts';

const ASK_EVERY_MS = 300;
/** They are looked at in the order of their submission, about: the others need not be asked for yet. */
const ASKED_AT_ONCE = 16;

/** Waits until each image has an outcome. Images that are deleted meanwhile are left out. In the order given. */
export async function waitForImages(ids: readonly number[], onDone: (count: number) => void): Promise<SeenImage[]> {
  const finished = new Map<number, SeenImage>();
  let waiting = [...new Set(ids)];
  while (waiting.length > 0) {
    const asked = waiting.slice(0, ASKED_AT_ONCE);
    const images = await Promise.all(asked.map(findImage));
    const ended = new Set(asked.filter((_, index) => images[index]?.status !== 'pending'));
    for (const image of images) if (image !== null && ended.has(image.id)) finished.set(image.id, image);
    waiting = waiting.filter((id) => !ended.has(id));
    if (ended.size > 0) onDone(ended.size);
    else await sleep(ASK_EVERY_MS);
  }
  return [...new Set(ids)].flatMap((id) => finished.get(id) ?? []);
}

async function findImage(id: number): Promise<SeenImage | null> {
  try {
    return await askPatiently<SeenImage>('GET', `/v1/images/${id}`);
  } catch (error) {
    if (error instanceof ApiError && error.status === 404) return null;
    throw error;
  }
}
