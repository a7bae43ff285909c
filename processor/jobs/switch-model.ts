import type { Events } from '../../lib/events.ts';
import { findImagesToSwitch, readVersionProbes, restoreDistance, switchFaces } from '../../lib/face-versions.ts';
import type { FaceDecision, Faces, StoredProbe } from '../../lib/faces.ts';
import type { ImageStatus } from '../../lib/images.ts';
import { probesToMatch } from '../../lib/match-probes.ts';
import { readGalleryRevision, readStatuses } from '../../lib/rematch-images.ts';
import type { JobContext } from '../../lib/run-jobs.ts';
import { noteChangedImages } from '../../lib/webhook-events.ts';
import type { RecognizerClient } from '../recognizer-client.ts';
import { matchWhenPossible, toDecisions } from './decide-again.ts';
import { ModelNowhereError } from './describe-again.ts';

export interface SwitchOptions {
  readonly faces: Pick<Faces, 'rewriteDecisions'>;
  readonly recognizer: Pick<RecognizerClient, 'match' | 'breaker'>;
  readonly events: Pick<Events, 'publish'>;
}

const PAGE_FACES = 200;
/** Images that are written together. */
const BATCH = 16;

/**
 * Gives some of the images that are of another model the descriptors, and the answers, of the one that answers now. Both
 * in one transaction: at no time does an image tell a distance of one model beside a descriptor of another.
 *
 * @param after the id of a face
 * @throws ModelNowhereError
 * @returns the last face that was looked at, to go on after, and whether there are more for now
 */
export async function switchSome(
  options: SwitchOptions,
  context: JobContext,
  { model, wanted, after }: { model: string; wanted: readonly string[]; after: number },
): Promise<{ images: number; last: number; more: boolean }> {
  const { imageIds, last, next } = await findImagesToSwitch(context.db, model, after, PAGE_FACES);
  let images = 0;
  for (let start = 0; start < imageIds.length; start += BATCH) {
    context.signal.throwIfAborted();
    images += await switchBatch(options, context, imageIds.slice(start, start + BATCH), { model, wanted });
  }
  return { images, last, more: next !== null };
}

async function switchBatch(
  options: SwitchOptions,
  context: JobContext,
  some: readonly number[],
  { model, wanted }: { model: string; wanted: readonly string[] },
): Promise<number> {
  const { db } = context;
  const minRevision = await readGalleryRevision(db);
  const photos = await readVersionProbes(db, some, model);
  const imageIds = [...photos.keys()];
  if (imageIds.length === 0) return 0;
  const asked = imageIds.map((id) => probesToMatch(photos.get(id) ?? []));
  const response = await matchWhenPossible({ recognizer: options.recognizer, context, minRevision }, model, asked);
  if (response === null) throw new ModelNowhereError(model);
  const { switched, statuses } = await context.write(async (connection) => {
    const decided = new Map<number, ReadonlyMap<number, FaceDecision>>();
    const named: { face: StoredProbe; decisions: ReadonlyMap<number, FaceDecision> }[] = [];
    for (const [index, id] of imageIds.entries()) {
      const probes = asked[index] ?? [];
      const faceIds = (photos.get(id) ?? []).map((probe) => probe.faceId);
      if (!(await switchFaces(connection, id, { model, faceIds, wanted }))) continue;
      const decisions = toDecisions(probes, response.photos[index]?.decisions ?? []);
      decided.set(id, decisions);
      named.push(...probes.filter((face) => face.decidedBy === 'user').map((face) => ({ face, decisions })));
    }
    const changed = await options.faces.rewriteDecisions(connection, model, response.galleryRevision, decided);
    for (const { face, decisions } of named) {
      const candidates = decisions.get(face.faceId)?.candidates ?? [];
      await restoreDistance(connection, face.faceId, candidates.find((one) => one.personId === face.personId) ?? null);
    }
    const found = await readStatuses<ImageStatus>(connection, changed);
    await noteChangedImages(connection, found);
    return { switched: decided.size, statuses: found };
  });
  for (const [imageId, status] of statuses) options.events.publish({ kind: 'image.changed', imageId, status });
  return switched;
}
