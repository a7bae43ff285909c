/** The part of the receiver's HTTP API that the page uses: images, their faces, and how many there are. */

import type { ImageOrder } from './image-order.ts';
import { ApiError, getJson, send } from './request.ts';

export { ApiError };

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
  readonly decidedBy: 'gallery' | 'user';
  /** The largest distance that counted as a match. */
  readonly threshold: number | null;
  /** Names the space of descriptors. */
  readonly model: string | null;
  readonly galleryRevision: number | null;
  /** null: nobody has judged it. */
  readonly quality: Quality | null;
}

export interface Quality {
  /** The shorter side of the box, in pixels of the photo. */
  readonly pixels: number;
  readonly sharpness: number;
  /** 0..1 */
  readonly brightness: number;
  /** Degrees. */
  readonly yaw: number;
  readonly pitch: number;
  readonly roll: number;
  readonly reasons: readonly QualityReason[];
}

export interface Candidate {
  readonly person: Person;
  readonly distance: number;
  readonly similarity: number;
}

/** A face of one image that was asked for by itself. */
export interface ExplainedFace extends Face {
  /** Nearest first; null: decided before they were kept. */
  readonly candidates: readonly Candidate[] | null;
}

export interface ExplainedImage extends Image {
  readonly faces: readonly ExplainedFace[];
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

/** Which images are listed, all conditions together, and in which order. */
export interface ImageFilter {
  readonly status: ImageStatus | null;
  /** An id: one of the faces is this person. */
  readonly person: number | null;
  /** Words of the path, or of somebody's name. */
  readonly q: string;
  /** How the path starts, up to a slash; empty: anywhere. */
  readonly folder: string;
  /** The first and the last day of posting, where the reader is, as `2026-11-21`; empty: any. */
  readonly from: string;
  readonly to: string;
  readonly sort: ImageOrder;
}

export const noFilter: ImageFilter = {
  ...{ status: null, person: null, q: '', folder: '', from: '', to: '' },
  sort: 'newest',
};

export interface ImageQuery extends ImageFilter {
  readonly cursor?: string;
  readonly limit?: number;
}

/** Rows in the newest page of the list, and in one that is asked for again. */
export const pageSize = 50;
/** Rows in an older page, that somebody scrolls towards. */
export const olderPageSize = 200;

export function fetchImages(
  { status, person, q, folder, from, to, sort, cursor, limit }: ImageQuery,
  signal?: AbortSignal,
): Promise<ImagePage> {
  const query = new URLSearchParams({ limit: String(limit ?? pageSize) });
  if (status) query.set('status', status);
  if (person) query.set('person', String(person));
  if (q) query.set('q', q);
  if (folder) query.set('folder', folder);
  if (from) query.set('from', startOfDay(from, 0));
  if (to) query.set('to', startOfDay(to, 1));
  if (sort !== 'newest') query.set('sort', sort);
  if (cursor) query.set('cursor', cursor);
  return getJson(`/v1/images?${query}`, signal);
}

/** @param later days */
function startOfDay(day: string, later: number): string {
  const [year = 0, month = 1, date = 1] = day.split('-').map(Number);
  return new Date(year, month - 1, date + later).toISOString();
}

/** Folders whose path starts so, one level below its last slash. */
export function fetchFolders(
  start: string,
  signal?: AbortSignal,
): Promise<{ folders: readonly { path: string }[]; complete: boolean }> {
  return getJson(`/v1/folders?${new URLSearchParams({ start, limit: '30' })}`, signal);
}

export function fetchImage(id: number, signal?: AbortSignal): Promise<ExplainedImage> {
  return getJson(`/v1/images/${id}`, signal);
}

/** @throws ApiError */
export function deleteImage(id: number): Promise<null> {
  return send('DELETE', `/v1/images/${id}`);
}

/** Has failed and unreadable photos looked at again; others are left as they are. */
export function retryImages(ids: readonly number[]): Promise<{ retried: number }> {
  return send('POST', '/v1/images/retry', { ids }, { timeoutMs: 60_000 });
}

export type SkipReason = 'shows_person' | 'no_unknown_face' | 'several_unknown_faces' | 'image_not_found';

export interface NamedImages {
  /** null: nobody was named. */
  readonly person: Person | null;
  readonly named: readonly number[];
  readonly skipped: readonly { readonly id: number; readonly reason: SkipReason }[];
  readonly enrolled: number;
}

/** Says who the one unknown face in each of these photos is. */
export function nameImages(
  ids: readonly number[],
  choice: { readonly personId: number } | { readonly name: string },
): Promise<NamedImages> {
  return send('POST', '/v1/images/name', { ids, ...choice }, { timeoutMs: 120_000 });
}

export function fetchStats(signal?: AbortSignal): Promise<Stats> {
  return getJson('/v1/stats', signal);
}

export function fetchSession(signal?: AbortSignal): Promise<Session> {
  return getJson('/v1/session', signal);
}

export function logOut(): Promise<null> {
  return send('POST', '/v1/logout');
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

/** @param width pixels at most */
export function cropUrl(faceId: number, width: number): string {
  return `/v1/faces/${faceId}/crop?width=${width}`;
}
