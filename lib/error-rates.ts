/**
 * Rates as ISO/IEC 19795-1 defines them, over distances in ascending order. Two faces count as the same person when their
 * distance is at most the threshold, as in the recognizer's gallery.
 */

/** Distances of pairs, ascending. */
export interface Distances {
  /** Of two faces of one person. */
  readonly genuine: Float64Array;
  /** Of faces of two people. */
  readonly impostor: Float64Array;
}

/**
 * With no error in N trials the true rate is below 3/N with 95 % confidence (the "rule of three"), so with fewer than
 * three pairs for each error in question nothing can be said about a rate.
 */
const RULE_OF_THREE = 3;

/** The share (0..1) of impostor pairs that a threshold takes for one person: FAR. */
export function falseAcceptRate(impostor: Float64Array, threshold: number): number {
  return countAtMost(impostor, threshold) / impostor.length;
}

/** The share (0..1) of genuine pairs that a threshold takes for two people: FRR. */
export function falseRejectRate(genuine: Float64Array, threshold: number): number {
  return (genuine.length - countAtMost(genuine, threshold)) / genuine.length;
}

/** How many impostor pairs it takes to say something about a FAR (0..1). */
export function pairsNeededFor(far: number): number {
  return Math.ceil(RULE_OF_THREE / far - 1e-9);
}

/** The smallest FAR that so many impostor pairs can show. */
export function smallestFar(impostorPairs: number): number {
  return RULE_OF_THREE / impostorPairs;
}

/**
 * The largest threshold, in thousandths, whose FAR is at most `far` (0..1, not 1).
 *
 * @returns null when there are too few impostor pairs to say so
 */
export function thresholdForFar(impostor: Float64Array, far: number): number | null {
  if (impostor.length < pairsNeededFor(far)) return null;
  const allowed = Math.floor(impostor.length * far + 1e-9);
  const firstNotAllowed = impostor[allowed] ?? 0;
  return Math.max(0, (Math.ceil(firstNotAllowed * 1000) - 1) / 1000);
}

/**
 * Where FAR and FRR are nearest to each other, and the mean of the two there: the equal error rate. The threshold lies in
 * the middle between the two distances that bound it.
 */
export function equalErrorRate({ genuine, impostor }: Distances): { rate: number; threshold: number } {
  const candidates = Float64Array.from([...new Set([0, ...genuine, ...impostor])]).sort();
  let best = { gap: Number.POSITIVE_INFINITY, rate: 1, threshold: 0 };
  let [accepted, wronglyAccepted] = [0, 0];
  for (const [index, candidate] of candidates.entries()) {
    while (accepted < genuine.length && (genuine[accepted] ?? 0) <= candidate) accepted++;
    while (wronglyAccepted < impostor.length && (impostor[wronglyAccepted] ?? 0) <= candidate) wronglyAccepted++;
    const frr = (genuine.length - accepted) / genuine.length;
    const far = wronglyAccepted / impostor.length;
    const gap = Math.abs(far - frr);
    if (gap < best.gap) {
      const next = candidates[index + 1] ?? candidate;
      best = { gap, rate: (far + frr) / 2, threshold: (candidate + next) / 2 };
    }
  }
  return { rate: best.rate, threshold: best.threshold };
}

/** The value below which a share (0..1) of the values lies, interpolated between neighbours; values ascending, at least one. */
export function quantile(sorted: Float64Array, share: number): number {
  const position = (sorted.length - 1) * share;
  const below = sorted[Math.floor(position)] ?? Number.NaN;
  const above = sorted[Math.ceil(position)] ?? Number.NaN;
  return below + (above - below) * (position - Math.floor(position));
}

/** How many of the ascending values are at most `limit`. */
export function countAtMost(sorted: Float64Array, limit: number): number {
  let [low, high] = [0, sorted.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((sorted[middle] ?? 0) <= limit) low = middle + 1;
    else high = middle;
  }
  return low;
}
