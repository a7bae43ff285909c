/**
 * The largest Euclidean distance between two descriptors that counts as the same person.
 *
 * Measured on face-api's descriptors: the customary 0.6 gives some strangers a name, 0.55 none (docs/adr/0005).
 */
export const DEFAULT_THRESHOLD = 0.55;

/**
 * People farther than this are no candidates for a face, and no threshold may be larger: what is stored of the candidates
 * is then enough to tell what any threshold would change. Genuine pairs lie below 0.6 nearly always (docs/adr/0005).
 */
export const CANDIDATE_LIMIT = 0.7;

/** How fast similarity falls around the threshold; 12 puts identical descriptors at 0.999 and a distance of 0.8 at 0.05. */
const STEEPNESS = 12;

/**
 * Turns a Euclidean distance (0 or more) into a similarity: 0..1, falling with distance, 0.5 at the default threshold.
 * It is a scale for people to read, not a probability.
 */
export function similarityOf(distance: number): number {
  return 1 / (1 + Math.exp(STEEPNESS * (distance - DEFAULT_THRESHOLD)));
}

/** Euclidean, of two descriptors of one model. */
export function distanceBetween(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) {
    const difference = (a[i] ?? 0) - (b[i] ?? 0);
    sum += difference * difference;
  }
  return Math.sqrt(sum);
}
