import { setTimeout as sleep } from 'node:timers/promises';
import { type Database, descriptorFromBytes, descriptorToBytes, type Row } from '../../lib/database.ts';
import { findModel } from '../../lib/descriptor-models.ts';
import { PermanentError } from '../../lib/errors.ts';
import { readFacesToDescribe, readFaceVersion, storeFaceVersions, type Version } from '../../lib/face-versions.ts';
import { type ReferenceToDescribe, storeReferenceVersions } from '../../lib/reference-versions.ts';
import { SAME_PICTURE_DISTANCE } from '../../lib/references.ts';
import type { JobContext } from '../../lib/run-jobs.ts';
import { distanceBetween } from '../../lib/similarity.ts';
import type { DescribeRequest, DescribeResponse } from '../../proto/face.ts';
import { RecognizerUnavailable } from '../circuit-breaker.ts';
import { RecognizerBusy, type RecognizerClient } from '../recognizer-client.ts';

export interface DescribeAgainOptions {
  readonly recognizer: Pick<RecognizerClient, 'describe' | 'breaker'>;
}

/** Of those that are there none describes faces by a model, or has a gallery of it. */
export class ModelNowhereError extends Error {
  constructor(model: string) {
    super(`No recognizer knows the model ${model}.`);
    this.name = 'ModelNowhereError';
  }
}

/** With so many photos waiting for their first answer, nothing is looked at again. */
const SHORT_QUEUE = 16;
const BUSY_WAIT_MS = 250;

/** A face, or a reference, as it is stored, of whatever model. */
interface Described {
  readonly id: number;
  readonly model: string;
  readonly descriptor: Buffer;
}

/** Describes those faces of an image by a model that nobody has tried to, from its photo. @throws MatchRefused */
export async function describeImage(
  options: DescribeAgainOptions,
  context: JobContext,
  imageId: number,
  model: string,
): Promise<void> {
  const image = await readFacesToDescribe(context.db, imageId, model);
  if (image === null || image.faces.length === 0) return;
  const found = await lookAgain(options, context, { imagePath: image.path, knownPhoto: '' }, image.faces, model);
  await context.write((connection) => storeFaceVersions(connection, model, found));
}

/** Describes references by a model: those that were faces as their faces, the others from their photos. @throws MatchRefused */
export async function describeReferences(
  options: DescribeAgainOptions,
  context: JobContext,
  references: readonly ReferenceToDescribe[],
  model: string,
): Promise<void> {
  const found = new Map<number, Version>();
  for (const reference of references) {
    const version = await describeReference(options, context, reference, model);
    if (version !== undefined) found.set(reference.id, version);
  }
  await context.write((connection) => storeReferenceVersions(connection, model, found));
}

async function describeReference(
  options: DescribeAgainOptions,
  context: JobContext,
  reference: ReferenceToDescribe,
  model: string,
): Promise<Version | undefined> {
  const { faceId, imageId, path, imageName, descriptor: base } = reference;
  if (faceId !== null && imageId !== null) {
    await describeImage(options, context, imageId, model);
    const descriptor = await readFaceVersion(context.db, faceId, model);
    return descriptor === null
      ? { base, descriptor, failure: 'face_not_described' }
      : { base, descriptor, failure: null };
  }
  const photo = path === null ? { imagePath: '', knownPhoto: imageName } : { imagePath: path, knownPhoto: '' };
  return (await lookAgain(options, context, photo, [reference], model)).get(reference.id);
}

/** What a photo says of faces that were seen in it before, by their ids. */
async function lookAgain(
  options: DescribeAgainOptions,
  context: JobContext,
  photo: Pick<DescribeRequest, 'imagePath' | 'knownPhoto'>,
  faces: readonly Described[],
  model: string,
): Promise<Map<number, Version>> {
  const found = new Map<number, Version>();
  for (const base of new Set(faces.map((face) => face.model))) {
    const own = faces.filter((face) => face.model === base);
    const seen = await describeWhenPossible(options, context, { ...photo, models: [base, model] });
    for (const { id, descriptor } of own) {
      if (typeof seen === 'string') found.set(id, { base: descriptor, descriptor: null, failure: seen });
    }
    if (typeof seen !== 'string') for (const [id, version] of recogniseAgain(own, seen)) found.set(id, version);
  }
  return found;
}

/**
 * Which of the faces that are seen now is which of those that were seen before: the nearest, by the model that was used
 * before, and none that is farther than pictures of one face are. A photo that was replaced by another shows nobody again.
 */
export function recogniseAgain(before: readonly Described[], { faces }: DescribeResponse): Map<number, Version> {
  const pairs = before.flatMap((face) => {
    const descriptor = descriptorFromBytes(face.descriptor);
    return faces.map((seen) => ({
      face,
      seen,
      distance: distanceBetween(descriptor, seen.descriptors[0]?.descriptor ?? []),
    }));
  });
  const found = new Map<number, Version>();
  const taken = new Set<DescribeResponse['faces'][number]>();
  for (const { face, seen, distance } of pairs.sort((a, b) => a.distance - b.distance)) {
    if (!(distance < SAME_PICTURE_DISTANCE) || found.has(face.id) || taken.has(seen)) continue;
    taken.add(seen);
    const descriptor = descriptorToBytes(Float32Array.from(seen.descriptors[1]?.descriptor ?? []));
    found.set(face.id, { base: face.descriptor, descriptor, failure: null });
  }
  for (const { id, descriptor: base } of before) {
    if (!found.has(id)) found.set(id, { base, descriptor: null, failure: 'face_not_found' });
  }
  return found;
}

/** Waits as long as it takes. @returns the code of why the photo will never be readable */
async function describeWhenPossible(
  { recognizer }: DescribeAgainOptions,
  { db, signal }: JobContext,
  request: DescribeRequest,
): Promise<DescribeResponse | string> {
  if (request.models.some((model) => findModel(model) === undefined)) return 'model_unknown';
  for (;;) {
    signal.throwIfAborted();
    if (await isQueueLong(db)) {
      await pause(BUSY_WAIT_MS, signal);
      continue;
    }
    try {
      return await recognizer.describe(request);
    } catch (error) {
      if (error instanceof PermanentError) return error.code;
      if (error instanceof RecognizerUnavailable) await recognizer.breaker.untilClosed(signal);
      else if (error instanceof RecognizerBusy) await pause(BUSY_WAIT_MS, signal);
      else throw error;
    }
  }
}

/** Photos that nobody has answered yet come first. */
async function isQueueLong(db: Database): Promise<boolean> {
  const [rows] = await db.query<Row[]>(
    "SELECT COUNT(*) AS count FROM (SELECT 1 FROM images WHERE status = 'pending' LIMIT ?) AS waiting",
    [SHORT_QUEUE + 1],
  );
  return (rows[0]?.count ?? 0) > SHORT_QUEUE;
}

/** Ends early when `signal` is aborted. */
async function pause(ms: number, signal: AbortSignal): Promise<void> {
  await sleep(ms, undefined, { signal }).catch(() => undefined);
}
