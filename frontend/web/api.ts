/**
 * The part of the receiver's HTTP API that the page uses. The page asks its own origin; frontend/app.ts forwards.
 */

export const imageStatuses = ['matched', 'unknown', 'no_face', 'unreadable', 'failed', 'pending'] as const;

export type ImageStatus = (typeof imageStatuses)[number];

export interface Person {
  readonly id: number;
  readonly name: string;
}

/** Ratios 0..1 of the photo's width and height after EXIF rotation, origin top-left. */
export interface BoundingBox {
  readonly left: number;
  readonly top: number;
  readonly width: number;
  readonly height: number;
}

/** What is wrong with a face. */
export type QualityReason =
  | 'SMALL_BOUNDING_BOX'
  | 'LOW_SHARPNESS'
  | 'LOW_BRIGHTNESS'
  | 'EXTREME_POSE'
  | 'LOW_CONFIDENCE';

export interface Face {
  readonly id: number;
  readonly box: BoundingBox;
  /** How sure the detector is that this is a face, 0..1; says nothing about who it is. */
  readonly confidence: number;
  readonly person: Person | null;
  /** Likeness to the nearest known photo, 0..1, 0.5 at the default threshold. */
  readonly similarity: number | null;
  readonly distance: number | null;
  /** The known photo that was nearest. */
  readonly referenceImage: string | null;
  /** null: nobody has judged it. */
  readonly quality: { readonly reasons: readonly QualityReason[] } | null;
}

export interface Image {
  readonly id: number;
  readonly path: string;
  readonly status: ImageStatus;
  readonly person: Person | null;
  readonly similarity: number | null;
  readonly reason: { readonly code: string; readonly message: string } | null;
  /** Pixels after EXIF rotation; null until the photo has been read. */
  readonly width: number | null;
  readonly height: number | null;
  /** ISO 8601, UTC. */
  readonly createdAt: string;
  readonly finishedAt: string | null;
  readonly faces: readonly Face[];
}

/** Newest first, by id. */
export interface ImagePage {
  readonly images: readonly Image[];
  readonly nextCursor: string | null;
}

/** What the processors are doing. */
export interface Processing {
  /** stopped: there is none. */
  readonly state: 'running' | 'paused' | 'stopped';
  /** ISO 8601, UTC; null while the recognizer answers. */
  readonly unavailableSince: string | null;
  readonly nextAttemptInSeconds: number | null;
}

export interface Stats {
  readonly images: Readonly<Partial<Record<ImageStatus, number>>>;
  /** null: the queue cannot be reached. */
  readonly queue: { readonly pending: number; readonly inFlight: number } | null;
  /** Absent: a receiver of an earlier version. */
  readonly processing?: Processing;
}

/** Who looks at the page. */
export interface Session {
  /** null: nobody is known. `local`: nobody need say who they are. */
  readonly caller: { readonly kind: 'local' | 'key' | 'user'; readonly name: string } | null;
  /** null: nobody can log in. */
  readonly login: { readonly provider: string; readonly url: string } | null;
}

export interface ImageQuery {
  readonly status: ImageStatus | null;
  readonly cursor?: string;
}

/** Rows in a page of the list. */
export const pageSize = 50;

const requestTimeoutMs = 10_000;

/** An answer that is an error, or no answer at all (then `code` is `unreachable`). */
export class ApiError extends Error {
  readonly code: string;

  constructor(code: string, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.name = 'ApiError';
    this.code = code;
  }
}

export function fetchImages({ status, cursor }: ImageQuery, signal?: AbortSignal): Promise<ImagePage> {
  const query = new URLSearchParams({ limit: String(pageSize) });
  if (status) query.set('status', status);
  if (cursor) query.set('cursor', cursor);
  return getJson(`/v1/images?${query}`, signal);
}

export function fetchStats(signal?: AbortSignal): Promise<Stats> {
  return getJson('/v1/stats', signal);
}

export function fetchSession(signal?: AbortSignal): Promise<Session> {
  return getJson('/v1/session', signal);
}

export async function logOut(): Promise<void> {
  // The receiver believes a cookie only together with this header, which no page of another site can send.
  const response = await fetch('/v1/logout', { method: 'POST', headers: { 'x-faceflow-page': '1' } });
  if (!response.ok) throw await readError(response);
}

/** Whether an answer was refused because nobody is known. */
export function isNotLoggedIn(error: Error | null): boolean {
  return error instanceof ApiError && error.code === 'not_authenticated';
}

/** @param width pixels at most, for a thumbnail; the original size without it */
export function photoUrl(imageId: number, width?: number): string {
  const photo = `/v1/images/${imageId}/photo`;
  return width === undefined ? photo : `${photo}?width=${width}`;
}

async function getJson<T>(url: string, signal?: AbortSignal): Promise<T> {
  const timeout = AbortSignal.timeout(requestTimeoutMs);
  const response = await fetch(url, {
    headers: { accept: 'application/json' },
    signal: signal ? AbortSignal.any([signal, timeout]) : timeout,
  }).catch((cause: unknown) => {
    throw new ApiError('unreachable', 'Faceflow does not answer.', { cause });
  });
  if (!response.ok) throw await readError(response);
  return (await response.json()) as T;
}

async function readError(response: Response): Promise<ApiError> {
  const body = (await response.json().catch(() => null)) as { error?: { code?: string; message?: string } } | null;
  return new ApiError(body?.error?.code ?? 'http_error', body?.error?.message ?? `HTTP status ${response.status}`);
}
