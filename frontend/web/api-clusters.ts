/** The part of the API about unknown faces that are probably of one person, and about searching by a photo. */

import type { BoundingBox, Candidate, Face, Person, Quality } from './api.ts';
import type { Choice } from './api-people.ts';
import { getJson, send } from './request.ts';

export interface Cluster {
  readonly id: number;
  /** How many faces. */
  readonly size: number;
  /** The id of the face that can be seen best. */
  readonly cover: number | null;
  /** Ids of some of its faces. */
  readonly faces: readonly number[];
  readonly ignored: boolean;
}

export interface ClusterPage {
  readonly clusters: readonly Cluster[];
  readonly nextCursor: string | null;
}

export type ClusterFace = Face & { readonly imageId: number };

export interface NamedCluster {
  readonly person: Person;
  readonly faces: number;
  readonly images: number;
  readonly enrolled: number;
}

export interface SearchMatch extends Candidate {
  readonly threshold: number;
  /** This is who it is. */
  readonly matched: boolean;
}

export interface FoundPhoto {
  readonly id: number;
  readonly path: string;
  readonly faceId: number;
  readonly distance: number | null;
  readonly similarity: number | null;
  readonly person: Person | null;
}

export interface SearchedFace {
  readonly box: BoundingBox;
  readonly confidence: number;
  readonly quality: Quality | null;
  readonly person: Person | null;
  readonly matches: readonly SearchMatch[];
  readonly images?: readonly FoundPhoto[];
}

export interface SearchAnswer {
  readonly width: number;
  readonly height: number;
  readonly faces: readonly SearchedFace[];
  readonly scan?: { readonly faces: number; readonly complete: boolean; readonly ms: number };
}

export function fetchClusters(
  { ignored, cursor }: { ignored: boolean; cursor?: string | undefined },
  signal?: AbortSignal,
): Promise<ClusterPage> {
  const query = new URLSearchParams({ ignored: String(ignored), limit: '30' });
  if (cursor) query.set('cursor', cursor);
  return getJson(`/v1/clusters?${query}`, signal);
}

export function fetchCluster(id: number, signal?: AbortSignal): Promise<Cluster> {
  return getJson(`/v1/clusters/${id}`, signal);
}

export function fetchClusterFaces(
  id: number,
  cursor: string | undefined,
  signal?: AbortSignal,
): Promise<{ faces: readonly ClusterFace[]; nextCursor: string | null }> {
  return getJson(`/v1/clusters/${id}/faces?limit=100${cursor ? `&cursor=${cursor}` : ''}`, signal);
}

export function nameCluster(id: number, choice: Choice): Promise<NamedCluster> {
  return send('POST', `/v1/clusters/${id}/name`, choice, { timeoutMs: 120_000 });
}

/** Takes faces out, into a cluster of their own, which is answered. */
export function splitCluster(id: number, faces: readonly number[]): Promise<Cluster> {
  return send('POST', `/v1/clusters/${id}/split`, { faces });
}

export function ignoreCluster(id: number, ignored: boolean): Promise<Cluster> {
  return send('PATCH', `/v1/clusters/${id}`, { ignored });
}

/** Who is in the photo, and in which stored photos they are; nothing of it is stored. */
export function searchByPhoto(photo: Blob, signal: AbortSignal): Promise<SearchAnswer> {
  const form = new FormData();
  form.append('photo', photo, 'photo');
  return send('POST', '/v1/search?images=true&imagesLimit=40', form, { signal, timeoutMs: 60_000 });
}
