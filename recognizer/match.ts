import { setImmediate } from 'node:timers/promises';
import { messageOf, PermanentError } from '../lib/errors.ts';
import { CANDIDATE_LIMIT } from '../lib/similarity.ts';
import type { Decision, MatchRequest, MatchResponse, PhotoProbes, Probe, WhatIf } from '../proto/face.ts';
import type { DecidedFace, DecisionRules, ProbeFace, ThresholdFor } from './decide.ts';
import { type Naming, nameFaces, revisionOf, toCandidate, toMatch } from './name-faces.ts';
import type { ModelGallery } from './open-gallery.ts';

const DESCRIPTOR_LENGTH = 128;

export interface MatchOptions {
  /** The gallery of a model; undefined where there is none here. */
  readonly find: (model: string) => ModelGallery | undefined;
  /** Those that there are, to say so. */
  readonly models: string;
  readonly thresholdFor: ThresholdFor;
}

/** The descriptors are of a model that is not known here: nothing can be said of them. */
export class OtherModelError extends Error {
  constructor(asked: string, own: string) {
    super(`The model ${asked || '""'} was asked for, and this recognizer has ${own}.`);
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
 * Decides again whose faces those of photos are, from their descriptors; with a what-if, whose they would be.
 *
 * @param signal ends the work between two photos
 * @throws OtherModelError, GalleryBehindError
 * @throws PermanentError `descriptor_invalid`, `threshold_invalid`
 */
export async function match(options: MatchOptions, request: MatchRequest, signal: AbortSignal): Promise<MatchResponse> {
  const own = options.find(request.model);
  if (own === undefined) throw new OtherModelError(request.model, options.models);
  if (!own.isLoaded) throw new GalleryBehindError(`The gallery of ${own.model} is being loaded.`);
  const asSet = { gallery: own.gallery, rules: own.rules, thresholdFor: options.thresholdFor };
  await catchUp(own, asSet, request.minGalleryRevision);
  const galleryRevision = revisionOf(asSet);
  const { threshold } = own.rules.current;
  const naming = request.whatIf === undefined ? asSet : suppose(asSet, request.whatIf);
  const photos: MatchResponse['photos'] = [];
  for (const photo of request.photos) {
    photos.push({ decisions: decidePhoto(naming, photo) });
    // A batch takes its time: whoever else asks must not wait for all of it.
    await setImmediate();
    signal.throwIfAborted();
  }
  return { photos, galleryRevision, threshold };
}

async function catchUp(own: ModelGallery, naming: Naming, revision: number): Promise<void> {
  if (revisionOf(naming) >= revision) return;
  try {
    await own.refresh();
  } catch (error) {
    throw new GalleryBehindError(`The gallery cannot be read: ${messageOf(error)}`, { cause: error });
  }
  const reached = revisionOf(naming);
  if (reached < revision) {
    throw new GalleryBehindError(`Revision ${revision} of the gallery was asked for; ${reached} can be seen here.`);
  }
}

/** The rules as they would be with another threshold; they do not change while a call goes on. */
function suppose(naming: Naming, { threshold, personId }: WhatIf): Naming {
  if (!(threshold >= 0 && threshold <= CANDIDATE_LIMIT)) {
    throw new PermanentError('threshold_invalid', `A threshold is a number from 0 to ${CANDIDATE_LIMIT}.`);
  }
  const { current, revision } = naming.rules;
  const largestThreshold = Math.max(current.largestThreshold, threshold);
  const supposed: DecisionRules =
    personId === 0
      ? { ...current, threshold, largestThreshold }
      : { ...current, thresholdOf: new Map([...current.thresholdOf, [personId, threshold]]), largestThreshold };
  return { ...naming, rules: { current: supposed, revision } };
}

function decidePhoto(options: Naming, { probes }: PhotoProbes): Decision[] {
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
