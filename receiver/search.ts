import type { Queryable } from '../lib/database.ts';
import { QUALITY_REASONS, type QualityReason } from '../lib/face-quality.ts';
import { readPersonNames } from '../lib/read-faces.ts';
import { packDescriptors, readFacePlaces, readFacesOfPerson, squaredDistance } from '../lib/scan-faces.ts';
import { CANDIDATE_LIMIT, similarityOf } from '../lib/similarity.ts';
import { MAX_CANDIDATES } from '../lib/stored-candidates.ts';
import type { Face, FaceQuality, Recognition } from '../proto/face.ts';
import { type FoundPhoto, findPhotos } from './find-photos.ts';
import type { SearchAnswer, SearchWishes } from './search-schemas.ts';

/** What a look at the stored photos may cost: 100,000 faces take half a second of computing. */
const MAX_FACES = 1_000_000;
const MAX_MS = 10_000;
const DEFAULT_PHOTOS = 20;

type AnsweredFace = SearchAnswer['faces'][number];
type AnsweredPhoto = NonNullable<AnsweredFace['images']>[number];

/** Puts the recognizer's answer in the API's words, with names, and with the stored photos where they are wished for. */
export async function presentSearch(
  db: Queryable,
  recognition: Recognition,
  wishes: SearchWishes,
  signal: AbortSignal,
): Promise<SearchAnswer> {
  const ids = recognition.faces.flatMap((face) => face.candidates.map(({ personId }) => personId));
  const names = await readPersonNames(db, [...new Set(ids)]);
  const faces = recognition.faces.map((face) => presentFace(face, names, wishes));
  const { width, height, model, galleryRevision } = recognition;
  const answer = { width, height, model, galleryRevision, faces };
  if (!wishes.images || faces.length === 0) return answer;
  const { photos, scan } = await findPhotosOf(db, recognition, wishes.imagesLimit ?? DEFAULT_PHOTOS, signal);
  return { ...answer, faces: faces.map((face, index) => ({ ...face, images: photos[index] ?? [] })), scan };
}

function presentFace(
  face: Face,
  names: ReadonlyMap<number, string>,
  { limit = MAX_CANDIDATES, maxDistance = CANDIDATE_LIMIT }: SearchWishes,
): AnsweredFace {
  const { box, confidence, match, quality } = face;
  if (box === undefined) throw new Error('The recognizer tells no box of a face.');
  const near = face.candidates.filter(({ distance }) => distance <= maxDistance).slice(0, limit);
  return {
    box,
    confidence,
    quality: quality === undefined ? null : presentQuality(quality),
    person: match === undefined ? null : { id: match.personId, name: match.personName },
    matches: near.flatMap(({ personId, distance, threshold = face.threshold }) => {
      const name = names.get(personId);
      // Somebody who was removed a moment ago is nobody's match.
      if (name === undefined) return [];
      const matched = match?.personId === personId;
      return [{ person: { id: personId, name }, distance, similarity: similarityOf(distance), threshold, matched }];
    }),
  };
}

function presentQuality(quality: FaceQuality): NonNullable<AnsweredFace['quality']> {
  const isKnown = (reason: string): reason is QualityReason => (QUALITY_REASONS as readonly string[]).includes(reason);
  return { ...quality, reasons: quality.reasons.filter(isKnown) };
}

async function findPhotosOf(
  db: Queryable,
  { faces, model }: Recognition,
  count: number,
  signal: AbortSignal,
): Promise<{ photos: AnsweredPhoto[][]; scan: SearchAnswer['scan'] }> {
  const started = performance.now();
  const probes = faces.map(({ descriptor, threshold }) => ({
    descriptor: Float32Array.from(descriptor),
    limit: threshold,
  }));
  const bounds = { maxFaces: MAX_FACES, maxMs: MAX_MS };
  const found = await findPhotos(db, { model, probes, count, ...bounds, signal });
  const photos: AnsweredPhoto[][] = [];
  for (const [index, { match }] of faces.entries()) {
    const near = found.photos[index] ?? [];
    const named = match ? await findNamed(db, match.personId, { model, count, probe: probes[index]?.descriptor }) : [];
    photos.push(await presentPhotos(db, near, named, count));
  }
  const ms = Math.round(performance.now() - started);
  return { photos, scan: { faces: found.faces, complete: found.complete, ms } };
}

type NamedPhoto = Omit<FoundPhoto, 'distance'> & { readonly distance: number | null };

/** The newest photos with the person's name, by whatever it was given. */
async function findNamed(
  db: Queryable,
  personId: number,
  { model, count, probe }: { model: string; count: number; probe: Float32Array | undefined },
): Promise<NamedPhoto[]> {
  const faces = await readFacesOfPerson(db, personId, { model, limit: count });
  return faces.map(({ faceId, imageId, descriptor }) => {
    const squared = descriptor && probe ? squaredDistance(probe, 0, packDescriptors([descriptor]), 0) : Number.NaN;
    return { faceId, imageId, distance: Number.isNaN(squared) ? null : Math.sqrt(squared) };
  });
}

async function presentPhotos(
  db: Queryable,
  near: readonly FoundPhoto[],
  named: readonly NamedPhoto[],
  count: number,
): Promise<AnsweredPhoto[]> {
  // Where another face of the photo is nearer than the one with the name, the name is what people look for.
  const photos = new Map<number, NamedPhoto>([...near, ...named].map((photo) => [photo.imageId, photo]));
  const places = await readFacePlaces(
    db,
    [...photos.values()].map(({ faceId }) => faceId),
  );
  return [...photos.values()]
    .sort((a, b) => (a.distance ?? Number.MAX_VALUE) - (b.distance ?? Number.MAX_VALUE) || b.imageId - a.imageId)
    .flatMap(({ imageId, faceId, distance }) => {
      const place = places.get(faceId);
      if (place === undefined) return [];
      const { path, person } = place;
      return [
        { id: imageId, path, faceId, distance, similarity: distance === null ? null : similarityOf(distance), person },
      ];
    })
    .slice(0, count);
}
