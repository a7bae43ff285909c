import { resolveImagePath } from '../lib/image-path.ts';
import { similarityOf } from '../lib/similarity.ts';
import type { Face, IdentifyResponse, Match as MatchMessage } from '../proto/face.ts';
import type { DescribedFace } from './engine/engine.ts';
import type { Gallery, Match, NamedFace } from './gallery.ts';
import { expectDescribed, type WorkerPool } from './worker-pool.ts';

/** What the reference system answers when nobody is recognised. */
const NOT_FOUND = 'not_found';

export interface IdentifyOptions {
  /** Folders that photos may come from. */
  readonly roots: readonly string[];
  readonly threshold: number;
  readonly model: string;
  readonly pool: WorkerPool;
  readonly gallery: Gallery;
}

/**
 * Finds every face of a photo and names those that are known.
 *
 * @param path relative to, or inside, one of the roots
 * @param signal drops the photo while it waits for a worker
 * @throws PermanentError for a photo that will never be readable
 */
export async function identify(options: IdentifyOptions, path: string, signal: AbortSignal): Promise<IdentifyResponse> {
  const { gallery, pool, roots } = options;
  const file = await resolveImagePath(path, roots);
  const photo = expectDescribed(await pool.describe({ path: file }, { signal }));
  const named = gallery.nameFaces(photo.faces.map((face) => face.descriptor));
  return {
    imageName: nearestImage(named) ?? NOT_FOUND,
    recognition: {
      faces: photo.faces.map((face, index) => toFace(face, named[index])),
      width: photo.width,
      height: photo.height,
      model: options.model,
      threshold: options.threshold,
      galleryRevision: gallery.revision,
      contentHash: Buffer.from(photo.contentHash, 'hex'),
    },
  };
}

/** The known photo that is nearest to any of the faces; the reference knows one answer per photo. */
function nearestImage(faces: readonly NamedFace[]): string | undefined {
  const matches = faces.flatMap(({ match }) => match ?? []);
  return matches.sort((a, b) => a.distance - b.distance)[0]?.entry.imageName;
}

function toFace(face: DescribedFace, named: NamedFace | undefined): Face {
  return {
    box: face.box,
    confidence: face.confidence,
    descriptor: [...face.descriptor],
    match: named?.match ? toMatch(named.match) : undefined,
    nearestDistance: named?.nearestDistance ?? 0,
    quality: undefined,
    threshold: 0,
    candidates: [],
  };
}

function toMatch({ entry, distance }: Match): MatchMessage {
  return {
    personId: entry.personId,
    personName: entry.personName,
    imageName: entry.imageName,
    personImageId: entry.personImageId,
    distance,
    similarity: similarityOf(distance),
  };
}
