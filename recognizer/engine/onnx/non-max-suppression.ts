/** Corners of a box, in any unit. */
export interface Corners {
  readonly left: number;
  readonly top: number;
  readonly right: number;
  readonly bottom: number;
}

/**
 * Keeps the best-scored of boxes that overlap, best first (ssdMobilenetv1/nonMaxSuppression.ts, ops/nonMaxSuppression.ts).
 *
 * @param options.overlap boxes that overlap a better one by more than this (intersection over union) are dropped
 * @param options.limit how many boxes to keep at most
 */
export function suppressNonMaxima<Candidate extends { readonly corners: Corners; readonly score: number }>(
  candidates: readonly Candidate[],
  { overlap, limit = Number.POSITIVE_INFINITY }: { overlap: number; limit?: number },
): Candidate[] {
  const kept: Candidate[] = [];
  for (const candidate of [...candidates].sort((a, b) => b.score - a.score)) {
    if (kept.length >= limit) break;
    if (kept.every(({ corners }) => overlapOf(candidate.corners, corners) <= overlap)) kept.push(candidate);
  }
  return kept;
}

/** Intersection over union, 0..1. */
export function overlapOf(a: Corners, b: Corners): number {
  const [areaA, areaB] = [areaOf(a), areaOf(b)];
  if (areaA <= 0 || areaB <= 0) return 0;
  const width = Math.max(0, Math.min(a.right, b.right) - Math.max(a.left, b.left));
  const height = Math.max(0, Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top));
  return (width * height) / (areaA + areaB - width * height);
}

const areaOf = ({ left, top, right, bottom }: Corners) => (right - left) * (bottom - top);
