import { setImmediate } from 'node:timers/promises';
import { messageOf, PermanentError } from '../lib/errors.ts';
import type { Decision, MatchRequest, MatchResponse, PhotoProbes, Probe } from '../proto/face.ts';
import type { DecidedFace, ProbeFace } from './decide.ts';
import { type Naming, nameFaces, revisionOf, toCandidate, toMatch } from './name-faces.ts';

const DESCRIPTOR_LENGTH = 128;

export interface MatchOptions extends Naming {
  readonly model: string;
  /** Brings gallery and rules up to date at once. */
  readonly refresh: () => Promise<void>;
}

/** The descriptors are of another model than this recognizer's: nothing can be said of them here. */
export class OtherModelError extends Error {
  constructor(asked: string, own: string) {
    super(`The descriptors are of the model ${asked || '""'}, this recognizer's are of ${own}.`);
    this.name = 'OtherModelError';
  }
}

/** The gallery that was asked for cannot be seen yet. */
export class GalleryBehindError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'GalleryBehindError';
  }
}

/**
 * Decides again whose faces those of photos are, from their descriptors.
 *
 * @param signal ends the work between two photos
 * @throws OtherModelError, GalleryBehindError
 * @throws PermanentError `descriptor_invalid`
 */
export async function match(options: MatchOptions, request: MatchRequest, signal: AbortSignal): Promise<MatchResponse> {
  if (request.model !== options.model) throw new OtherModelError(request.model, options.model);
  await catchUp(options, request.minGalleryRevision);
  const galleryRevision = revisionOf(options);
  const photos: MatchResponse['photos'] = [];
  for (const photo of request.photos) {
    photos.push({ decisions: decidePhoto(options, photo) });
    // A batch takes its time: whoever else asks must not wait for all of it.
    await setImmediate();
    signal.throwIfAborted();
  }
  return { photos, galleryRevision };
}

async function catchUp(options: MatchOptions, revision: number): Promise<void> {
  if (revisionOf(options) >= revision) return;
  try {
    await options.refresh();
  } catch (error) {
    throw new GalleryBehindError(`The gallery cannot be read: ${messageOf(error)}`, { cause: error });
  }
  const reached = revisionOf(options);
  if (reached < revision) {
    throw new GalleryBehindError(`Revision ${revision} of the gallery was asked for; ${reached} can be seen here.`);
  }
}

function decidePhoto(options: MatchOptions, { probes }: PhotoProbes): Decision[] {
  return nameFaces(options, probes.map(toProbeFace)).map(toDecision);
}

function toProbeFace({ descriptor, faceId, qualityReasons, personId }: Probe): ProbeFace {
  if (descriptor.length !== DESCRIPTOR_LENGTH) {
    const message = `A descriptor has ${descriptor.length} numbers; ${DESCRIPTOR_LENGTH} are expected.`;
    throw new PermanentError('descriptor_invalid', message);
  }
  return { descriptor: Float32Array.from(descriptor), faceId, qualityReasons, personId };
}

function toDecision({ match, nearestDistance, threshold, candidates }: DecidedFace): Decision {
  return {
    match: match ? toMatch(match) : undefined,
    nearestDistance: nearestDistance ?? 0,
    threshold,
    candidates: candidates.map(toCandidate),
  };
}
