import type { ModelName } from '../lib/descriptor-models.ts';
import { PermanentError } from '../lib/errors.ts';
import { resolveImagePath } from '../lib/image-path.ts';
import type { Face, IdentifyRequest, IdentifyResponse } from '../proto/face.ts';
import type { DecidedFace } from './decide.ts';
import type { JudgedFace, PhotoSource } from './describe-photo.ts';
import { type Naming, nameFaces, revisionOf, toCandidate, toMatch } from './name-faces.ts';
import { expectDescribed, type WorkerPool } from './worker-pool.ts';

/** What the reference system answers when nobody is recognised. */
const NOT_FOUND = 'not_found';

export interface IdentifyOptions extends Naming {
  /** Folders that photos may come from. */
  readonly roots: readonly string[];
  /** Of the gallery. */
  readonly model: ModelName;
  readonly pool: WorkerPool;
}

/**
 * Finds every face of a photo and names those that are known.
 *
 * @param request a path relative to, or inside, one of the roots, or the photo itself, of which nothing is kept
 * @param signal drops the photo while it waits for a worker
 * @throws PermanentError for a photo that will never be readable
 */
export async function identify(
  options: IdentifyOptions,
  request: IdentifyRequest,
  signal: AbortSignal,
): Promise<IdentifyResponse> {
  const { pool, roots, rules } = options;
  const photo = expectDescribed(
    await pool.describe({ ...(await sourceOf(request, roots)), models: [options.model] }, { signal }),
  );
  // Before the decision: it must not claim to know what changes after it.
  const galleryRevision = revisionOf(options);
  const decided = nameFaces(options, photo.faces.map(toProbe));
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

/** @throws PermanentError for a path that leads nowhere, or out of the roots */
export async function sourceOf({ imagePath, image }: IdentifyRequest, roots: readonly string[]): Promise<PhotoSource> {
  if (image.length === 0) return { path: await resolveImagePath(imagePath, roots) };
  if (imagePath === '') return { file: image };
  throw new PermanentError('request_invalid', 'The request holds a path and a photo: one of them, please.');
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
