import type { Queryable, Row } from '../../lib/database.ts';
import { readVersionProbes, type VersionProbe } from '../../lib/face-versions.ts';
import { probesToMatch } from '../../lib/match-probes.ts';
import type { ComparisonExample, ModelComparison } from '../../lib/models.ts';
import { readGalleryRevision } from '../../lib/rematch-images.ts';
import type { JobContext } from '../../lib/run-jobs.ts';
import type { Decision } from '../../proto/face.ts';
import type { RecognizerClient } from '../recognizer-client.ts';
import { matchWhenPossible } from './decide-again.ts';
import { ModelNowhereError } from './describe-again.ts';

export interface CompareOptions {
  readonly recognizer: Pick<RecognizerClient, 'match' | 'breaker'>;
}

/** Images that the recognizer is asked about in one call. */
const BATCH = 32;
const MAX_EXAMPLES = 50;

/**
 * Has the recognizer decide every stored photo by a model that does not answer yet, and counts how many answers would be
 * others than those that are stored; newest photos first. Nothing is changed.
 *
 * @throws ModelNowhereError
 */
export async function compareModel(
  { recognizer }: CompareOptions,
  context: JobContext,
  model: string,
): Promise<ModelComparison> {
  const { db, signal } = context;
  const minRevision = await readGalleryRevision(db);
  const examples: ComparisonExample[] = [];
  const counts = { photos: 0, faces: 0, gained: 0, lost: 0, otherPerson: 0, changedPhotos: 0 };
  let galleryRevision = minRevision;
  for (let before = Number.MAX_SAFE_INTEGER; ; ) {
    signal.throwIfAborted();
    const imageIds = await listImagesWithFaces(db, before, BATCH);
    const last = imageIds.at(-1);
    if (last === undefined) break;
    before = last;
    const photos = [...(await readVersionProbes(db, imageIds, model))];
    const asked = photos.map(([, probes]) => probesToMatch(probes));
    const batch = { recognizer, context, minRevision };
    const response = await matchWhenPossible(batch, model, asked);
    if (response === null) throw new ModelNowhereError(model);
    galleryRevision = response.galleryRevision;
    for (const [index, [imageId, probes]] of photos.entries()) {
      const decisions = new Map(
        asked[index]?.map((probe, face) => [probe.faceId, response.photos[index]?.decisions[face]]),
      );
      const changes = probes
        .filter((probe) => probe.decidedBy === 'gallery')
        .map((probe) => toExample(imageId, probe, decisions.get(probe.faceId)));
      const changed = changes.filter(({ from, to }) => from.personId !== to.personId);
      counts.photos++;
      counts.faces += changes.length;
      counts.gained += changed.filter(({ from }) => from.personId === null).length;
      counts.lost += changed.filter(({ to }) => to.personId === null).length;
      counts.otherPerson += changed.filter(({ from, to }) => from.personId !== null && to.personId !== null).length;
      counts.changedPhotos += changed.length > 0 ? 1 : 0;
      examples.push(...changed.slice(0, MAX_EXAMPLES - examples.length));
    }
  }
  return { comparedAt: new Date().toISOString(), galleryRevision, ...counts, examples };
}

function toExample(imageId: number, probe: VersionProbe, decision: Decision | undefined): ComparisonExample {
  const distance = decision?.match?.distance ?? (decision?.nearestDistance || null);
  return {
    ...{ imageId, faceId: probe.faceId },
    from: { personId: probe.personId, distance: probe.distance },
    to: { personId: decision?.match?.personId || null, distance },
  };
}

/** Newest first. @param before only smaller ids */
async function listImagesWithFaces(db: Queryable, before: number, limit: number): Promise<number[]> {
  const [rows] = await db.query<Row[]>(
    "SELECT id FROM images WHERE id < ? AND status IN ('matched', 'unknown') ORDER BY id DESC LIMIT ?",
    [before, limit],
  );
  return rows.map((row) => row.id);
}
