import type { ModelName } from '../lib/descriptor-models.ts';
import type { PhotoSources } from '../lib/photo-sources.ts';
import { inPart } from '../lib/spans.ts';
import { OUR_ATTRIBUTES } from '../lib/trace-names.ts';
import type { Face, IdentifyRequest, IdentifyResponse } from '../proto/face.ts';
import type { DecidedFace } from './decide.ts';
import type { JudgedFace } from './describe-photo.ts';
import { lookAtPhoto } from './look-at-photo.ts';
import type { ObserveStage } from './measure-work.ts';
import { type Naming, nameFaces, revisionOf, toCandidate, toMatch } from './name-faces.ts';
import type { WorkerPool } from './worker-pool.ts';

/** What the reference system answers when nobody is recognised. */
const NOT_FOUND = 'not_found';

export interface IdentifyOptions extends Naming {
  /** Folders that photos may come from. */
  readonly roots: readonly string[];
  readonly sources: Pick<PhotoSources, 'withPhoto'>;
  /** Of the gallery. */
  readonly model: ModelName;
  readonly pool: WorkerPool;
  readonly observe?: ObserveStage;
}

/**
 * Finds every face of a photo and names those that are known.
 *
 * @param request a path relative to, or inside, one of the roots, a URL, or the photo itself, of which nothing is kept
 * @param signal drops the photo while it waits for a worker
 * @throws PermanentError for a photo that will never be readable
 * @throws PhotoUnreachableError for one that cannot be fetched now
 */
export async function identify(
  options: IdentifyOptions,
  request: IdentifyRequest,
  signal: AbortSignal,
): Promise<IdentifyResponse> {
  const { rules } = options;
  const photo = await lookAtPhoto({ ...options, models: [options.model] }, request, signal);
  // Before the decision: it must not claim to know what changes after it.
  const galleryRevision = revisionOf(options);
  const attributes = { [OUR_ATTRIBUTES.faces]: photo.faces.length };
  const searchedAt = performance.now();
  const search = () => nameFaces(options, photo.faces.map(toProbe));
  const decided = await inPart('search', search, () => ({ attributes }));
  options.observe?.('search', performance.now() - searchedAt);
  return {
    imageName: nearestImage(decided) ?? NOT_FOUND,
    recognition: {
      faces: photo.faces.map((face, index) => toFace(face, decided[index] as DecidedFace)),
      width: photo.width,
      height: photo.height,
      model: options.model,
      threshold: rules.current.threshold,
      galleryRevision,
      contentHash: Buffer.from(photo.contentHash, 'hex'),
    },
  };
}

function toProbe({ descriptor, quality }: JudgedFace) {
  return { descriptor, faceId: 0, qualityReasons: quality.reasons, personId: 0 };
}

/** The known photo that is nearest to any of the faces; the reference knows one answer per photo. */
function nearestImage(faces: readonly DecidedFace[]): string | undefined {
  const matches = faces.flatMap(({ match }) => match ?? []);
  return matches.sort((a, b) => a.distance - b.distance)[0]?.imageName;
}

function toFace(face: JudgedFace, { match, nearestDistance, threshold, candidates }: DecidedFace): Face {
  return {
    box: face.box,
    confidence: face.confidence,
    descriptor: [...face.descriptor],
    match: match ? toMatch(match) : undefined,
    nearestDistance: nearestDistance ?? 0,
    quality: { ...face.quality, reasons: [...face.quality.reasons] },
    threshold,
    candidates: candidates.map(toCandidate),
  };
}
