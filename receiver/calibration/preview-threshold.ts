import type { Queryable } from '../../lib/database.ts';
import { type DecidedFaceRow, readDecidedFaces } from '../../lib/decided-faces.ts';
import type { Faces, StoredProbe } from '../../lib/faces.ts';
import { probesToMatch, toMatchProbe } from '../../lib/match-probes.ts';
import type { MatchResponse } from '../../proto/face.ts';
import { HttpError } from '../errors.ts';
import type { RecognizerClient } from '../recognizer-client.ts';
import { mayChange, type ThresholdChange } from './may-change.ts';

/** What a threshold would do to one face. */
export interface FaceChange {
  readonly faceId: number;
  readonly before: number | null;
  readonly after: number | null;
  /** To the person of `after`, or else to the nearest; null when nobody is known. */
  readonly distance: number | null;
}

export interface ImageChange {
  readonly imageId: number;
  /** At least one. */
  readonly faces: readonly FaceChange[];
}

export interface Preview {
  readonly galleryRevision: number;
  /** Newest first. */
  readonly images: readonly ImageChange[];
  /** False when there is more than could be looked at; those that were are the newest. */
  readonly complete: boolean;
}

export interface PreviewRequest {
  /** Of the descriptors. */
  readonly model: string;
  readonly galleryRevision: number;
  readonly threshold: number;
  /** Whose threshold; 0: the gallery's. */
  readonly personId: number;
  readonly change: ThresholdChange;
}

export interface PreviewOptions {
  readonly db: Queryable;
  readonly faces: Pick<Faces, 'readProbes'>;
  readonly recognizer: Pick<RecognizerClient, 'match'>;
}

const PAGE = 4_000;
/** In one call, which holds 4 MB at most. */
const FACES_PER_CALL = 1_000;
const IMAGES_PER_CALL = 500;
/** A preview that takes longer, or changes more than anybody looks at, ends here, and says so. */
const MAX_MS = 20_000;
const MAX_IMAGES = 20_000;

/**
 * Finds the photos that another threshold would change: those of which the stored candidates do not exclude it are decided
 * by the recognizer, by its own rule and its own gallery, as the rematch job has it decide them once the threshold is set.
 */
export async function previewThreshold(options: PreviewOptions, request: PreviewRequest): Promise<Preview> {
  const until = performance.now() + MAX_MS;
  const images: ImageChange[] = [];
  const waiting: number[] = [];
  let upTo: number | null = Number.MAX_SAFE_INTEGER;
  while (upTo !== null && performance.now() < until && images.length < MAX_IMAGES) {
    const page = await readDecidedFaces(options.db, request.model, upTo, PAGE);
    for (const [imageId, faces] of groupByImage(page.faces)) {
      if (mayChange(faces, request.change)) waiting.push(imageId);
    }
    upTo = page.next;
    while (waiting.length >= IMAGES_PER_CALL || (upTo === null && waiting.length > 0)) {
      images.push(...(await decideImages(options, request, waiting.splice(0, IMAGES_PER_CALL))));
    }
  }
  if (waiting.length > 0) images.push(...(await decideImages(options, request, waiting)));
  return { galleryRevision: request.galleryRevision, images, complete: upTo === null };
}

function groupByImage(faces: readonly DecidedFaceRow[]): Map<number, DecidedFaceRow[]> {
  const images = new Map<number, DecidedFaceRow[]>();
  for (const face of faces) {
    const own = images.get(face.imageId) ?? [];
    images.set(face.imageId, own);
    own.push(face);
  }
  return images;
}

async function decideImages(
  options: PreviewOptions,
  request: PreviewRequest,
  imageIds: readonly number[],
): Promise<ImageChange[]> {
  const stored = await options.faces.readProbes(imageIds);
  const photos = imageIds
    .map((imageId) => ({ imageId, own: stored.get(imageId) }))
    .filter(({ own }) => own?.model === request.model)
    .map(({ imageId, own }) => ({ imageId, probes: probesToMatch(own?.probes ?? []) }));
  const changes: ImageChange[] = [];
  for (const some of splitPhotos(photos)) {
    const response = await options.recognizer.match({
      model: request.model,
      minGalleryRevision: request.galleryRevision,
      photos: some.map(({ probes }) => ({ probes: probes.map(toMatchProbe) })),
      whatIf: { threshold: request.threshold, personId: request.personId },
    });
    assertSupposes(response);
    for (const [index, { imageId, probes }] of some.entries()) {
      const faces = compareFaces(probes, response.photos[index]?.decisions ?? []);
      if (faces.length > 0) changes.push({ imageId, faces });
    }
  }
  return changes;
}

function* splitPhotos<Photo extends { probes: readonly unknown[] }>(photos: readonly Photo[]): Generator<Photo[]> {
  let some: Photo[] = [];
  let faces = 0;
  for (const photo of photos) {
    if (some.length > 0 && faces + photo.probes.length > FACES_PER_CALL) {
      yield some;
      some = [];
      faces = 0;
    }
    some.push(photo);
    faces += photo.probes.length;
  }
  if (some.length > 0) yield some;
}

/** What people have decided stays. */
function compareFaces(
  probes: readonly StoredProbe[],
  decisions: MatchResponse['photos'][number]['decisions'],
): FaceChange[] {
  return probes.flatMap(({ faceId, personId, decidedBy }, index) => {
    const { match, nearestDistance = 0 } = decisions[index] ?? {};
    const after = match?.personId || null;
    if (decidedBy === 'user' || after === personId) return [];
    return [{ faceId, before: personId, after, distance: match?.distance ?? (nearestDistance || null) }];
  });
}

/** A recognizer of an earlier version would answer by the threshold that is set, and no change would be seen. */
export function assertSupposes({ threshold }: MatchResponse): number {
  if (threshold !== undefined) return threshold;
  throw new HttpError(503, 'recognizer_outdated', 'The recognizer is an older one, and cannot tell; upgrade it first.');
}
