export interface MeasuredPair {
  readonly same: boolean;
  /** Infinite when one of the photos shows no face: such a pair is never taken for one person. */
  readonly distance: number;
}

export interface Verification {
  /** Of each fold (0..1), with the threshold that was best on the others. */
  readonly accuracies: readonly number[];
  readonly thresholds: readonly number[];
  readonly mean: number;
  /** Of the mean: the folds' standard deviation (n − 1) over √n, as LFW's report defines it. */
  readonly standardError: number;
}

/**
 * LFW's View 2: each fold in turn is judged with the threshold that is most accurate on all the others (Huang et al.,
 * "Labeled Faces in the Wild", 2007, section 5).
 */
export function verifyFolds(folds: readonly (readonly MeasuredPair[])[]): Verification {
  const thresholds = folds.map((_, held) => mostAccurateThreshold(folds.filter((__, fold) => fold !== held).flat()));
  const accuracies = folds.map((fold, index) => accuracyAt(fold, thresholds[index] ?? 0));
  const mean = accuracies.reduce((sum, value) => sum + value, 0) / folds.length;
  const variance = accuracies.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (folds.length - 1);
  return { accuracies, thresholds, mean, standardError: Math.sqrt(variance / folds.length) };
}

/** The share (0..1) of pairs that a threshold judges rightly. */
export function accuracyAt(pairs: readonly MeasuredPair[], threshold: number): number {
  return pairs.filter(({ same, distance }) => distance <= threshold === same).length / pairs.length;
}

/** Of equally accurate thresholds the one in the middle of the widest gap between distances, which should last best. */
export function mostAccurateThreshold(pairs: readonly MeasuredPair[]): number {
  const sorted = pairs.filter(({ distance }) => Number.isFinite(distance)).sort((a, b) => a.distance - b.distance);
  // Right minus what nobody can change: below all distances, every pair of two people is judged rightly.
  let right = 0;
  let best = { right, gap: sorted[0]?.distance ?? 0, threshold: (sorted[0]?.distance ?? 0) / 2 };
  for (const [index, { same, distance }] of sorted.entries()) {
    right += same ? 1 : -1;
    const next = sorted[index + 1]?.distance ?? distance;
    const gap = next - distance;
    const isEnd = index === sorted.length - 1;
    // Between equal distances there is no threshold.
    if (gap === 0 && !isEnd) continue;
    if (right > best.right || (right === best.right && gap > best.gap))
      best = { right, gap, threshold: (distance + next) / 2 };
  }
  return best.threshold;
}
