import { setTimeout as sleep } from 'node:timers/promises';
import { doAll } from '../do-all.ts';
import type { LoadPhoto } from './photos.ts';

/** What a client knows of one photo that it posted. */
export interface Posted {
  readonly photo: LoadPhoto;
  /** From every answer: more than one is an answer too many. Empty: never accepted. */
  readonly ids: Set<number>;
}

export interface LoadResult {
  readonly posted: readonly Posted[];
  /** Requests that got no 202, or no answer, and were sent again. */
  readonly retries: number;
}

const CLIENTS = 12;
const BATCH = 10;
const ANSWER_MS = 5_000;
const RETRY_MS = 400;
/** A client that is refused for so long gives up. */
const GIVE_UP_MS = 180_000;

/**
 * Posts photos, evenly over `spreadMs`: a third in batches, uploads as uploads, all others one by one. What is refused for
 * a passing reason, or not answered, is posted again, as a careful client does.
 *
 * @throws when the receiver says that something is wrong with a photo that has nothing wrong with it
 */
export async function postLoad(
  receiverUrl: string,
  photos: readonly LoadPhoto[],
  spreadMs: number,
): Promise<LoadResult> {
  const posted = photos.map((photo) => ({ photo, ids: new Set<number>() }));
  const requests = makeRequests(posted);
  const startedAt = performance.now();
  let retries = 0;
  await doAll(requests, CLIENTS, async (request, index) => {
    const due = startedAt + (index / requests.length) * spreadMs;
    await sleep(Math.max(0, due - performance.now()));
    retries += await postUntilAccepted(receiverUrl, request);
  });
  return { posted, retries };
}

/** Accepts one photo: for the photos before the load. */
export async function postOne(receiverUrl: string, photo: LoadPhoto): Promise<Posted> {
  const posted = { photo, ids: new Set<number>() };
  await postUntilAccepted(receiverUrl, { path: '/image/post', photos: [posted] });
  return posted;
}

interface Request {
  readonly path: '/image/post' | '/images/post' | '/v1/images';
  readonly photos: readonly Posted[];
}

function makeRequests(posted: readonly Posted[]): Request[] {
  const requests: Request[] = [];
  for (let start = 0; start < posted.length; start += BATCH) {
    const some = posted.slice(start, start + BATCH);
    const uploads = some.filter(({ photo }) => photo.upload !== null);
    const paths = some.filter(({ photo }) => photo.upload === null);
    if ((start / BATCH) % 3 === 0) requests.push({ path: '/images/post', photos: paths });
    else requests.push(...paths.map((one) => ({ path: '/image/post', photos: [one] }) as const));
    requests.push(...uploads.map((one) => ({ path: '/v1/images', photos: [one] }) as const));
  }
  return requests;
}

/** @returns how often it had to be sent again */
async function postUntilAccepted(receiverUrl: string, request: Request): Promise<number> {
  const deadline = performance.now() + GIVE_UP_MS;
  for (let retries = 0; ; retries++) {
    const accepted = await tryToPost(receiverUrl, request);
    if (accepted || performance.now() > deadline) return retries;
    await sleep(RETRY_MS * (0.5 + Math.random()));
  }
}

async function tryToPost(receiverUrl: string, { path, photos }: Request): Promise<boolean> {
  let answer: { status: number; body: string };
  try {
    const signal = AbortSignal.timeout(ANSWER_MS);
    const response = await fetch(`${receiverUrl}${path}`, { method: 'POST', body: bodyOf(path, photos), signal });
    answer = { status: response.status, body: await response.text() };
  } catch {
    // Refused, reset, cut off in the middle, or too slow: all the same to a client.
    return false;
  }
  if (answer.status >= 500 || answer.status === 429) return false;
  if (answer.status !== 202) throw new Error(`POST ${path} was answered ${answer.status}: ${answer.body}`);
  return noteIds(JSON.parse(answer.body), photos);
}

function bodyOf(path: Request['path'], photos: readonly Posted[]): string | FormData {
  const [first] = photos;
  if (path === '/image/post') return JSON.stringify({ path: first?.photo.path });
  if (path === '/images/post') return JSON.stringify({ paths: photos.map(({ photo }) => ({ path: photo.path })) });
  const form = new FormData();
  form.append('photo', new Blob([new Uint8Array(first?.photo.upload ?? [])]), 'photo.jpg');
  return form;
}

type Accepted = { readonly id: number } | { readonly error: { readonly retryable: boolean; readonly message: string } };

/** @returns false when one of them is to be posted again */
function noteIds(body: Accepted | { images: readonly Accepted[] }, photos: readonly Posted[]): boolean {
  const answers = 'images' in body ? body.images : [body];
  let all = answers.length === photos.length;
  for (const [index, answer] of answers.entries()) {
    if ('id' in answer) photos[index]?.ids.add(answer.id);
    else if (answer.error.retryable) all = false;
    else throw new Error(`${photos[index]?.photo.path} was refused: ${answer.error.message}`);
  }
  return all;
}
