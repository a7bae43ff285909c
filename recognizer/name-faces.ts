import { similarityOf } from '../lib/similarity.ts';
import type { Candidate, Match } from '../proto/face.ts';
import { type DecidedFace, decide, type ProbeFace, type ThresholdFor } from './decide.ts';
import type { Gallery, NearPerson } from './gallery.ts';
import type { DecisionRulesKeeper } from './keep-decision-rules.ts';

/** What names are decided by. */
export interface Naming {
  readonly gallery: Gallery;
  readonly rules: Pick<DecisionRulesKeeper, 'current' | 'revision'>;
  readonly thresholdFor: ThresholdFor;
}

/** Decides whose the faces of one photo are, by the gallery and the rules as they are now. */
export function nameFaces({ gallery, rules, thresholdFor }: Naming, faces: readonly ProbeFace[]): DecidedFace[] {
  const findPeople = (descriptor: Float32Array, count: number) =>
    gallery.nearestPeople(descriptor, { count, limit: Number.POSITIVE_INFINITY });
  return decide(faces, findPeople, rules.current, thresholdFor);
}

/** What is decided now knows every change up to this revision; 0 without a database. */
export function revisionOf({ gallery, rules }: Naming): number {
  return Math.min(gallery.revision, rules.revision);
}

export function toMatch(person: NearPerson): Match {
  const { personName, imageName, distance } = person;
  return { ...toCandidate(person), personName, imageName, similarity: similarityOf(distance) };
}

/** Ids that no database has given are told nobody. */
export function toCandidate({ personId, personImageId, distance }: NearPerson): Candidate {
  return { personId: Math.max(0, personId), personImageId: Math.max(0, personImageId), distance };
}
