import { setImmediate } from 'node:timers/promises';
import type { Queryable } from '../lib/database.ts';
import { readFaceBlock, squaredDistance } from '../lib/scan-faces.ts';

/** A stored photo with the face that is nearest to a probe. */
export interface FoundPhoto {
  readonly imageId: number;
  readonly faceId: number;
  /** Euclidean. */
  readonly distance: number;
}

export interface FaceScan {
  /** Of each probe, nearest first. */
  readonly photos: readonly (readonly FoundPhoto[])[];
  /** Stored faces that were compared. */
  readonly faces: number;
  /** False when there are more than could be looked at; those that were are the newest. */
  readonly complete: boolean;
}

export interface ScanOptions {
  readonly model: string;
  /** The faces to look for: 128 floats, and how far away a stored face may be to be the same. */
  readonly probes: readonly { readonly descriptor: Float32Array; readonly limit: number }[];
  /** Photos that are kept of each probe. */
  readonly count: number;
  /** When to stop. */
  readonly maxFaces: number;
  readonly maxMs: number;
  readonly signal: AbortSignal;
}

const PAGE = 4_000;
/** Of work, ms, until other requests get their turn; comparing one face with a page is not interrupted. */
const TURN_MS = 10;

/** Compares faces with every stored one of their model, exactly. Needs memory for one page, however many there are. */
export async function findPhotos(db: Queryable, options: ScanOptions): Promise<FaceScan> {
  const { model, probes, count, maxFaces, maxMs, signal } = options;
  const until = performance.now() + maxMs;
  const found = probes.map(({ descriptor, limit }) => ({ descriptor, nearest: keepNearest(count, limit) }));
  let faces = 0;
  let upTo: number | null = Number.MAX_SAFE_INTEGER;
  while (upTo !== null && faces < maxFaces && performance.now() < until) {
    signal.throwIfAborted();
    const block = await readFaceBlock(db, model, upTo, Math.min(PAGE, maxFaces - faces));
    let turn = performance.now();
    for (const { descriptor, nearest } of found) {
      for (let index = 0; index < block.faceIds.length; index++) {
        const squared = squaredDistance(descriptor, 0, block.descriptors, index);
        nearest.add(block.faceIds[index] as number, block.imageIds[index] as number, squared);
      }
      if (performance.now() - turn < TURN_MS) continue;
      await setImmediate();
      turn = performance.now();
    }
    faces += block.faceIds.length;
    upTo = block.next;
  }
  return { photos: found.map(({ nearest }) => nearest.finish()), faces, complete: upTo === null };
}

/** Of each photo its nearest face; of the photos the nearest `count`. */
function keepNearest(count: number, limit: number) {
  const photos = new Map<number, FoundPhoto>();
  let squaredLimit = limit * limit;
  const inOrder = () => [...photos.values()].sort((a, b) => a.distance - b.distance || b.imageId - a.imageId);
  return {
    add(faceId: number, imageId: number, squared: number) {
      // NaN is beyond every limit.
      if (!(squared <= squaredLimit)) return;
      const distance = Math.sqrt(squared);
      if (distance >= (photos.get(imageId)?.distance ?? Number.POSITIVE_INFINITY)) return;
      photos.set(imageId, { imageId, faceId, distance });
      if (photos.size < 2 * count + 1_000) return;
      for (const { imageId: far } of inOrder().slice(count)) photos.delete(far);
      squaredLimit = Math.min(squaredLimit, Math.max(...[...photos.values()].map((one) => one.distance)) ** 2);
    },
    finish: () => inOrder().slice(0, count),
  };
}
