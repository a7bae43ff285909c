import { CANDIDATE_LIMIT, distanceBetween } from '../lib/similarity.ts';
import { MAX_CANDIDATES } from '../lib/stored-candidates.ts';
import { assign } from './assign.ts';
import type { NearPerson } from './gallery.ts';

/** A face whose person is to be decided. */
export interface ProbeFace {
  /** 128 floats. */
  readonly descriptor: Float32Array;
  /** Its row; 0 for a face that is stored nowhere. */
  readonly faceId: number;
  /** What speaks against the face. */
  readonly qualityReasons: readonly string[];
  /** Whom a person has said that it is: it stays theirs, and no other face of the photo is. 0: nobody has. */
  readonly personId: number;
}

/** What people have said about people and faces. */
export interface DecisionRules {
  /** The largest distance that counts as the same person. */
  readonly threshold: number;
  /** Those of people who have one of their own, by their ids. */
  readonly thresholdOf: ReadonlyMap<number, number>;
  /** Of all these. */
  readonly largestThreshold: number;
  /** "Not this person": by the person's id, the faces that are not theirs. */
  readonly rejectedOf: ReadonlyMap<number, readonly RejectedFace[]>;
}

export interface RejectedFace {
  readonly faceId: number;
  /** 128 floats of the gallery's model; null when there is none (any more): then only the face itself is rejected. */
  readonly descriptor: Float32Array | null;
}

/** The threshold for a face that something speaks against, of the one for a good face. */
export type ThresholdFor = (base: number, qualityReasons: readonly string[]) => number;

export interface DecidedFace {
  /** Null when the face is nobody's, or a person has decided. */
  readonly match: NearPerson | null;
  /** Euclidean distance to the nearest known face; null when the gallery is empty. */
  readonly nearestDistance: number | null;
  /** The largest distance that counted: for the person who matches, or else for the one who is nearest. */
  readonly threshold: number;
  /** The nearest people, at most MAX_CANDIDATES, at most CANDIDATE_LIMIT away, whether they may be granted or not. */
  readonly candidates: readonly NearPerson[];
}

/** A face that is exactly as far as its threshold is named: to leave it costs a little more. */
const TIE = 1e-9;
/** So many people are looked up at first: the candidates, and some who may not be granted. */
const FIRST_COUNT = 8;

/**
 * Decides whose the faces of one photo are (docs/adr/0010-decision.md).
 *
 * Nobody is in a photo twice. Of all the ways to name the faces it takes the one of the least cost, where a name costs
 * its distance and a face without a name its threshold.
 *
 * @param findPeople the people nearest to a descriptor, each once, nearest first, `count` of them while there are so many
 */
export function decide(
  faces: readonly ProbeFace[],
  findPeople: (descriptor: Float32Array, count: number) => readonly NearPerson[],
  rules: DecisionRules,
  thresholdFor: ThresholdFor,
): DecidedFace[] {
  const pinned = new Set(faces.flatMap(({ personId }) => personId || []));
  const looked = faces.map((face) => lookUp(face, faces.length, { findPeople, pinned, rules, thresholdFor }));
  const columns = new Map<number, number>();
  const columnOf = (person: NearPerson) => {
    const column = columns.get(person.personId) ?? columns.size;
    columns.set(person.personId, column);
    return column;
  };
  const rows = looked.map(({ allowed, base }) => ({
    leave: Math.max(base, ...allowed.map(({ limit }) => limit)) + TIE,
    edges: allowed.map(({ person }) => ({ column: columnOf(person), cost: person.distance })),
  }));
  return assign(rows).map((column, index) => {
    const { near, nearestLimit, base, allowed } = looked[index] as LookedUp;
    const match = allowed.find(({ person }) => columnOf(person) === column) ?? null;
    return {
      match: match?.person ?? null,
      nearestDistance: near[0]?.distance ?? null,
      threshold: match?.limit ?? nearestLimit ?? base,
      candidates: near.filter(({ distance }) => distance <= CANDIDATE_LIMIT).slice(0, MAX_CANDIDATES),
    };
  });
}

interface LookedUp {
  /** Nearest first. */
  readonly near: readonly NearPerson[];
  /** Those to whom the face may be granted, nearest first, with the largest distance at which it may. */
  readonly allowed: readonly { readonly person: NearPerson; readonly limit: number }[];
  /** The threshold of the face for people who have none of their own. */
  readonly base: number;
  readonly nearestLimit: number | undefined;
}

interface LookUp {
  readonly findPeople: (descriptor: Float32Array, count: number) => readonly NearPerson[];
  readonly pinned: ReadonlySet<number>;
  readonly rules: DecisionRules;
  readonly thresholdFor: ThresholdFor;
}

/** @param needed so many people are enough, since the other faces of the photo cannot take all of them */
function lookUp(face: ProbeFace, needed: number, { findPeople, pinned, rules, thresholdFor }: LookUp): LookedUp {
  const limitFor = (threshold: number) => Math.min(CANDIDATE_LIMIT, thresholdFor(threshold, face.qualityReasons));
  const limitOf = ({ personId }: NearPerson) => limitFor(rules.thresholdOf.get(personId) ?? rules.threshold);
  const base = limitFor(rules.threshold);
  const farthest = limitFor(rules.largestThreshold);
  for (let count = FIRST_COUNT; ; count *= 4) {
    const near = findPeople(face.descriptor, count);
    const [nearest] = near;
    const allowed = near
      .map((person) => ({ person, limit: limitOf(person) }))
      .filter(({ person, limit }) => face.personId === 0 && person.distance <= limit && !pinned.has(person.personId))
      .filter(({ person }) => !isRejected(face, person, rules.rejectedOf))
      .slice(0, needed);
    const rest = near.length === count && (near.at(-1)?.distance ?? 0) <= farthest;
    if (face.personId === 0 && rest && allowed.length < needed) continue;
    return { near, allowed, base, nearestLimit: nearest && limitOf(nearest) };
  }
}

/** Somebody said so of this face, or of one that is nearer to it than any reference of the person. */
function isRejected(face: ProbeFace, { personId, distance }: NearPerson, rejectedOf: DecisionRules['rejectedOf']) {
  return (rejectedOf.get(personId) ?? []).some(
    (rejected) =>
      (face.faceId > 0 && rejected.faceId === face.faceId) ||
      (rejected.descriptor !== null && distanceBetween(rejected.descriptor, face.descriptor) < distance),
  );
}
