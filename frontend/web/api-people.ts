/** The part of the API about people: who they are, what they are recognised by, and what a person says about a face. */

import { cropUrl, type ExplainedFace, type Person, type Quality } from './api.ts';
import { getJson, send } from './request.ts';

export interface PersonSummary extends Person {
  readonly threshold: number | null;
  /** How many references: what other faces are compared to. */
  readonly faces: number;
  /** In how many photos they were seen. */
  readonly images: number;
  /** The id of a face to show them by. */
  readonly cover: number | null;
  /** The id of a reference to show them by, where there is no such face. */
  readonly coverReference: number | null;
}

export interface Reference {
  readonly id: number;
  readonly imageName: string;
  readonly source: 'folder' | 'photo' | 'face';
  readonly path: string | null;
  readonly faceId: number | null;
  readonly quality: Quality | null;
  /** Why it cannot serve. */
  readonly failure: string | null;
}

export interface PersonDetail extends PersonSummary {
  readonly references: readonly Reference[];
}

export interface PeoplePage {
  readonly people: readonly PersonSummary[];
  readonly nextCursor: string | null;
}

/** What was erased with a person. */
export interface Receipt {
  readonly personId: number;
  readonly erasedAt: string;
  readonly references: number;
  readonly descriptors: number;
  readonly faces: number;
  readonly photos: number;
  readonly files: number;
  /** Photos that somebody has to delete by hand; null: the erasure had ended before. */
  readonly folderPhotos: readonly string[] | null;
  readonly digest: string;
}

export interface Batch {
  readonly id: number;
  readonly total: number;
  readonly pending: number;
  readonly enrolled: number;
  readonly refused: number;
  readonly failed: number;
}

export interface EnrolledPhoto {
  readonly id: number;
  readonly path: string;
  readonly status: 'pending' | 'enrolled' | 'refused' | 'failed';
  readonly reason: { readonly code: string; readonly message: string } | null;
}

/** Whom a face is given to: somebody known, or a name that may be new. */
export type Choice = { readonly personId: number } | { readonly name: string };

export interface NamedFace extends ExplainedFace {
  readonly enrolled: boolean;
  readonly reason: { readonly code: string; readonly message: string } | null;
}

/** Erasing, merging and enrolling may take a while. */
const patience = { timeoutMs: 120_000 };

export function fetchPeople(
  { q, cursor, limit = 60 }: { q?: string | undefined; cursor?: string | undefined; limit?: number },
  signal?: AbortSignal,
): Promise<PeoplePage> {
  const query = new URLSearchParams({ limit: String(limit) });
  if (q) query.set('q', q);
  if (cursor) query.set('cursor', cursor);
  return getJson(`/v1/people?${query}`, signal);
}

export function fetchPerson(id: number, signal?: AbortSignal): Promise<PersonDetail> {
  return getJson(`/v1/people/${id}`, signal);
}

export function addPerson(name: string): Promise<PersonDetail> {
  return send('POST', '/v1/people', { name });
}

export function renamePerson(id: number, name: string): Promise<PersonDetail> {
  return send('PATCH', `/v1/people/${id}`, { name });
}

/** `others` become `id`. */
export function mergePeople(id: number, others: readonly number[]): Promise<PersonDetail> {
  return send('POST', `/v1/people/${id}/merge`, { people: others }, patience);
}

export function erasePerson(id: number): Promise<Receipt> {
  return send('DELETE', `/v1/people/${id}`, undefined, patience);
}

/** What somebody is shown by; null: there is nothing. @param width pixels at most */
export function coverUrl({ id, cover, coverReference }: PersonSummary, width: number): string | null {
  if (cover !== null) return cropUrl(cover, width);
  return coverReference === null ? null : `/v1/people/${id}/faces/${coverReference}/photo?width=${width}`;
}

/** The picture of a reference. @param width pixels at most */
export function referenceUrl(personId: number, { id, faceId }: Reference, width: number): string {
  return faceId === null ? `/v1/people/${personId}/faces/${id}/photo?width=${width}` : cropUrl(faceId, width);
}

export function removeReference(personId: number, reference: number): Promise<null> {
  return send('DELETE', `/v1/people/${personId}/faces/${reference}`);
}

/** Has photos of a person looked at; `fetchBatch` tells how far that is. */
export function enrolPhotos(personId: number, files: readonly File[], force: boolean): Promise<{ batch: Batch }> {
  const form = new FormData();
  form.set('force', String(force));
  for (const file of files) form.append('photo', file);
  return send('POST', `/v1/people/${personId}/faces`, form, { timeoutMs: 600_000 });
}

/** Makes a face that was seen a reference of a person. */
export function enrolFace(personId: number, faceId: number, force = false): Promise<{ reference: number }> {
  return send('POST', `/v1/people/${personId}/faces`, { faceId, force });
}

export function fetchBatch(id: number, signal?: AbortSignal): Promise<Batch> {
  return getJson(`/v1/enrolments/${id}`, signal);
}

export function fetchBatchPhotos(id: number, signal?: AbortSignal): Promise<{ photos: readonly EnrolledPhoto[] }> {
  return getJson(`/v1/enrolments/${id}/photos?limit=1000`, signal);
}

/** Says whose face it is; no job changes that. */
export function nameFace(faceId: number, choice: Choice, enrol: boolean): Promise<NamedFace> {
  return send('PUT', `/v1/faces/${faceId}/person`, { ...choice, enrol });
}

/** "Not this person": remembered for the face and for faces like it. */
export function rejectFace(faceId: number, personId: number): Promise<ExplainedFace> {
  return send('DELETE', `/v1/faces/${faceId}/person?person=${personId}`);
}
