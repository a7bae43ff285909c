import { setImmediate } from 'node:timers/promises';
import type { GalleryChanges, StoredFace } from '../../lib/rematch-images.ts';
import { CANDIDATE_LIMIT } from '../../lib/similarity.ts';

/** Bytes of a descriptor. */
const DESCRIPTOR = 512;
const FLOATS = DESCRIPTOR / 4;
/** Comparisons until other work of the process gets its turn: about 10 ms. */
const BETWEEN_TURNS = 100_000;
/** With more changed references, deciding every face again costs less than finding out which it concerns. */
const MANY_REFERENCES = 5_000;

type Changes = Pick<GalleryChanges, 'references' | 'referenceIds' | 'personIds' | 'thresholdChanged'>;

/** Tells the images that changes may concern from those that they cannot: the same answer would be decided again. */
export interface AffectedFinder {
  /** Ids of images, each once. Gives way to other work of the process. */
  findImages(faces: readonly StoredFace[]): Promise<number[]>;
}

/**
 * A face is concerned when a changed reference is within CANDIDATE_LIMIT (farther ones are nobody's candidates, and no
 * threshold is larger), when its person or one of its candidates has changed or rests on a changed or removed reference,
 * when a threshold has changed and somebody is near enough for it, or when it was decided before candidates were kept.
 */
export function findAffectedBy(changes: Changes): AffectedFinder {
  const referencesOf = packByModel(changes.references);
  const everything = changes.references.length > MANY_REFERENCES;

  return {
    async findImages(faces) {
      const found = new Set<number>();
      if (everything) return [...new Set(faces.map((face) => face.imageId))];
      const rest = faces.filter((face) => {
        if (found.has(face.imageId)) return false;
        const concerned = mentionsChange(face, changes);
        if (concerned) found.add(face.imageId);
        return !concerned;
      });
      for (const [model, references] of referencesOf) {
        const own = rest.filter((face) => face.model === model && !found.has(face.imageId));
        await addNear(own, references, found);
      }
      return [...found];
    },
  };
}

function mentionsChange(face: StoredFace, { referenceIds, personIds, thresholdChanged }: Changes): boolean {
  const candidates = face.candidates();
  if (candidates === null) return true;
  if (thresholdChanged && (candidates.length > 0 || face.personId !== null)) return true;
  if (face.personId !== null) {
    // Its reference is gone, by whatever way.
    if (face.personImageId === null && face.decidedBy === 'gallery') return true;
    if (personIds.has(face.personId)) return true;
  }
  if (face.personImageId !== null && referenceIds.has(face.personImageId)) return true;
  return candidates.some((one) => referenceIds.has(one.personImageId) || personIds.has(one.personId));
}

/** Descriptors of one model one after the other. They are stored little-endian, as every machine that runs Node has them. */
function packByModel(references: Changes['references']): Map<string, Float32Array> {
  const models = new Map<string, Buffer[]>();
  for (const { model, descriptor } of references) {
    const own = models.get(model) ?? [];
    models.set(model, own);
    own.push(descriptor);
  }
  return new Map([...models].map(([model, descriptors]) => [model, pack(descriptors)]));
}

/** Copied: where a row lies in the driver's buffer, floats are not aligned. */
function pack(descriptors: readonly Buffer[]): Float32Array {
  const bytes = new Uint8Array(descriptors.length * DESCRIPTOR);
  for (const [index, descriptor] of descriptors.entries()) {
    if (descriptor.length === DESCRIPTOR) bytes.set(descriptor, index * DESCRIPTOR);
    else bytes.fill(0xff, index * DESCRIPTOR, (index + 1) * DESCRIPTOR); // NaN: near to nothing.
  }
  return new Float32Array(bytes.buffer);
}

async function addNear(faces: readonly StoredFace[], references: Float32Array, found: Set<number>): Promise<void> {
  const probes = pack(faces.map((face) => face.descriptor));
  const each = references.length / FLOATS;
  let compared = 0;
  for (const [index, face] of faces.entries()) {
    if (compared > BETWEEN_TURNS) {
      await setImmediate();
      compared = 0;
    }
    compared += each;
    if (isNearAny(probes, index * FLOATS, references)) found.add(face.imageId);
  }
}

const LIMIT_SQUARED = CANDIDATE_LIMIT * CANDIDATE_LIMIT;

/** Exactly: whether any reference is within CANDIDATE_LIMIT of the probe that starts at `offset`. Allocates nothing. */
function isNearAny(probes: Float32Array, offset: number, references: Float32Array): boolean {
  for (let start = 0; start < references.length; start += FLOATS) {
    let sum = 0;
    for (let i = 0; i < FLOATS; i++) {
      const difference = (probes[offset + i] as number) - (references[start + i] as number);
      sum += difference * difference;
    }
    if (sum <= LIMIT_SQUARED) return true;
  }
  return false;
}
